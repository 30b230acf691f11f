"""Customer-service accounts: the names and faces an account may write under.

https://developers.weixin.qq.com/doc/service/api/customer/servicermanage/api_addkfaccount
"""

import re
from typing import Any

from emulator.api import Call, Refused
from emulator.media import keep, sniff
from emulator.state import Persona

PREFIX = re.compile(r"[A-Za-z0-9_]+\Z")


def add(call: Call) -> dict[str, Any]:
    """`POST customservice/kfaccount/add {"kf_account", "nickname"}`."""
    name, nickname = call.text("kf_account", 65404), call.text("nickname", 65403)
    _check(call, name, nickname)
    mine = _of_account(call)
    limit = call.emulator.limit("wechat.personas")
    if len(mine) >= limit.value:
        raise Refused(limit.errcode)
    persona = Persona(name, call.account.app_id, nickname, 1000 + len(mine) + 1)
    call.emulator.state.personas.put(f"{call.account.app_id} {name}", persona)
    call.write(call.account, body=call.body)
    return {"errcode": 0, "errmsg": "ok"}


def upload_avatar(call: Call) -> dict[str, Any]:
    """`POST customservice/kfaccount/uploadheadimg?kf_account=`: a jpg in the multipart field `media`."""
    persona = call.emulator.state.personas.get(f"{call.account.app_id} {call.query.get('kf_account', '')}")
    if persona is None:
        raise Refused(65401)
    if call.upload is None or not call.upload.data:
        raise Refused(41005)
    limit = call.emulator.limit("wechat.persona_avatar")
    if len(call.upload.data) > limit.value:
        raise Refused(limit.errcode)
    if sniff("image", call.upload.data) != "image/jpeg":
        raise Refused(40005)
    persona.avatar = keep(call.emulator, call.account.app_id, "image", call.upload).id
    call.emulator.state.personas.put(f"{call.account.app_id} {persona.kf_account}", persona)
    call.write(call.account, body={"kf_account": persona.kf_account, "size": len(call.upload.data)})
    return {"errcode": 0, "errmsg": "ok"}


def list_all(call: Call) -> dict[str, Any]:
    """`GET customservice/getkflist`."""
    call.write(call.account)
    return {"kf_list": [_told(call, persona) for persona in _of_account(call)]}


def _check(call: Call, name: str, nickname: str) -> None:
    prefix, _, suffix = name.partition("@")
    if not PREFIX.match(prefix) or len(prefix) > call.emulator.limit("wechat.persona_prefix").value:
        raise Refused(65404, "prefix")
    if not call.account.wechat_id or suffix != call.account.wechat_id:
        raise Refused(65404, "the part after @ is the account's own WeChat id")
    if len(nickname) > call.emulator.limit("wechat.persona_nickname").value:
        raise Refused(65403)
    if call.emulator.state.personas.get(f"{call.account.app_id} {name}") is not None:
        raise Refused(65406)


def _of_account(call: Call) -> list[Persona]:
    return [persona for persona in call.emulator.state.personas if persona.account == call.account.app_id]


def _told(call: Call, persona: Persona) -> dict[str, Any]:
    avatar = f"{call.origin}/play/media/{persona.avatar}" if persona.avatar else ""
    return {
        "kf_account": persona.kf_account,
        "kf_nick": persona.nickname,
        "kf_id": str(persona.kf_id),
        "kf_headimgurl": avatar,
    }
