"""Consent: what the customer agreed to, in which words, when and where. No binding and no push without a receipt."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

POLICY_VERSION = "2026-11"
"""Version of the consent text in the catalogue; bumped whenever its words or purposes change."""


class Answer(StrEnum):
    """What she said to a consent card."""

    YES = "yes"
    NO = "no"


_PLAINLY = frozenset({"同意", "不同意", "agree", "decline"})
_YES = frozenset({"1", "同意", "好", "好的", "可以", "愿意", "yes", "y", "agree", "ok"})
_NO = frozenset({"2", "不同意", "不", "不要", "暂不", "拒绝", "no", "n", "decline"})
_STOP = frozenset({"td", "t", "退订", "拒收", "取消订阅", "不要再发", "别再发了", "stop", "unsubscribe"})
_START = frozenset({"恢复订阅", "重新订阅", "start", "subscribe"})
_NOISE = re.compile(r"[\W_]+", re.UNICODE)


def _plain(text: str) -> str:
    return _NOISE.sub("", unicodedata.normalize("NFKC", text)).casefold()


def read_answer(text: str) -> Answer | None:
    """A typed answer to a consent card, in any width, case and punctuation; None when it is something else."""
    word = _plain(text)
    if word in _YES:
        return Answer.YES
    return Answer.NO if word in _NO else None


def is_unmistakable(text: str) -> bool:
    """Whether a typed answer can only mean consent. "好的" and "1" may as well answer what an advisor asked since."""
    return _plain(text) in _PLAINLY


def is_stop(text: str) -> bool:
    """Whether the customer refuses further pushes (退订, TD ...), in any width, case, spacing and punctuation."""
    return _plain(text) in _STOP


def is_start(text: str) -> bool:
    """Whether the customer wants pushes again."""
    return _plain(text) in _START


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof of one answer. `text_hash` is the SHA-256 of the words she saw."""

    policy_version: str
    text_hash: str
    answer: Answer
    scene: str


def text_hash(words: str) -> str:
    """The hash that a receipt keeps of the words shown."""
    return hashlib.sha256(words.encode()).hexdigest()
