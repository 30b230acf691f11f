"""Dated limits of each platform kind, every line with its document. Numbers change; code that uses them does not.

No protocol, no parsing, no calls: those live in gateway/channels.
"""

from collections.abc import Mapping

from domain.platforms import wechat, wecom
from domain.quota import PlatformRules

RULES: Mapping[str, PlatformRules] = {rules.kind: rules for rules in (wechat.RULES, wecom.RULES)}
