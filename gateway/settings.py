"""The configuration: what config.yaml may say, with its defaults. How it is read, and what is refused: gateway/config.py.

Every field has a description; accounts come from here alone.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from domain.ids import AccountId, BrandId
from domain.people import Account, Brand, Side
from gateway.channels.settings import Base, Network
from gateway.channels.wechat.settings import WechatSettings
from gateway.channels.wecom.settings import WecomSettings
from services.world import World


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("must be a time zone such as Asia/Shanghai") from error
    return name


def _list(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _long_enough(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value()) < 32:
        raise ValueError("must have at least 32 characters; `openssl rand -hex 32` makes one")
    return value


def _media_url(value: str) -> str:
    if not value.startswith("file:") or len(value) == len("file:"):
        raise ValueError("must be file:FOLDER; several nodes need a folder that they share")
    return value


Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Role = Literal["web", "inbox", "outbox", "scheduler"]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_list)]


class Section(BaseModel):
    """A part of the configuration: keys it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerConfig(Section):
    """Where this node listens."""

    host: str = Field(
        "127.0.0.1",
        description="Address to listen on. Any other than this machine's own needs public_url with https and trusted_proxies.",
    )
    port: Port = Field(8080, description="Port of the callbacks, the API and the console; 0 takes any that is free.")
    internal_host: str = Field(
        "127.0.0.1", description="Address of the internal listener; never reachable from outside."
    )
    internal_port: Port = Field(8081, description="Port of /healthz, /readyz and /metrics; 0 takes any that is free.")
    public_url: Base | None = Field(
        None,
        description="How the world reaches this node, such as https://gateway.example.com; default: host and port.",
    )
    trusted_proxies: Networks = Field(
        (), description="Addresses or networks of the proxies in front; only they are believed about X-Forwarded-For."
    )


class StorageConfig(Section):
    """Where everything is kept."""

    url: SecretStr = Field(
        description="sqlite:////absolute/path.db (one node) or postgresql://user:password@host/name (any number of nodes)."
    )
    listen_url: SecretStr | None = Field(
        None, description="PostgreSQL without a pooler, for change notices; default: url."
    )
    min_free_mb: int = Field(500, ge=0, description="MiB that must be free under data_dir at the start.")


class MediaConfig(Section):
    """Where pictures and voices are kept."""

    url: Annotated[str, AfterValidator(_media_url)] = Field(
        description="file:FOLDER; default: the folder media in data_dir."
    )


class BrandConfig(Section):
    """A brand: the owner of customers, bindings and history."""

    id: Key = Field(description="Short name in the API and in files; never change it.")
    name: str = Field(min_length=1, max_length=24, description="What customers and advisors read.")
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "Asia/Shanghai", description="IANA time zone of its schedules."
    )
    language: Literal["zh-CN", "en"] = Field("zh-CN", description="Language of what the gateway itself says.")


class WechatAccount(WechatSettings):
    """One official or service account (公众号 / 服务号), where customers write."""

    side: ClassVar[Side] = Side.CUSTOMER
    id: Key = Field(description="Names the account in its callback address /hooks/{id}; never change it.")
    brand: Key = Field(description="Id of the brand it belongs to; default: the only brand.")
    channel: Literal["wechat"] = Field(description="wechat.")


class WecomAccount(WecomSettings):
    """One self-built WeCom app (企业微信自建应用), where advisors answer."""

    side: ClassVar[Side] = Side.ADVISOR
    id: Key = Field(description="Names the account in its callback address /hooks/{id}; never change it.")
    brand: Key = Field(description="Id of the brand it belongs to; default: the only brand.")
    channel: Literal["wecom"] = Field(description="wecom.")


AccountConfig = Annotated[WechatAccount | WecomAccount, Field(discriminator="channel")]


class Config(Section):
    """Everything a node is told."""

    data_dir: Path = Field(
        description="Folder of this node's own files; default: the folder of the SQLite file, else `data`."
    )
    secrets_key: Annotated[SecretStr | None, AfterValidator(_long_enough)] = Field(
        None,
        description="Key under which access tokens are stored, 32 characters or more; default on SQLite: one is made in data_dir.",
    )
    server: ServerConfig = Field(
        default_factory=lambda: ServerConfig.model_validate({}), description="Where this node listens."
    )
    storage: StorageConfig = Field(description="Where everything is kept.")
    media: MediaConfig = Field(description="Where pictures and voices are kept.")
    roles: Annotated[tuple[Role, ...], BeforeValidator(_list)] = Field(
        ("web", "inbox", "outbox", "scheduler"), min_length=1, description="What this node does; default: everything."
    )
    platform_hosts: Annotated[tuple[str, ...], BeforeValidator(_list)] = Field(
        (), description="Hosts that api_base may name besides the platforms' own, such as an emulator's."
    )
    brands: tuple[BrandConfig, ...] = Field(min_length=1, description="The brands of this installation.")
    accounts: tuple[AccountConfig, ...] = Field(min_length=1, description="The channel accounts.")
    demo: bool = Field(
        False, description="The secrets in this file are the demo's own. Only with platforms on this machine."
    )

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the only node of its database."""
        return self.storage.url.get_secret_value().startswith("sqlite")

    @property
    def public_url(self) -> str:
        """How this node is reached, without a slash at its end."""
        return self.server.public_url or f"http://{self.server.host}:{self.server.port}"

    @property
    def media_folder(self) -> Path:
        """The folder of pictures and voices."""
        return Path(self.media.url.removeprefix("file:"))

    def world(self) -> World:
        """The brands and accounts, as the rest of the program knows them."""
        brands = [Brand(BrandId(one.id), one.name, one.timezone, one.language) for one in self.brands]
        accounts = [Account(AccountId(one.id), BrandId(one.brand), one.channel, one.side) for one in self.accounts]
        return World({brand.id: brand for brand in brands}, {account.id: account for account in accounts})
