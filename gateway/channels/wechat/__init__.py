"""The official and service account (公众号 / 服务号), where customers write: door, parsing, rendering, api, codes.

Only what is this platform's own; what it shares with WeCom lies one folder up.
"""

from domain.people import Account
from gateway.channels.contract import Channel
from gateway.channels.deps import Deps
from gateway.channels.wechat.channel import WechatChannel
from gateway.channels.wechat.settings import WechatSettings


def open_account(account: Account, settings: WechatSettings, deps: Deps) -> Channel:
    """The channel of one official account."""
    return WechatChannel(account, settings, deps)
