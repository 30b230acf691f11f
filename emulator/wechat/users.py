"""What an account may know about a follower: no nickname and no avatar, since 2021-12-27.

https://developers.weixin.qq.com/doc/subscription/guide/product/unionid.html
"""

from typing import Any

from emulator.api import Call, Refused
from emulator.state import Customer


def info(call: Call) -> dict[str, Any]:
    """`GET user/info?openid=`; of somebody who does not follow, only that."""
    customer = call.emulator.state.customers.get(call.query.get("openid", ""))
    if customer is None or customer.account != call.account.app_id:
        raise Refused(40003)
    call.write(call.account, to=customer.openid)
    known = {"subscribe": int(customer.following), "openid": customer.openid}
    return {**known, **_details(customer)} if customer.following else known


def _details(customer: Customer) -> dict[str, Any]:
    numeric = customer.scene.isdigit()
    return {
        "language": "zh_CN",
        "subscribe_time": customer.subscribed_at // 1000,
        "remark": "",
        "groupid": 0,
        "tagid_list": [],
        "subscribe_scene": "ADD_SCENE_QR_CODE" if customer.scene else "ADD_SCENE_SEARCH",
        "qr_scene": int(customer.scene) if numeric else 0,
        "qr_scene_str": "" if numeric else customer.scene,
    }
