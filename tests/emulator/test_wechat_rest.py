"""Codes, media, users, personas, menus, templates and quotas of official accounts."""

from __future__ import annotations

import io
from typing import Any

import pytest
from aiohttp import FormData

from emulator import samples
from emulator.wechat.face import APIS
from emulator.wechat.service import QUOTAS
from tests.emulator.conftest import Starter
from tests.emulator.stand import Stand

DAY = 86400
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
PNG = samples.sample("image", "tea").data
AMR = samples.sample("voice", "hello").data
MP4 = samples.sample("video", "clip").data


async def code(stand: Stand, action: str, scene: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The answer to `qrcode/create`."""
    body = {"action_name": action, "action_info": {"scene": scene}, **more}
    return await stand.wechat("qrcode/create", body, access_token=await stand.token())


async def upload(stand: Stand, path: str, data: bytes | None, **query: str) -> dict[str, Any]:
    """The answer to a multipart upload."""
    form = FormData(default_to_multipart=True)
    form.add_field("description", "a file")
    if data is not None:
        form.add_field("media", io.BytesIO(data), filename="picture.jpg")
    response = await stand.client.post(path, data=form, params={**query, "access_token": await stand.token()})
    answer: dict[str, Any] = await response.json()
    return answer


@pytest.mark.parametrize(
    ("action", "scene", "more", "errcode"),
    [
        ("QR_SCENE", {"scene_id": 1}, {"expire_seconds": 60}, 0),
        ("QR_SCENE", {"scene_id": 2**32 - 1}, {}, 0),
        ("QR_SCENE", {"scene_id": 0}, {}, 40053),
        ("QR_SCENE", {"scene_str": "a"}, {}, 40053),
        ("QR_STR_SCENE", {"scene_str": "a" * 64}, {"expire_seconds": 2592000}, 0),
        ("QR_STR_SCENE", {"scene_str": "a" * 65}, {}, 40053),
        ("QR_STR_SCENE", {"scene_str": ""}, {}, 40053),
        ("QR_STR_SCENE", {"scene_str": "a"}, {"expire_seconds": 0}, 40052),
        ("QR_LIMIT_SCENE", {"scene_id": 100_000}, {}, 0),
        ("QR_LIMIT_SCENE", {"scene_id": 100_001}, {}, 40053),
        ("QR_LIMIT_STR_SCENE", {"scene_str": "a:lan"}, {}, 0),
        ("QR_WISH", {"scene_str": "a"}, {}, 40052),
    ],
)
async def test_codes(stand: Stand, action: str, scene: dict[str, Any], more: dict[str, Any], errcode: int) -> None:
    answer = await code(stand, action, scene, **more)
    assert answer.get("errcode", 0) == errcode
    assert ("expire_seconds" in answer) == (errcode == 0 and "LIMIT" not in action)


async def test_a_code_has_a_picture_and_an_unknown_ticket_has_none(stand: Stand) -> None:
    ticket = (await code(stand, "QR_LIMIT_STR_SCENE", {"scene_str": "a"}))["ticket"]
    picture = await stand.client.get("/wechat/cgi-bin/showqrcode", params={"ticket": ticket})
    assert picture.content_type == "image/png"
    assert (await picture.read()).startswith(b"\x89PNG")
    missing = await stand.client.get("/wechat/cgi-bin/showqrcode", params={"ticket": "x"})
    assert (missing.status, await missing.read()) == (404, b"")


async def test_a_permanent_scene_gives_its_code_again_and_a_temporary_one_a_new_code(stand: Stand) -> None:
    permanent = [(await code(stand, "QR_LIMIT_STR_SCENE", {"scene_str": "p"}))["ticket"] for _ in range(2)]
    temporary = [(await code(stand, "QR_STR_SCENE", {"scene_str": "t"}))["ticket"] for _ in range(2)]
    assert (len(set(permanent)), len(set(temporary))) == (1, 2)


async def test_permanent_codes_run_out_for_good(begin: Starter) -> None:
    stand = await begin(wechat__qrcode_permanent=2)
    scenes = ["a", "b", "c", "a"]
    codes = [(await code(stand, "QR_LIMIT_STR_SCENE", {"scene_str": one})).get("errcode", 0) for one in scenes]
    assert codes == [0, 0, 45029, 0]
    stand.clock.seconds += 400 * DAY
    assert (await code(stand, "QR_LIMIT_STR_SCENE", {"scene_str": "c"}))["errcode"] == 45029


@pytest.mark.parametrize(
    ("kind", "data", "errcode"),
    [
        ("image", PNG, 0),
        ("image", JPEG, 0),
        ("image", AMR, 40005),
        ("voice", AMR, 0),
        ("video", MP4, 0),
        ("thumb", JPEG, 0),
        ("thumb", PNG, 40005),
        ("file", PNG, 40004),
        ("image", None, 41005),
        ("image", b"", 41005),
    ],
)
async def test_uploads(stand: Stand, kind: str, data: bytes | None, errcode: int) -> None:
    answer = await upload(stand, "/wechat/cgi-bin/media/upload", data, type=kind)
    assert answer.get("errcode", 0) == errcode
    assert bool(answer.get("media_id") or answer.get("thumb_media_id")) == (errcode == 0)


@pytest.mark.parametrize(
    ("kind", "data", "errcode"), [("image", JPEG, 40009), ("voice", AMR, 40010), ("thumb", JPEG, 40012)]
)
async def test_files_that_are_too_large(begin: Starter, kind: str, data: bytes, errcode: int) -> None:
    stand = await begin(**{f"wechat__{kind}_size": len(data) - 1})
    assert (await upload(stand, "/wechat/cgi-bin/media/upload", data, type=kind))["errcode"] == errcode


async def test_media_comes_back_for_three_days_to_its_own_account(stand: Stand) -> None:
    media_id = (await upload(stand, "/wechat/cgi-bin/media/upload", PNG, type="image"))["media_id"]
    query = {"media_id": media_id, "access_token": await stand.token()}
    picture = await stand.client.get("/wechat/cgi-bin/media/get", params=query)
    assert (picture.content_type, await picture.read()) == ("image/png", PNG)
    theirs = await stand.wechat("media/get", media_id=media_id, access_token=await stand.token("wx2"))
    assert theirs["errcode"] == 40007
    stand.clock.seconds += 3 * DAY
    late = await stand.wechat("media/get", media_id=media_id, access_token=await stand.token())
    assert late["errcode"] == 40007
    assert (await stand.wechat("media/get", access_token=await stand.token()))["errcode"] == 41006


async def test_an_uploaded_picture_can_be_sent_while_it_lives(stand: Stand) -> None:
    openid = await stand.customer()
    media_id = (await upload(stand, "/wechat/cgi-bin/media/upload", PNG, type="image"))["media_id"]
    assert (await stand.send(openid, "image", media_id=media_id))["errcode"] == 0
    assert (await stand.send(openid, "voice", media_id=media_id))["errcode"] == 40007
    (message,) = await stand.thread(openid)
    shown = await stand.client.get(message["media_url"])
    assert await shown.read() == PNG


async def test_a_video_comes_back_as_an_address(stand: Stand) -> None:
    media_id = (await upload(stand, "/wechat/cgi-bin/media/upload", MP4, type="video"))["media_id"]
    answer = await stand.wechat("media/get", media_id=media_id, access_token=await stand.token())
    assert answer["video_url"].endswith(f"/play/media/{media_id}")


async def test_user_info_has_neither_name_nor_face(stand: Stand) -> None:
    openid, token = await stand.customer(following=False, grant=""), await stand.token()
    assert await stand.wechat("user/info", openid=openid, access_token=token) == {"subscribe": 0, "openid": openid}
    await code(stand, "QR_LIMIT_STR_SCENE", {"scene_str": "a:lan"})
    await stand.act(f"customers/{openid}/scan", {"scene": "a:lan"})
    known = await stand.wechat("user/info", openid=openid, access_token=token)
    assert (known["subscribe"], known["qr_scene_str"], known["subscribe_scene"]) == (1, "a:lan", "ADD_SCENE_QR_CODE")
    assert not {"nickname", "headimgurl", "unionid"} & set(known)
    theirs = await stand.customer(account="wx2")
    for unknown in ("x", theirs):
        assert (await stand.wechat("user/info", openid=unknown, access_token=token))["errcode"] == 40003


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"kf_account": "lan_1@linjian", "nickname": "小兰"}, 0),
        ({"kf_account": "lan@other", "nickname": "小兰"}, 65404),
        ({"kf_account": "lan", "nickname": "小兰"}, 65404),
        ({"kf_account": "小兰@linjian", "nickname": "小兰"}, 65404),
        ({"kf_account": "elevenchars@linjian", "nickname": "小兰"}, 65404),
        ({"kf_account": "lan@linjian", "nickname": "兰" * 17}, 65403),
        ({"kf_account": "lan@linjian"}, 65403),
    ],
)
async def test_names_of_personas(stand: Stand, body: dict[str, str], errcode: int) -> None:
    answer = await stand.wechat("/customservice/kfaccount/add", body, access_token=await stand.token())
    assert answer["errcode"] == errcode


async def test_personas_are_listed_get_a_face_and_are_limited(begin: Starter) -> None:
    stand = await begin(wechat__personas=1)
    query = {"access_token": await stand.token()}
    answers = []
    for name in ("lan", "lan", "mei"):
        body = {"kf_account": f"{name}@linjian", "nickname": name}
        answers.append((await stand.wechat("/customservice/kfaccount/add", body, **query))["errcode"])
    assert answers == [0, 65406, 65405]
    face = "/wechat/customservice/kfaccount/uploadheadimg"
    assert (await upload(stand, face, PNG, kf_account="lan@linjian"))["errcode"] == 40005
    assert (await upload(stand, face, None, kf_account="lan@linjian"))["errcode"] == 41005
    assert (await upload(stand, face, JPEG, kf_account="mei@linjian"))["errcode"] == 65401
    assert (await upload(stand, face, JPEG, kf_account="lan@linjian"))["errcode"] == 0
    (listed,) = (await stand.wechat("customservice/getkflist", **query))["kf_list"]
    assert (listed["kf_account"], listed["kf_nick"]) == ("lan@linjian", "lan")
    shown = await stand.client.session.get(listed["kf_headimgurl"])
    assert await shown.read() == JPEG


def button(**facts: Any) -> dict[str, Any]:
    return {"type": "click", "name": "我的顾问", "key": "advisor", **facts} if "type" not in facts else facts


@pytest.mark.parametrize(
    ("buttons", "errcode"),
    [
        ([button()], 0),
        ([button(), button(type="view", name="商城", url="https://shop.example.com")], 0),
        ([{"name": "更多", "sub_button": [button() for _ in range(5)]}], 0),
        ([], 40016),
        ([button() for _ in range(4)], 40016),
        ([{"name": "更多", "sub_button": [button() for _ in range(6)]}], 40023),
        ([button(name="x" * 17)], 40018),
        ([{"name": "更多", "sub_button": [button(name="x" * 61)]}], 40025),
        ([button(key="x" * 129)], 40019),
        ([button(type="view", name="商城", url="x" * 1025)], 40020),
        ([button(type="dance", name="商城")], 40017),
        ([button(type="miniprogram", name="小程序", url="https://a", appid="wx")], 40017),
    ],
)
async def test_menus(stand: Stand, buttons: list[dict[str, Any]], errcode: int) -> None:
    answer = await stand.wechat("menu/create", {"button": buttons}, access_token=await stand.token())
    assert answer["errcode"] == errcode
    shown = (await stand.view("state", light="1"))["accounts"][0]["menu"]
    assert shown == (buttons if errcode == 0 else [])


async def template(stand: Stand, openid: str, data: Any, **more: Any) -> dict[str, Any]:
    """The answer to `message/template/send`."""
    body = {"touser": openid, "template_id": "T1", "data": data, **more}
    return await stand.wechat("message/template/send", body, access_token=await stand.token())


async def test_a_template_message_is_shown_and_its_end_is_told(stand: Stand) -> None:
    openid = await stand.customer(grant="")
    answer = await template(stand, openid, {"thing1": {"value": "您的新茶已发出"}})
    (message,) = await stand.thread(openid)
    assert (message["type"], message["text"]) == ("template", "您的新茶已发出")
    (told,) = await stand.receiver.until(1)
    event = told.opened(stand.world.official_accounts[0].envelope)
    assert (event["Event"], event["Status"]) == ("TEMPLATESENDJOBFINISH", "success")
    assert event["MsgID"] == str(answer["msgid"])


async def test_a_client_message_id_shows_a_template_once_in_ten_minutes(stand: Stand) -> None:
    openid = await stand.customer()
    data = {"thing1": {"value": "发货"}}
    first = await template(stand, openid, data, client_msg_id="order-1")
    again = await template(stand, openid, data, client_msg_id="order-1")
    assert again["msgid"] == first["msgid"]
    assert [line["shown"] for line in await stand.ledger("message/template/send")] == [True, False]
    stand.clock.seconds += 600
    assert (await template(stand, openid, data, client_msg_id="order-1"))["msgid"] != first["msgid"]
    assert len(await stand.thread(openid)) == 2


@pytest.mark.parametrize(
    ("data", "errcode"),
    [
        ({"thing1": {"value": "茶" * 20}}, 0),
        ({"thing1": {"value": "茶" * 21}}, 47003),
        ({"phrase2": {"value": "已发货了"}}, 0),
        ({"phrase2": {"value": "已经发货了呀"}}, 47003),
        ({"name3": {"value": "茶" * 10}}, 0),
        ({"name3": {"value": "茶" * 10 + "a"}}, 47003),
        ({"car_number1": {"value": "沪A123456789"}}, 47003),
        ({"keyword1": {"value": "旧模板的字段没有长度限制" * 9}}, 0),
        ({"thing1": {"value": ""}}, 47003),
        ({"thing1": "茶"}, 47003),
        ("茶", 47001),
    ],
)
async def test_template_fields(stand: Stand, data: Any, errcode: int) -> None:
    assert (await template(stand, await stand.customer(), data)).get("errcode") == errcode


async def test_a_template_needs_a_follower(stand: Stand) -> None:
    stranger = await stand.customer(following=False, grant="")
    assert (await template(stand, stranger, {"thing1": {"value": "茶"}}))["errcode"] == 43004
    assert (await template(stand, "nobody", {"thing1": {"value": "茶"}}))["errcode"] == 40003


async def test_quotas_tell_what_is_left(stand: Stand) -> None:
    openid, token = await stand.customer(), await stand.token()
    await stand.send(openid)

    async def quota(path: str) -> dict[str, Any]:
        return await stand.wechat("openapi/quota/get", {"cgi_path": path}, access_token=token)

    sends = await quota("/cgi-bin/message/custom/send")
    assert sends["quota"] == {"daily_limit": 500_000, "used": 1, "remain": 499_999}
    stable = await quota("/cgi-bin/stable_token")
    assert stable["rate_limit"] == {"call_count": 10_000, "refresh_second": 60}
    assert (await quota("cgi-bin/token"))["errcode"] == 76003
    assert (await quota("/sns/userinfo"))["errcode"] == 76022


def test_the_quotas_told_are_those_enforced() -> None:
    enforced = {api.path: api.limits for api in APIS if api.limits}
    assert {path: names for path, names in QUOTAS.items() if not path.endswith("token")} == enforced


async def test_addresses(stand: Stand) -> None:
    for path in ("getcallbackip", "get_api_domain_ip"):
        assert (await stand.wechat(path, access_token=await stand.token()))["ip_list"] == ["127.0.0.1"]


@pytest.mark.parametrize("path", ["/wechat/cgi-bin/message/custom/sned", "/wecom/cgi-bin/nothing", "/wechat/"])
async def test_an_unknown_path_is_404_with_an_empty_body(stand: Stand, path: str) -> None:
    for response in (await stand.client.get(path), await stand.client.post(path, json={})):
        assert (response.status, await response.read()) == (404, b"")
