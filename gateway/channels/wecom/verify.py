"""The door of a WeCom app: both the address check and every callback are encrypted.

https://developer.work.weixin.qq.com/document/path/90238
"""

from gateway.channels import callback
from gateway.channels.contract import Handshake, RawRequest, Verified
from gateway.channels.errors import Rejected
from gateway.channels.wecom.settings import WecomSettings


class Door:
    """Proves what comes in for one app."""

    def __init__(self, settings: WecomSettings) -> None:
        self._envelope = callback.envelope(settings, settings.corp_id)
        self._networks = callback.networks(settings)

    def verify(self, request: RawRequest, now: int) -> Verified | Handshake:
        """Raises Rejected for whatever is not genuine and fresh."""
        callback.check_sender(request.remote, self._networks)
        values = callback.parameters(request)
        signed = callback.signed(values, "msg_signature")
        if request.method == "GET":
            return callback.echo(self._envelope.open(signed, values.get("echostr", ""), now).message)
        if request.method != "POST":
            raise Rejected("method")
        opened = self._envelope.open(signed, callback.encrypted(request.body), now)
        return Verified(opened.message, opened.key_index)
