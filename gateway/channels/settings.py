"""What every channel's settings share. Secrets are `SecretStr`, so that no error, log line or trace can show them."""

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")
_TOKEN = re.compile(r"[A-Za-z0-9]{3,32}")


def _aes_key(value: SecretStr) -> SecretStr:
    if not _AES_KEY.fullmatch(value.get_secret_value()):
        raise ValueError("must be the 43 letters and digits the platform's console shows as EncodingAESKey")
    return value


def _token(value: SecretStr) -> SecretStr:
    # An empty token would let anybody sign.
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be 3 to 32 letters and digits, the same as in the platform's console")
    return value


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or text != "".join(text.split()):
        raise ValueError("must not be empty or contain spaces")
    return value


def _base(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an address such as https://host or http://host:port/path, without '?', '#' and '@'")
    return value.rstrip("/")


def _network(value: str) -> str:
    # The platform lists ranges as 1.2.3.*, too.
    text = re.sub(r"\.\*$", ".0/24", value)
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        raise ValueError("must be an address, a network such as 1.2.3.0/24, or 1.2.3.*") from error


AesKey = Annotated[SecretStr, AfterValidator(_aes_key)]
Token = Annotated[SecretStr, AfterValidator(_token)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
Base = Annotated[str, AfterValidator(_base)]
Network = Annotated[str, AfterValidator(_network)]


class CallbackSettings(BaseModel):
    """The callback envelope shared by the platforms, with the pair that is being rotated out."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: Token = Field(description="Callback token, as in the platform's console.")
    encoding_aes_key: AesKey = Field(description="EncodingAESKey of the callback, 43 characters.")
    previous_token: Token | None = Field(None, description="The token before a rotation; remove it afterwards.")
    previous_encoding_aes_key: AesKey | None = Field(
        None, description="The EncodingAESKey before a rotation; remove it afterwards."
    )
    platform_ips: tuple[Network, ...] = Field(
        (), description="Addresses the platform calls from; where given, callbacks from elsewhere are refused."
    )
