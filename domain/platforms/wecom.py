"""WeCom self-built app (企业微信自建应用), as documented in November 2026."""

from domain.calls import HOUR, MINUTE
from domain.quota import AllowanceRule, PlatformRules

_SEND = "https://developer.work.weixin.qq.com/document/path/90236"

RULES = PlatformRules(
    kind="wecom",
    text_bytes=2048,
    allowances=(
        # The platform drops what is over 30 a minute and 1,000 an hour silently, with errcode 0: stay below it ourselves.
        AllowanceRule("member", 28, MINUTE, _SEND),
        AllowanceRule("member", 950, HOUR, _SEND),
    ),
)
