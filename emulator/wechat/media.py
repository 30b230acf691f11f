"""Temporary media: upload and download.

https://developers.weixin.qq.com/doc/service/api/material/temporary/api_uploadtempmedia
"""

from typing import Any

from emulator.api import Answer, Call, Refused
from emulator.media import KINDS, find, keep, read, sniff


def upload(call: Call) -> dict[str, Any]:
    """`POST media/upload?type=`: multipart field `media`."""
    kind = call.query.get("type", "")
    if kind not in KINDS:
        raise Refused(40004)
    if call.upload is None or not call.upload.data:
        raise Refused(41005)
    limit = call.emulator.limit(f"wechat.{kind}_size")
    if len(call.upload.data) > limit.value:
        raise Refused(limit.errcode)
    if sniff(kind, call.upload.data) is None:
        raise Refused(40005)
    media = keep(call.emulator, call.account.app_id, kind, call.upload)
    call.write(call.account, msgtype=kind, body={"type": kind, "filename": media.name, "size": media.size})
    name = "thumb_media_id" if kind == "thumb" else "media_id"
    return {"type": kind, name: media.id, "created_at": media.created_at // 1000}


def download(call: Call) -> Answer:
    """`GET media/get?media_id=`: the bytes; for a video JSON with the address of the bytes."""
    media_id = call.query.get("media_id")
    if not media_id:
        raise Refused(41006)
    media = find(call.emulator, call.account, media_id)
    call.write(call.account, body={"media_id": media.id})
    if media.type == "video":
        return {"video_url": f"{call.origin}/play/media/{media.id}"}
    return read(call.emulator, media)
