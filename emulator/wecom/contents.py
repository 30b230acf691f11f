"""What a message to a member may hold: one function per msgtype turns the branch object into what the phone shows.

https://developer.work.weixin.qq.com/document/path/90236
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emulator.api import Refused
from emulator.core import Emulator
from emulator.media import find
from emulator.wecom import cards
from emulator.world import Agent


@dataclass(frozen=True, slots=True)
class Shown:
    """What a message looks like on the phone."""

    text: str = ""
    media_url: str | None = None
    buttons: list[dict[str, Any]] = field(default_factory=list)


Branch = dict[str, Any]
Reader = Callable[[Emulator, Agent, Branch], Shown]


def read(emulator: Emulator, agent: Agent, msgtype: str, branch: Any) -> Shown:
    """Check a branch object and tell how it looks. Raises Refused with the platform's errcode."""
    reader = READERS.get(msgtype)
    if reader is None:
        raise Refused(40008, f"msgtype {msgtype!r}")
    if not isinstance(branch, dict):
        raise Refused(40058, f"missing {msgtype}")
    return reader(emulator, agent, branch)


def _text(emulator: Emulator, agent: Agent, branch: Branch) -> Shown:
    content = _words(branch, "content")
    size = emulator.limit("wecom.text_size").value
    return Shown(text=content.encode()[:size].decode(errors="ignore"))


def _markdown(emulator: Emulator, agent: Agent, branch: Branch) -> Shown:
    content = _words(branch, "content")
    _fits(emulator, "wecom.markdown_size", content)
    return Shown(text=content)


def _media(kind: str) -> Reader:
    def show(emulator: Emulator, agent: Agent, branch: Branch) -> Shown:
        media = find(emulator, agent, str(branch.get("media_id", "")), kind)
        for name in ("title", "description"):
            _fits(emulator, f"wecom.video_{name}", str(branch.get(name) or ""))
        text = media.name if kind == "file" else str(branch.get("title") or "")
        return Shown(text=text, media_url=f"/play/media/{media.id}")

    return show


def _textcard(emulator: Emulator, agent: Agent, branch: Branch) -> Shown:
    title, description = _words(branch, "title"), _words(branch, "description")
    _fits(emulator, "wecom.card_title", title)
    _fits(emulator, "wecom.card_description", description)
    _fits(emulator, "wecom.card_url", _words(branch, "url"))
    return Shown(text=f"{title}\n{description}")


def _news(emulator: Emulator, agent: Agent, branch: Branch) -> Shown:
    articles = branch.get("articles")
    limit = emulator.limit("wecom.articles")
    if not isinstance(articles, list) or not 1 <= len(articles) <= limit.value:
        raise Refused(limit.errcode)
    if not all(isinstance(article, dict) for article in articles):
        raise Refused(40058, "articles")
    titles = [_words(article, "title") for article in articles]
    for title in titles:
        _fits(emulator, "wecom.video_title", title)
    return Shown(text="\n".join(titles), media_url=articles[0].get("picurl") or None)


def _miniprogram_notice(emulator: Emulator, agent: Agent, branch: Branch) -> Shown:
    title = _words(branch, "title")
    least = emulator.limit("wecom.notice_title_least").value
    if not _words(branch, "appid") or not least <= len(title) <= emulator.limit("wecom.notice_title").value:
        raise Refused(40058, "miniprogram_notice.title")
    items = branch.get("content_item", [])
    if not isinstance(items, list) or len(items) > emulator.limit("wecom.notice_items").value:
        raise Refused(40058, "miniprogram_notice.content_item")
    return Shown(text=title)


def _template_card(emulator: Emulator, agent: Agent, branch: Branch) -> Shown:
    buttons = cards.check(emulator.limits, branch)
    if cards.needs_callback(branch) and not agent.callback_url:
        raise Refused(43012)
    return Shown(text=cards.title(branch), buttons=buttons)


def _words(branch: Branch, key: str) -> str:
    value = branch.get(key)
    if not isinstance(value, str) or not value:
        raise Refused(44004 if key == "content" else 40058, f"missing {key}")
    return value


def _fits(emulator: Emulator, name: str, text: str) -> None:
    limit = emulator.limit(name)
    size = len(text.encode()) if limit.unit == "bytes" else len(text)
    if size > limit.value:
        raise Refused(limit.errcode, f"{size} of {limit.value} {limit.unit}")


READERS: dict[str, Reader] = {
    "text": _text,
    "markdown": _markdown,
    "image": _media("image"),
    "voice": _media("voice"),
    "video": _media("video"),
    "file": _media("file"),
    "textcard": _textcard,
    "news": _news,
    "miniprogram_notice": _miniprogram_notice,
    "template_card": _template_card,
}
