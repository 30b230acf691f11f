"""Reading the configuration and refusing what would be unsafe; all problems at once, each with the key and the way out.

The refusals follow the platforms' own advice and the mistakes of others: an open listener, secrets everybody may read, an
address set by hand that carries the secrets to a stranger.
"""

import ipaddress
import os
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError

from gateway.channels import SETTINGS
from gateway.config_source import Path_, Problem, Source, is_readable_by_others, look_up_secrets, read_source
from gateway.settings import BrandConfig, Config, MediaConfig, ServerConfig, StorageConfig, WechatAccount, WecomAccount
from services.problems import did_you_mean
from services.yaml_file import InvalidFile

__all__ = ["Config", "ConfigError", "load"]

_ACCOUNTS: Mapping[str, type[BaseModel]] = {"wechat": WechatAccount, "wecom": WecomAccount}
_SECTIONS: Mapping[str, type[BaseModel]] = {"server": ServerConfig, "storage": StorageConfig, "media": MediaConfig}
_WIDEST_PROXY_PREFIX = {4: 8, 6: 16}


class ConfigError(Exception):
    """The configuration cannot be used. `lines`: one for each problem, with file, line, key and the way out."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration in the file at `path`, with `ADVISOR__...` variables over it. Raises ConfigError with every problem."""
    try:
        source = read_source(path, environment)
    except InvalidFile as error:
        raise ConfigError(error.lines) from error
    look_up_secrets(source, list(_secret_places(source.values)), environment)
    if not source.problems:
        _fill_in(source.values)
        config = _validated(source)
        if config is not None:
            source.problems += [*_unsafe(config), *_careless(path, source, config)]
            if not source.problems:
                return config
    raise ConfigError([source.located(problem) for problem in source.problems])


def _secret_places(values: Mapping[str, Any]) -> Iterator[Path_]:
    """Where secrets, or references to them, are written."""
    yield from _secrets_of(Config, values, ())
    yield from _secrets_of(StorageConfig, values.get("storage"), ("storage",))
    accounts = values.get("accounts")
    for place, account in enumerate(accounts if isinstance(accounts, list) else []):
        model = _ACCOUNTS.get(str(account.get("channel")) if isinstance(account, dict) else "")
        if model is not None:
            yield from _secrets_of(model, account, ("accounts", place))


def _secrets_of(model: type[BaseModel], values: Any, path: Path_) -> Iterator[Path_]:
    if not isinstance(values, Mapping):
        return
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *typing.get_args(field.annotation))
        is_secret = any(kind is SecretStr or SecretStr in typing.get_args(kind) for kind in kinds)
        if is_secret and isinstance(values.get(name), str):
            yield (*path, name)


def _fill_in(values: dict[str, Any]) -> None:
    """Defaults that follow from other keys."""
    storage, media = values.setdefault("storage", {}), values.setdefault("media", {})
    if not isinstance(storage, dict) or not isinstance(media, dict):
        return
    folder = str(values.setdefault("data_dir", _folder_of(storage.get("url"))))
    storage.setdefault("url", f"sqlite:///{folder}/gateway.db")
    media.setdefault("url", f"file:{folder}/media")
    brands, accounts = values.get("brands"), values.get("accounts")
    if isinstance(brands, list) and len(brands) == 1 and isinstance(brands[0], dict) and isinstance(accounts, list):
        for account in accounts:
            if isinstance(account, dict):
                account.setdefault("brand", brands[0].get("id"))


def _folder_of(url: object) -> str:
    file = str(url).partition("sqlite:///")[2]
    return str(Path(file).parent) if file else "data"


def _validated(source: Source) -> Config | None:
    try:
        return Config.model_validate(source.values)
    except ValidationError as error:
        # The input is left out of every message: it may be a secret.
        found = error.errors(include_input=False, include_url=False)
        source.problems += [_problem(one) for one in found if not _follows(one, found)]
        return None


def _follows(one: Any, found: Sequence[Any]) -> bool:
    """Whether a list is called too short only because what is in it is wrong."""
    return one["type"] == "too_short" and any(
        other is not one and other["loc"][: len(one["loc"])] == one["loc"] for other in found
    )


