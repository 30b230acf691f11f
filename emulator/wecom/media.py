"""Temporary media: upload and download; an id serves every app of the corp.

https://developer.work.weixin.qq.com/document/path/90253
https://developer.work.weixin.qq.com/document/path/90254
"""

from typing import Any

from emulator.api import Answer, Call, Refused
from emulator.media import find, keep, read, sniff

FORMATS = {
    "image": ("image/jpeg", "image/png"),
    "voice": ("audio/amr",),
    "video": ("video/mp4",),
}


def upload(call: Call) -> dict[str, Any]:
    """`POST media/upload?type=image|voice|video|file`: multipart field `media` with a file name."""
    kind = call.query.get("type", "")
    if kind not in (*FORMATS, "file"):
        raise Refused(40004)
    least = call.emulator.limit("wecom.media_least")
    if call.upload is None or not call.upload.name or len(call.upload.data) <= least.value:
        raise Refused(least.errcode)
    limit = call.emulator.limit(f"wecom.{kind}_size")
    if len(call.upload.data) > limit.value:
        raise Refused(limit.errcode)
    if kind in FORMATS and sniff(kind, call.upload.data) not in FORMATS[kind]:
        raise Refused(40005)
    media = keep(call.emulator, call.agent.corp_id, kind, call.upload)
    call.write(call.agent, msgtype=kind, body={"type": kind, "filename": media.name, "size": media.size})
    facts = {"type": kind, "media_id": media.id, "created_at": str(media.created_at // 1000)}
    return {"errcode": 0, "errmsg": "ok", **facts}


def download(call: Call) -> Answer:
    """`GET media/get?media_id=`: the bytes."""
    media = find(call.emulator, call.agent, call.query.get("media_id", ""))
    call.write(call.agent, body={"media_id": media.id})
    return read(call.emulator, media)
