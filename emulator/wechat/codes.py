"""Parametric QR codes: temporary and permanent, and their pictures.

https://developers.weixin.qq.com/doc/service/api/qrcode/qrcodes/api_createqrcode.md
"""

import io
from typing import Any

import segno

from emulator.api import Call, File, Missing, Refused
from emulator.core import Emulator
from emulator.state import QrCode, random_text
from emulator.world import OfficialAccount

PERMANENT = ("QR_LIMIT_SCENE", "QR_LIMIT_STR_SCENE")
TEMPORARY = ("QR_SCENE", "QR_STR_SCENE")


def create(call: Call) -> dict[str, Any]:
    """`POST qrcode/create`: the same permanent scene gives the same code again."""
    action = call.body.get("action_name")
    if action not in PERMANENT + TEMPORARY:
        raise Refused(40052)
    scene = _scene(call, action)
    life_s = 0 if action in PERMANENT else _life(call)
    code = make(call.emulator, call.account, scene, life_s)
    call.emulator.events.publish("poster", scene=scene, ticket=code.ticket, label=code.label, account=code.account)
    call.write(call.account, body=call.body)
    answer: dict[str, Any] = {"ticket": code.ticket, "url": code.url}
    return {**answer, "expire_seconds": life_s} if life_s else answer


def make(emulator: Emulator, account: OfficialAccount, scene: str, life_s: int) -> QrCode:
    """A code of this account; `life_s` 0 is a permanent one, counted against the account's total."""
    known = find(emulator, account, scene)
    if not life_s and known is not None and not known.until:
        return known
    if not life_s:
        _take_permanent(emulator, account)
    until = emulator.clock.now() + life_s * 1000 if life_s else 0
    url = f"http://weixin.qq.com/q/{random_text(22)}"
    code = QrCode(f"gQ{random_text(94)}", account.app_id, scene, url, until, known.label if known else "")
    emulator.state.scenes.put(f"{account.app_id} {scene}", code.ticket)
    return emulator.state.codes.put(code.ticket, code)


def find(emulator: Emulator, account: OfficialAccount, scene: str) -> QrCode | None:
    """The newest code made for a scene, or None."""
    ticket = emulator.state.scenes.get(f"{account.app_id} {scene}")
    return emulator.state.codes.get(ticket) if ticket else None


def show(call: Call) -> File:
    """`GET showqrcode?ticket=`: the picture. Raises Missing for an unknown ticket."""
    code = call.emulator.state.codes.get(call.query.get("ticket", ""))
    if code is None:
        raise Missing
    picture = io.BytesIO()
    segno.make(code.url, error="m").save(picture, kind="png", scale=10, border=4)
    return File("image/png", picture.getvalue())


def _scene(call: Call, action: str) -> str:
    info = call.body.get("action_info")
    scene = info.get("scene") if isinstance(info, dict) else None
    if not isinstance(scene, dict):
        raise Refused(40053)
    return _scene_text(call, scene) if "STR" in action else _scene_number(scene, action)


def _scene_text(call: Call, scene: dict[str, Any]) -> str:
    text = scene.get("scene_str")
    limit = call.emulator.limit("wechat.scene_size")
    if not isinstance(text, str) or not 1 <= len(text) <= limit.value:
        raise Refused(limit.errcode)
    return text


def _scene_number(scene: dict[str, Any], action: str) -> str:
    number = scene.get("scene_id")
    highest = 100_000 if action in PERMANENT else 2**32 - 1
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= highest:
        raise Refused(40053)
    return str(number)


def _life(call: Call) -> int:
    life = call.body.get("expire_seconds", call.emulator.limit("wechat.qrcode_default_life").value)
    limit = call.emulator.limit("wechat.qrcode_life")
    if isinstance(life, bool) or not isinstance(life, int) or life < 1:
        raise Refused(limit.errcode)
    return min(life, limit.value)


def _take_permanent(emulator: Emulator, account: OfficialAccount) -> None:
    limit = emulator.limit("wechat.qrcode_permanent")
    key = f"{limit.name} {account.app_id}"
    (used,) = emulator.state.used.get(key, [0])
    if used >= limit.value:
        raise Refused(limit.errcode)
    emulator.state.used[key] = [used + 1]
    emulator.journal.record("used", key, [used + 1])
