"""Official and service account (公众号 / 服务号), as documented in November 2026."""

from domain.calls import HOUR, MINUTE
from domain.quota import PlatformRules, Trigger, WindowRule

_SEND = "https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage"

RULES = PlatformRules(
    kind="wechat",
    # The page names no number; 2048 bytes is the working figure, cut a little below it.
    text_bytes=2000,
    windows=(
        WindowRule(Trigger.MESSAGE, 5, 48 * HOUR, _SEND),
        WindowRule(Trigger.MENU, 3, MINUTE, _SEND),
        WindowRule(Trigger.FOLLOW, 3, MINUTE, _SEND),
        WindowRule(Trigger.SCAN, 3, MINUTE, _SEND),
    ),
    button_chars=20,
)
