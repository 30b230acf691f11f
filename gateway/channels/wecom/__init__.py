"""The self-built WeCom app (企业微信自建应用), where advisors work: door, parsing, rendering, api, codes.

Only what is this platform's own; what it shares with the official account lies one folder up.
"""

from domain.people import Account
from gateway.channels.contract import Channel
from gateway.channels.deps import Deps
from gateway.channels.wecom.channel import WecomChannel
from gateway.channels.wecom.settings import WecomSettings


def open_account(account: Account, settings: WecomSettings, deps: Deps) -> Channel:
    """The channel of one app."""
    return WecomChannel(account, settings, deps)
