"""The doors: what is genuine, fresh and in the configured mode gets in; everything else is refused, one way."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.channels.contract import Handshake, RawRequest, Verified
from gateway.channels.envelope import Envelope, sign
from gateway.channels.errors import Rejected
from gateway.channels.wechat import verify as wechat
from gateway.channels.wecom import verify as wecom
from tests.unit.channels.samples import (
    KEY,
    NOW,
    OLD_KEY,
    TOKEN,
    changed,
    clear,
    post,
    sample,
    sealed,
    wechat_settings,
    wecom_settings,
)

TEXT = sample("wechat/text.xml")
SAFE = wechat.Door(wechat_settings())
PLAIN = wechat.Door(wechat_settings(mode="plain", platform_ips=["1.2.3.0/24"]))
WORK = wecom.Door(wecom_settings())
GOOD = sealed(TEXT, "wxTea")


def bodied(body: str) -> RawRequest:
    return dataclasses.replace(GOOD, body=body.encode())


def with_encrypt(template: str) -> RawRequest:
    encrypt = GOOD.body.split(b"<Encrypt><![CDATA[")[1].split(b"]]>")[0].decode()
    return bodied(template.format(encrypt))


def refusal(door: wechat.Door | wecom.Door, request: RawRequest, now: int = NOW) -> str:
    with pytest.raises(Rejected) as refused:
        door.verify(request, now)
    return refused.value.why


@pytest.mark.parametrize("mode", ["safe", "compatible"])
def test_an_encrypted_callback_gets_in(mode: str) -> None:
    assert wechat.Door(wechat_settings(mode=mode)).verify(GOOD, NOW) == Verified(TEXT, 0)
    assert WORK.verify(sealed(TEXT, "ww0123456789abcdef"), NOW) == Verified(TEXT, 0)


def test_only_the_encrypted_half_of_a_compatible_body_counts() -> None:
    forged = with_encrypt("<xml><Content>forged</Content><MsgType>text</MsgType><Encrypt>{}</Encrypt></xml>")
    assert wechat.Door(wechat_settings(mode="compatible")).verify(forged, NOW) == Verified(TEXT, 0)


def test_the_previous_pair_gets_in_while_it_is_rotated_out() -> None:
    old = sealed(TEXT, "wxTea", key=OLD_KEY, token="oldToken")
    rotating = wechat.Door(wechat_settings(previous_token="oldToken", previous_encoding_aes_key=OLD_KEY))
    assert rotating.verify(old, NOW) == Verified(TEXT, 1)
    assert refusal(SAFE, old) == "signature"


REFUSED = {
    "no query": (dataclasses.replace(GOOD, query=()), "mode"),
    "signature missing": (changed(GOOD, msg_signature=None), "parameter_missing"),
    "nonce missing": (changed(GOOD, nonce=None), "parameter_missing"),
    "three-item signature for a body": (changed(GOOD, msg_signature=dict(GOOD.query)["signature"]), "signature"),
    "a parameter twice": (
        dataclasses.replace(GOOD, query=(*GOOD.query, ("msg_signature", "0" * 40))),
        "parameter_twice",
    ),
    "another company's envelope": (sealed(TEXT, "wxOther"), "receive_id"),
    "clear body": (clear(TEXT), "mode"),
    "clear body that says aes": (
        changed(clear(TEXT), encrypt_type="aes", msg_signature="0" * 40),
        "no_encrypt",
    ),
    "encrypted body that says raw": (changed(GOOD, encrypt_type="raw"), "mode"),
    "encrypt_type missing": (changed(GOOD, encrypt_type=None), "mode"),
    "two Encrypt": (with_encrypt("<xml><Encrypt>{0}</Encrypt><Encrypt>{0}</Encrypt></xml>"), "body"),
    "Encrypt nested": (with_encrypt("<xml><a><Encrypt>{}</Encrypt></a></xml>"), "no_encrypt"),
    "Encrypt around an element": (with_encrypt("<xml><Encrypt>{}<a/></Encrypt></xml>"), "no_encrypt"),
    "Encrypt as attribute": (with_encrypt('<xml Encrypt="{}"/>'), "body"),
    "Encrypt with attribute": (with_encrypt('<xml><Encrypt a="1">{}</Encrypt></xml>'), "body"),
    "JSON": (with_encrypt('{{"Encrypt": "{}"}}'), "body"),
    "empty": (bodied(""), "body"),
    "a DTD": (with_encrypt("<!DOCTYPE xml><xml><Encrypt>{}</Encrypt></xml>"), "body"),
    "an entity": (with_encrypt('<!DOCTYPE x [<!ENTITY e "x">]><xml><Encrypt>{}</Encrypt><a>&e;</a></xml>'), "body"),
    "too large": (with_encrypt("<xml><Encrypt>{}</Encrypt><a>" + "x" * 65536 + "</a></xml>"), "body"),
    "PUT": (dataclasses.replace(GOOD, method="PUT"), "method"),
}


@pytest.mark.parametrize(("request_", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_genuine_is_refused(request_: RawRequest, why: str) -> None:
    assert refusal(SAFE, request_) == why


def test_a_stale_callback_is_refused_and_a_repeat_within_the_window_is_not() -> None:
    assert refusal(SAFE, GOOD, NOW + 10 * 60_000) == "stale"
    assert SAFE.verify(GOOD, NOW + 60_000) == SAFE.verify(GOOD, NOW)


def test_a_clear_body_gets_in_where_plain_mode_is_configured() -> None:
    assert PLAIN.verify(clear(TEXT), NOW) == Verified(TEXT, 0)
    assert PLAIN.verify(changed(clear(TEXT), encrypt_type="raw"), NOW) == Verified(TEXT, 0)
    assert refusal(PLAIN, GOOD) == "mode"
    assert refusal(PLAIN, changed(GOOD, encrypt_type="raw")) == "mode"
    assert refusal(PLAIN, clear(b"hello")) == "body"
    assert refusal(PLAIN, clear(TEXT, token="other")) == "signature"


@pytest.mark.parametrize(
    ("remote", "inside"),
    [
        ("1.2.3.4", True),
        ("::ffff:1.2.3.9", True),
        ("1.2.4.1", False),
        ("2001:db8::1", False),
        ("", False),
        ("x", False),
    ],
)
def test_callbacks_come_from_the_platform_s_addresses_where_they_are_known(remote: str, inside: bool) -> None:
    request = dataclasses.replace(GOOD, remote=remote)
    door = wechat.Door(wechat_settings(platform_ips=["1.2.3.*"]))
    if inside:
        assert door.verify(request, NOW) == Verified(TEXT, 0)
    else:
        assert refusal(door, request) == "address"


def hello(echostr: str, **query: str) -> RawRequest:
    timestamp = str(NOW // 1000)
    values = {
        "signature": sign(TOKEN.encode(), timestamp, "n"),
        "timestamp": timestamp,
        "nonce": "n",
        "echostr": echostr,
    }
    return dataclasses.replace(post({**values, **query}, b""), method="GET")


def work_hello(echo: bytes) -> RawRequest:
    box = Envelope("ww0123456789abcdef", [TOKEN], [KEY]).seal(echo, str(NOW // 1000), "n")
    query = {"msg_signature": box.signature, "timestamp": box.timestamp, "nonce": "n", "echostr": box.encrypt}
    return dataclasses.replace(post(query, b""), method="GET")


def test_an_address_check_is_answered_with_the_bare_echo() -> None:
    for door, request in ((SAFE, hello("4375120948345356249")), (WORK, work_hello(b"4375120948345356249"))):
        answer = door.verify(request, NOW)
        assert isinstance(answer, Handshake)
        assert answer.response.body == b"4375120948345356249"
        assert answer.response.content_type == "text/plain"


@pytest.mark.parametrize("echo", ["", "<script>alert(1)</script>", "1" * 129, "1\n", '"1"', "é"])
def test_an_address_check_echoes_short_plain_words_only(echo: str) -> None:
    assert refusal(SAFE, hello(echo)) == "echostr"
    assert refusal(WORK, work_hello(echo.encode())) in {"echostr", "length"}


def test_an_address_check_must_be_signed() -> None:
    assert refusal(SAFE, hello("1", signature="0" * 40)) == "signature"
    assert refusal(WORK, hello("1")) == "parameter_missing"
    assert refusal(WORK, dataclasses.replace(GOOD, query=())) == "parameter_missing"
    assert refusal(SAFE, work_hello(b"1")) == "parameter_missing"
