"""The menu at the foot of the chat.

https://developers.weixin.qq.com/doc/service/api/custommenu/api_createcustommenu
"""

from typing import Any

from emulator.api import Call, Refused
from emulator.state import Menu

Button = dict[str, Any]

# What a button of each type must carry.
NEEDS = {
    "click": ("key",),
    "view": ("url",),
    "miniprogram": ("url", "appid", "pagepath"),
    "scancode_push": ("key",),
    "scancode_waitmsg": ("key",),
    "pic_sysphoto": ("key",),
    "pic_photo_or_album": ("key",),
    "pic_weixin": ("key",),
    "location_select": ("key",),
    "media_id": ("media_id",),
    "view_limited": ("media_id",),
    "article_id": ("article_id",),
    "article_view_limited": ("article_id",),
}


def create(call: Call) -> dict[str, Any]:
    """`POST menu/create {"button": [...]}`: replaces the menu."""
    buttons = _list(call, call.body.get("button"), "wechat.menu_buttons")
    for button in buttons:
        _check_top(call, button)
    call.emulator.state.menus.put(call.account.app_id, Menu(call.account.app_id, buttons))
    call.emulator.events.publish("menu", account=call.account.app_id)
    call.write(call.account, body=call.body)
    return {"errcode": 0, "errmsg": "ok"}


def _check_top(call: Call, button: Button) -> None:
    _fits(call, button.get("name"), "wechat.menu_name")
    if not button.get("sub_button"):
        _check_action(call, button)
        return
    for inner in _list(call, button["sub_button"], "wechat.menu_sub_buttons"):
        _fits(call, inner.get("name"), "wechat.menu_sub_name")
        _check_action(call, inner)


def _check_action(call: Call, button: Button) -> None:
    needed = NEEDS.get(str(button.get("type")))
    if needed is None:
        raise Refused(40017)
    for name in needed:
        limit = {"key": "wechat.menu_key", "url": "wechat.menu_url"}.get(name)
        if limit is not None:
            _fits(call, button.get(name), limit)
        elif not button.get(name):
            raise Refused(40017, f"missing {name}")


def _list(call: Call, buttons: Any, name: str) -> list[Button]:
    limit = call.emulator.limit(name)
    whole = isinstance(buttons, list) and 1 <= len(buttons) <= limit.value
    if not whole or not all(isinstance(button, dict) for button in buttons):
        raise Refused(limit.errcode)
    return list(buttons)


def _fits(call: Call, text: Any, name: str) -> None:
    limit = call.emulator.limit(name)
    if not isinstance(text, str) or not 1 <= len(text.encode()) <= limit.value:
        raise Refused(limit.errcode)
