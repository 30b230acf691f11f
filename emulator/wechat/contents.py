"""What a message to a customer may hold: one function per msgtype turns the branch object into what the phone shows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emulator.api import Refused
from emulator.core import Emulator
from emulator.media import find
from emulator.world import OfficialAccount


@dataclass(frozen=True, slots=True)
class Shown:
    """What a message looks like on the phone."""

    text: str = ""
    media_url: str | None = None
    options: list[dict[str, Any]] = field(default_factory=list)


Reader = Callable[[Emulator, OfficialAccount, dict[str, Any]], Shown]


def read(emulator: Emulator, account: OfficialAccount, msgtype: str, branch: Any) -> Shown:
    """Check a branch object and tell how it looks. Raises Refused with the platform's errcode."""
    reader = READERS.get(msgtype)
    if reader is None:
        raise Refused(40008, f"msgtype {msgtype!r}")
    if not isinstance(branch, dict):
        raise Refused(47001, f"missing {msgtype}")
    return reader(emulator, account, branch)


def _text(emulator: Emulator, account: OfficialAccount, branch: dict[str, Any]) -> Shown:
    content = branch.get("content")
    if not isinstance(content, str) or not content:
        raise Refused(44004)
    limit = emulator.limit("wechat.text_size")
    if len(content.encode()) > limit.value:
        raise Refused(limit.errcode)
    return Shown(text=content)


def _media(kind: str) -> Reader:
    def show(emulator: Emulator, account: OfficialAccount, branch: dict[str, Any]) -> Shown:
        media = find(emulator, account, str(branch.get("media_id", "")), kind)
        return Shown(media_url=f"/play/media/{media.id}")

    return show


def _video(emulator: Emulator, account: OfficialAccount, branch: dict[str, Any]) -> Shown:
    media = find(emulator, account, str(branch.get("media_id", "")), "video")
    if branch.get("thumb_media_id"):
        find(emulator, account, str(branch["thumb_media_id"]), "thumb", "image")
    return Shown(text=str(branch.get("title") or ""), media_url=f"/play/media/{media.id}")


def _music(emulator: Emulator, account: OfficialAccount, branch: dict[str, Any]) -> Shown:
    thumb = find(emulator, account, str(branch.get("thumb_media_id", "")), "thumb", "image")
    if not branch.get("musicurl") and not branch.get("hqmusicurl"):
        raise Refused(47001, "missing musicurl")
    return Shown(text=str(branch.get("title") or ""), media_url=f"/play/media/{thumb.id}")


def _news(emulator: Emulator, account: OfficialAccount, branch: dict[str, Any]) -> Shown:
    articles = branch.get("articles")
    limit = emulator.limit("wechat.articles")
    if not isinstance(articles, list) or len(articles) != limit.value:
        raise Refused(limit.errcode)
    article = articles[0]
    if not isinstance(article, dict) or not article.get("title"):
        raise Refused(44004, "missing title")
    return Shown(text=str(article["title"]), media_url=article.get("picurl") or None)


def _msgmenu(emulator: Emulator, account: OfficialAccount, branch: dict[str, Any]) -> Shown:
    items = branch.get("list")
    if not isinstance(items, list) or not items or not all(_is_option(item) for item in items):
        raise Refused(47001, "msgmenu.list holds objects of id and content")
    parts = [branch.get("head_content"), branch.get("tail_content")]
    options = [{"id": str(item["id"]), "content": item["content"]} for item in items]
    return Shown(text="\n".join(str(part) for part in parts if part), options=options)


def _is_option(item: Any) -> bool:
    return isinstance(item, dict) and bool(item.get("id")) and isinstance(item.get("content"), str)


def _miniprogrampage(emulator: Emulator, account: OfficialAccount, branch: dict[str, Any]) -> Shown:
    for key in ("title", "appid", "pagepath"):
        if not isinstance(branch.get(key), str) or not branch[key]:
            raise Refused(47001, f"missing {key}")
    thumb = find(emulator, account, str(branch.get("thumb_media_id", "")), "thumb", "image")
    return Shown(text=branch["title"], media_url=f"/play/media/{thumb.id}")


READERS: dict[str, Reader] = {
    "text": _text,
    "image": _media("image"),
    "voice": _media("voice"),
    "video": _video,
    "music": _music,
    "news": _news,
    "msgmenu": _msgmenu,
    "miniprogrampage": _miniprogrampage,
}