def _problem(error: Any) -> Problem:
    loc: Path_ = error["loc"]
    tag = str(loc[2]) if loc[:1] == ("accounts",) and len(loc) > 2 and loc[2] in _ACCOUNTS else ""
    path = (*loc[:2], *loc[3:]) if tag else loc
    match error["type"]:
        case "extra_forbidden":
            return Problem(path, _no_such_key(str(path[-1]), _model_at(path, tag)))
        case "missing":
            about = _model_at(path, tag).model_fields[str(path[-1])].description
            return Problem(path, f"is missing. {about}")
        case "union_tag_not_found":
            return Problem((*path, "channel"), f"is missing: one of {', '.join(_ACCOUNTS)}")
        case "union_tag_invalid":
            return Problem((*path, "channel"), f"no such channel: one of {', '.join(_ACCOUNTS)}")
        case "value_error":
            return Problem(path, str(error["ctx"]["error"]))
        case "string_pattern_mismatch":
            return Problem(path, f"does not fit: {error['ctx']['pattern']}")
        case "model_type" | "model_attributes_type" | "dict_type":
            return Problem(path, "must be `key: value` lines")
        case _:
            return Problem(path, error["msg"][:1].lower() + error["msg"][1:])


def _model_at(path: Path_, tag: str) -> type[BaseModel]:
    if len(path) == 1:
        return Config
    if tag:
        return _ACCOUNTS[tag]
    return BrandConfig if path[0] == "brands" else _SECTIONS[str(path[0])]


def _no_such_key(written: str, model: type[BaseModel]) -> str:
    near = did_you_mean(written, [(name, "") for name in model.model_fields])
    return f"no such key{near or '; there are ' + ', '.join(model.model_fields)}"


def _unsafe(config: Config) -> Iterator[Problem]:
    yield from _doubles(("brands",), [one.id for one in config.brands])
    yield from _doubles(("accounts",), [one.id for one in config.accounts])
    brands = {one.id for one in config.brands}
    for place, account in enumerate(config.accounts):
        path: Path_ = ("accounts", place)
        if account.brand not in brands:
            near = did_you_mean(account.brand, [(one, "") for one in brands])
            yield Problem((*path, "brand"), f"no brand of that id{near or '; there are ' + ', '.join(sorted(brands))}")
        yield from _unsafe_base((*path, "api_base"), account.api_base, config)
    yield from _unsafe_server(config.server)
    if not config.is_sqlite and config.secrets_key is None:
        yield Problem(
            ("secrets_key",), "is missing: nodes that share a PostgreSQL need one key; `openssl rand -hex 32` makes one"
        )


def _doubles(path: Path_, ids: Sequence[str]) -> Iterator[Problem]:
    for place, one in enumerate(ids):
        if one in ids[:place]:
            yield Problem((*path, place, "id"), f'"{one}" is used twice; give each its own')


def _unsafe_base(path: Path_, base: str, config: Config) -> Iterator[Problem]:
    parts = urlsplit(base)
    host = parts.hostname or ""
    if config.demo and not _is_local(host):
        yield Problem(path, "a demo talks to platforms on this machine only; take `demo: true` out for real ones")
    if host in config.platform_hosts:
        return
    if host not in _platforms_own():
        yield Problem(path, f"the secrets would be sent to {host}: add it to platform_hosts if that is meant")
    elif parts.scheme != "https":
        yield Problem(path, "the secrets would travel unencrypted: write https")


def _platforms_own() -> set[str]:
    bases = (model.model_fields["api_base"].default for model in SETTINGS.values())
    return {urlsplit(base).hostname or "" for base in bases}


def _unsafe_server(server: ServerConfig) -> Iterator[Problem]:
    if not _is_local(server.host):
        if server.public_url is None or not server.public_url.startswith("https://"):
            yield Problem(
                ("server", "public_url"),
                f"host {server.host} can be reached from outside: put a proxy with TLS in front and write its https address here",
            )
        if not server.trusted_proxies:
            yield Problem(
                ("server", "trusted_proxies"),
                f"host {server.host} can be reached from outside: list the addresses of the proxy in front",
            )
    for place, text in enumerate(server.trusted_proxies):
        network = ipaddress.ip_network(text)
        if network.prefixlen < _WIDEST_PROXY_PREFIX[network.version]:
            yield Problem(
                ("server", "trusted_proxies", place),
                f"{text} would let anybody claim any address: list the proxies alone",
            )
    if server.port == server.internal_port != 0 and server.host == server.internal_host:
        yield Problem(("server", "internal_port"), f"is the same as port ({server.port}); choose another")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _careless(path: Path, source: Source, config: Config) -> Iterator[Problem]:
    if config.demo or not is_readable_by_others(path):
        return
    for place in source.literals:
        if place[-1] not in ("url", "listen_url") or "@" in _value_at(source, place):
            yield Problem(
                place,
                f"a secret stands in a file that everybody on this machine may read: `chmod o-rwx {path}`, "
                "or write env:NAME or file:PATH instead",
            )


def _value_at(source: Source, place: Path_) -> str:
    node: Any = source.values
    for step in place:
        node = node[step]
    return str(node)
