"""Channels: one plug-in for each platform, behind one contract (contract.py, errors.py).

Here live envelopes, parsing, rendering, platform codes, tokens and uploads: all that is known of a platform's wire.
What an event means, and any transaction but those over tokens and uploads, belongs elsewhere.
"""

from collections.abc import Callable, Mapping
from typing import Any

from domain.people import Account
from gateway.channels import wechat, wecom
from gateway.channels.contract import Channel
from gateway.channels.deps import Deps
from gateway.channels.settings import CallbackSettings
from gateway.channels.wechat.settings import WechatSettings
from gateway.channels.wecom.settings import WecomSettings

KINDS: Mapping[str, Callable[[Account, Any, Deps], Channel]] = {
    "wechat": wechat.open_account,
    "wecom": wecom.open_account,
}
"""How an account of each kind is opened."""

SETTINGS: Mapping[str, type[CallbackSettings]] = {
    "wechat": WechatSettings,
    "wecom": WecomSettings,
}
"""What each kind reads from config.yaml, besides an account's id, brand and channel."""
