"""What every callback must show before its envelope is opened: each parameter once, the right sender, one Encrypt."""

import ipaddress
import re
from collections.abc import Mapping, Sequence

from gateway.channels import xml
from gateway.channels.contract import Handshake, RawRequest, RawResponse
from gateway.channels.envelope import Envelope, Signed
from gateway.channels.errors import Rejected
from gateway.channels.settings import CallbackSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ECHO = re.compile(rb"[A-Za-z0-9_-]{1,128}")


def parameters(request: RawRequest) -> dict[str, str]:
    """The query by name. Raises Rejected when a name occurs twice: which one counts would be anybody's guess."""
    values = dict(request.query)
    if len(values) != len(request.query):
        raise Rejected("parameter_twice")
    return values


def signed(values: Mapping[str, str], signature: str) -> Signed:
    """The values that vouch for the request; `signature` names the parameter that holds it. Raises Rejected, before any
    body is looked at, when one is missing."""
    try:
        return Signed(values[signature], values["timestamp"], values["nonce"])
    except KeyError:
        raise Rejected("parameter_missing") from None


def encrypted(body: bytes) -> str:
    """The one Encrypt of an encrypted body. Raises Rejected."""
    try:
        fields = xml.read(body)
    except xml.XmlError:
        raise Rejected("body") from None
    if not fields.get("Encrypt"):
        raise Rejected("no_encrypt")
    return fields["Encrypt"]


def echo(text: bytes) -> Handshake:
    """The answer to an address check: the bare echo. Raises Rejected for anything but a short plain word."""
    if not _ECHO.fullmatch(text):
        raise Rejected("echostr")
    return Handshake(RawResponse(text))


def networks(settings: CallbackSettings) -> tuple[Network, ...]:
    """The networks the platform calls from; empty where the settings name none."""
    return tuple(ipaddress.ip_network(network) for network in settings.platform_ips)


def check_sender(remote: str, allowed: Sequence[Network]) -> None:
    """Raise Rejected when `remote` is outside the `allowed` networks. No network means: anywhere."""
    if not allowed:
        return
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        raise Rejected("address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if not any(address in network for network in allowed):
        raise Rejected("address")


def envelope(settings: CallbackSettings, receive_id: str) -> Envelope:
    """The envelope of an account, the previous pair included."""
    tokens = [settings.token, settings.previous_token]
    keys = [settings.encoding_aes_key, settings.previous_encoding_aes_key]
    return Envelope(
        receive_id,
        [token.get_secret_value() for token in tokens if token],
        [key.get_secret_value() for key in keys if key],
    )
