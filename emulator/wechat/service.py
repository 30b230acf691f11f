"""What an account asks about the platform itself: addresses and remaining quota.

https://developers.weixin.qq.com/doc/service/api/base/api_getcallbackip.html
https://developers.weixin.qq.com/doc/service/Message_Management/API_Call_Limits.html
"""

from typing import Any

from emulator.api import Call, Refused

# The limits behind each path that `openapi/quota/get` knows: the daily one, then the one per minute where there is one.
QUOTAS = {
    "/cgi-bin/token": ("wechat.token_day",),
    "/cgi-bin/stable_token": ("wechat.stable_token_day", "wechat.stable_token_minute"),
    "/cgi-bin/message/custom/send": ("wechat.custom_send_day",),
    "/cgi-bin/message/template/send": ("wechat.template_send_day",),
    "/cgi-bin/qrcode/create": ("wechat.qrcode_day",),
    "/cgi-bin/user/info": ("wechat.user_info_day",),
    "/cgi-bin/media/upload": ("wechat.media_upload_day",),
    "/cgi-bin/media/get": ("wechat.media_get_day",),
    "/cgi-bin/menu/create": ("wechat.menu_day",),
}


def addresses(call: Call) -> dict[str, Any]:
    """`GET getcallbackip` and `get_api_domain_ip`: this machine."""
    call.write(call.account)
    return {"ip_list": ["127.0.0.1"]}


def quota(call: Call) -> dict[str, Any]:
    """`POST openapi/quota/get {"cgi_path"}`."""
    path = call.text("cgi_path", 76003)
    if path.startswith("/sns/"):
        raise Refused(76022)
    if path not in QUOTAS:
        raise Refused(76003)
    day, *minute = (call.emulator.limit(name) for name in QUOTAS[path])
    left = call.emulator.counters.left(day, call.account.app_id, call.emulator.clock.now())
    call.write(call.account, body=call.body)
    answer: dict[str, Any] = {
        "errcode": 0,
        "errmsg": "ok",
        "quota": {"daily_limit": day.value, "used": day.value - left, "remain": left},
    }
    rates = [{"call_count": limit.value, "refresh_second": limit.window_s} for limit in minute]
    return {**answer, "rate_limit": rates[0]} if rates else answer
