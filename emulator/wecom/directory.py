"""What an app may know about a member, and the platform's addresses.

https://developer.work.weixin.qq.com/document/path/90930
"""

from typing import Any

from emulator.api import Call, Refused
from emulator.wecom.send import corp_of


def get_user(call: Call) -> dict[str, Any]:
    """`GET user/get?userid=`: the name, no phone, mail or avatar, as for apps made since 2022."""
    member = corp_of(call).member(call.query.get("userid", ""))
    if member is None:
        raise Refused(60111)
    call.write(call.agent, to=member.user_id)
    known = {"userid": member.user_id, "name": member.name, "department": [1], "status": 1}
    return {"errcode": 0, "errmsg": "ok", **known}


def addresses(call: Call) -> dict[str, Any]:
    """`GET getcallbackip`: this machine."""
    call.write(call.agent)
    return {"errcode": 0, "errmsg": "ok", "ip_list": ["127.0.0.1"]}
