"""The messages a person can send, the same for customers and members: what the phone shows and what the XML says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emulator import samples
from emulator.media import keep, sniff
from emulator.play.common import PlayError, Request
from emulator.state import Media


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a person: the fields of its XML and what his own phone shows."""

    type: str
    fields: dict[str, Any]
    text: str = ""
    media_url: str | None = None
    content: dict[str, Any] = field(default_factory=dict)


def typed(request: Request, owner: str) -> Said:
    """Text."""
    text = request.text("text")
    return Said("text", {"MsgType": "text", "Content": text}, text)


def image(request: Request, owner: str) -> Said:
    """A picture, sent as a file or by the name of a sample."""
    media = _media(request, owner, "image")
    url = f"/play/media/{media.id}"
    fields = {"MsgType": "image", "PicUrl": request.origin + url, "MediaId": media.id}
    return Said("image", fields, media_url=url)


def voice(request: Request, owner: str) -> Said:
    """A voice message."""
    media = _media(request, owner, "voice")
    form = "amr" if media.content_type == "audio/amr" else "mp3"
    return Said("voice", {"MsgType": "voice", "MediaId": media.id, "Format": form}, media_url=f"/play/media/{media.id}")


def video(request: Request, owner: str) -> Said:
    """A video with its first picture."""
    media = _media(request, owner, "video")
    thumb = keep(request.emulator, owner, "image", samples.sample("image", samples.names("image")[0]))
    fields = {"MsgType": "video", "MediaId": media.id, "ThumbMediaId": thumb.id}
    return Said("video", fields, media_url=f"/play/media/{media.id}")


def location(request: Request, owner: str) -> Said:
    """A place on the map."""
    label = request.optional("label")
    fields = {
        "MsgType": "location",
        "Location_X": request.number("lat"),
        "Location_Y": request.number("lng"),
        "Scale": 16,
        "Label": label,
    }
    content = {"lat": fields["Location_X"], "lng": fields["Location_Y"], "label": label}
    return Said("location", fields, label, content=content)


def link(request: Request, owner: str) -> Said:
    """A forwarded page."""
    title, url = request.text("title"), request.text("url")
    description = request.optional("description")
    fields = {"MsgType": "link", "Title": title, "Description": description, "Url": url}
    return Said("link", fields, title, content={"title": title, "description": description, "url": url})


def _media(request: Request, owner: str, kind: str) -> Media:
    name = request.optional("sample") or samples.names(kind)[0]
    try:
        upload = request.upload or samples.sample(kind, name)
    except KeyError:
        known = ", ".join(samples.names(kind))
        raise PlayError(400, "unknown_sample", f"sample: one of {known}, found {name!r}") from None
    if sniff(kind, upload.data) is None:
        raise PlayError(415, "bad_file", f"file: {upload.name} is no {kind} a phone would send")
    return keep(request.emulator, owner, kind, upload)


Say = Callable[[Request, str], Said]

SAYINGS: dict[str, Say] = {
    "type": typed,
    "image": image,
    "voice": voice,
    "video": video,
    "location": location,
    "link": link,
}
