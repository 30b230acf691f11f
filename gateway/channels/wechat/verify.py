"""The door of an official account: address check, and callbacks in safe, compatible or plain mode.

https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/message-push.html
"""

from gateway.channels import callback, xml
from gateway.channels.contract import Handshake, RawRequest, Verified
from gateway.channels.errors import Rejected
from gateway.channels.wechat.settings import WechatSettings


class Door:
    """Proves what comes in for one account."""

    def __init__(self, settings: WechatSettings) -> None:
        self._plain = settings.mode == "plain"
        self._envelope = callback.envelope(settings, settings.app_id)
        self._networks = callback.networks(settings)

    def verify(self, request: RawRequest, now: int) -> Verified | Handshake:
        """Raises Rejected for whatever is not genuine, fresh, and in the configured mode."""
        callback.check_sender(request.remote, self._networks)
        values = callback.parameters(request)
        if request.method == "GET":
            return self._handshake(values, now)
        if request.method != "POST":
            raise Rejected("method")
        if self._plain:
            return self._clear(values, request.body, now)
        return self._encrypted(values, request.body, now)

    def _handshake(self, values: dict[str, str], now: int) -> Handshake:
        # Unlike WeCom, the official account neither encrypts the echo nor signs it.
        self._envelope.check(callback.signed(values, "signature"), now)
        return callback.echo(values.get("echostr", "").encode("utf-8", "replace"))

    def _encrypted(self, values: dict[str, str], body: bytes, now: int) -> Verified:
        # In compatible mode the clear fields beside Encrypt are not covered by the signature: they are never read.
        if values.get("encrypt_type") != "aes":
            raise Rejected("mode")
        signed = callback.signed(values, "msg_signature")
        opened = self._envelope.open(signed, callback.encrypted(body), now)
        return Verified(opened.message, opened.key_index)

    def _clear(self, values: dict[str, str], body: bytes, now: int) -> Verified:
        # The signature does not cover the body here: platform_ips, which plain mode demands, are all that does.
        if values.get("encrypt_type", "raw") != "raw":
            raise Rejected("mode")
        self._envelope.check(callback.signed(values, "signature"), now)
        try:
            fields = xml.read(body)
        except xml.XmlError:
            raise Rejected("body") from None
        if "Encrypt" in fields:
            raise Rejected("mode")
        return Verified(body)
