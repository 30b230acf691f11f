"""Bad inputs D1-D50 over real HTTP: the right answer, nothing stored that should not be, never a 500.

Each case carries its id; what could not be told apart by an attacker has the same bytes.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientSession
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlalchemy import update
from yarl import URL

from emulator import xml
from emulator.crypto import read_key, sign
from storage.tables.people import advisors
from tests.driver import Account, Signed
from tests.house import House, text_of

OTHER = Account(receive_id="wx9999999999999999")


@dataclass(frozen=True, slots=True)
class Sent:
    """A request to be made: everything that can be wrong about one."""

    query: str
    body: bytes = b""
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/xml"),)


def good(oa: Account, text: str = "你好", sender: str = "o" + "a" * 27) -> Signed:
    return oa.text(sender, text)


def as_sent(signed: Signed, **more: Any) -> Sent:
    return Sent(signed.target, signed.body, **more)


def with_query(oa: Account, **changed: str | None) -> Sent:
    """A good callback with parts of its query replaced (None: left out)."""
    signed = good(oa)
    query = {name: value for name, value in {**signed.query, **changed}.items() if value is not None}
    return Sent("&".join(f"{name}={quote(value, safe='')}" for name, value in query.items()), signed.body)


def sealed_raw(oa: Account, ciphertext: str) -> Sent:
    """Any ciphertext under a good signature."""
    stamp, once = str(int(time.time())), "nonce1"
    query = {
        "signature": sign(oa.token, stamp, once),
        "timestamp": stamp,
        "nonce": once,
        "encrypt_type": "aes",
        "msg_signature": sign(oa.token, stamp, once, ciphertext),
    }
    body = xml.build({"ToUserName": oa.original_id, "Encrypt": ciphertext})
    return Sent("&".join(f"{name}={value}" for name, value in query.items()), body.encode())


def padded(oa: Account, pad: int) -> Sent:
    """A ciphertext whose last byte says `pad`."""
    key = read_key(oa.key)
    plain = b"r" * 16 + (4).to_bytes(4, "big") + b"<x/>" + oa.receive_id.encode()
    plain += bytes([pad]) * (32 - len(plain) % 32)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return sealed_raw(oa, _base64(encryptor.update(plain) + encryptor.finalize()))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def lengthened(oa: Account, declared: int) -> Sent:
    """A ciphertext whose inner length lies."""
    key = read_key(oa.key)
    padder = padding.PKCS7(256).padder()
    plain = b"r" * 16 + declared.to_bytes(4, "big") + b"<x/>" + oa.receive_id.encode()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return sealed_raw(oa, _base64(encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()))


def at(oa: Account, offset_s: int) -> Sent:
    """A good callback from another time."""
    return as_sent(oa.sealed(_inner(oa), timestamp=str(int(time.time()) + offset_s)))


def _inner(oa: Account, **more: Any) -> str:
    fields = {
        "ToUserName": oa.original_id,
        "FromUserName": "o" + "a" * 27,
        "CreateTime": int(time.time()),
        "MsgType": "text",
        "Content": "hi",
        "MsgId": next(oa.numbers),
    }
    return xml.build({name: value for name, value in {**fields, **more}.items() if value is not None})


def shifted(oa: Account) -> Sent:
    """Digits moved from the nonce to the timestamp: the same concatenation."""
    stamp = str(int(time.time()))
    signed = oa.sealed(_inner(oa), timestamp=stamp, nonce="9876543210")
    return Sent(
        signed.target.replace(f"timestamp={stamp}", f"timestamp={stamp}9").replace("nonce=9", "nonce="), signed.body
    )


def doubled(oa: Account) -> Sent:
    signed = good(oa)
    return Sent(signed.target + "&msg_signature=" + "0" * 40, signed.body)


def clear(oa: Account) -> Sent:
    stamp, once = str(int(time.time())), "nonce1"
    return Sent(f"signature={sign(oa.token, stamp, once)}&timestamp={stamp}&nonce={once}", _inner(oa).encode())


def other_key(oa: Account) -> Sent:
    return as_sent(replace(OTHER, token=oa.token, key=oa.key).text("o1", "x"))


def envelope_body(oa: Account, body: str) -> Sent:
    """A good query over a body of another shape; `{}` stands for the ciphertext."""
    ciphertext = oa.envelope.encrypt(_inner(oa).encode())
    return replace(sealed_raw(oa, ciphertext), body=body.replace("{}", ciphertext).encode())


def json_body(oa: Account) -> Sent:
    signed = good(oa)
    return replace(as_sent(signed), body=json.dumps({"Encrypt": "x"}).encode())


def encoded(oa: Account, encoding: str, body: bytes | None = None) -> Sent:
    signed = good(oa)
    return replace(
        as_sent(signed), body=body if body is not None else signed.body, headers=(("Content-Encoding", encoding),)
    )


def short_signature(oa: Account) -> Sent:
    return with_query(oa, msg_signature=good(oa).query["msg_signature"][:8])


def upper(oa: Account) -> Sent:
    signed = good(oa)
    return replace(
        as_sent(signed),
        query=signed.target.replace(signed.query["msg_signature"], signed.query["msg_signature"].upper()),
    )


REJECTED: list[tuple[str, Callable[[Account], Sent]]] = [
    ("D1 no query", lambda oa: Sent("", good(oa).body)),
    ("D2 signature missing", lambda oa: with_query(oa, msg_signature=None)),
    ("D2 signature empty", lambda oa: with_query(oa, msg_signature="")),
    ("D2 39 digits", lambda oa: with_query(oa, msg_signature="a" * 39)),
    ("D2 41 digits", lambda oa: with_query(oa, msg_signature="a" * 41)),
    ("D2 upper case", upper),
    ("D3 not ascii", lambda oa: with_query(oa, msg_signature="é" * 40)),
    ("D4 prefix only", short_signature),
    ("D5 doubled", doubled),
    *((f"D6 timestamp {value[:12]!r}", lambda oa, value=value: with_query(oa, timestamp=value)) for value in (
        "１４０９３０４３４８", "1_409_304_348", " 1409304348", "+1409304348", "1.4e9", "-1", "9" * 5000, "")),
    ("D7 digits moved", shifted),
    ("D8 old", lambda oa: at(oa, -601)),
    ("D8 from the future", lambda oa: at(oa, 601)),
    ("D10 plain body", clear),
    ("D11 downgrade", lambda oa: replace(clear(oa), query=good(oa).target)),
    ("D12 raw with Encrypt", lambda oa: with_query(oa, encrypt_type="raw")),
    ("D12 aes without Encrypt", lambda oa: envelope_body(oa, "<xml><ToUserName>x</ToUserName></xml>")),
    ("D13 another app id", other_key),
    *((f"D14 ciphertext {name}", lambda oa, text=text: sealed_raw(oa, text)) for name, text in (
        ("empty", ""), ("!!!!", "!!!!"), ("5 bytes", "AAAAAAA="), ("16 zero bytes", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("random 32", "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="),
        ("random 64", "q83vEjRWeJCrze8SNFZ4kKvN" * 3 + "7xI0VniQq83vEjRWeJA="))),
    ("D15 line feeds", lambda oa: sealed_raw(oa, "AAAA\nAAAAAAAAAAAAAAAAAA==")),
    ("D15 junk", lambda oa: sealed_raw(oa, "AAAA*AAAAAAAAAAAAAAAAAA==")),
    *((f"D16 pad {pad}", lambda oa, pad=pad: padded(oa, pad)) for pad in (0, 33, 255)),
    *((f"D16 length {length:#x}", lambda oa, length=length: lengthened(oa, length)) for length in (0xFFFFFFFF, 0x7FFFFFFF, 200)),
    ("D17 two Encrypts", lambda oa: envelope_body(oa, "<xml><Encrypt>{}</Encrypt><Encrypt>{}</Encrypt></xml>")),
    ("D17 nested", lambda oa: envelope_body(oa, "<xml><a><Encrypt>{}</Encrypt></a></xml>")),
    ("D17 attribute", lambda oa: envelope_body(oa, '<xml Encrypt="{}"/>')),
    ("D18 JSON", json_body),
    ("D18 list", lambda oa: envelope_body(oa, "[]")),
    ("D18 not XML", lambda oa: envelope_body(oa, "Encrypt={}")),
    ("D31 DOCTYPE around the envelope", lambda oa: envelope_body(oa, '<!DOCTYPE x [<!ENTITY a "b">]><xml><Encrypt>{}</Encrypt></xml>')),
    ("D25 body in UTF-16", lambda oa: replace(as_sent(good(oa)), body=good(oa).body.decode().encode("utf-16"))),
    ("D25 invalid UTF-8", lambda oa: replace(as_sent(good(oa)), body=b"<xml><Encrypt>\xff\xfe</Encrypt></xml>")),
]  # fmt: skip


async def send(house: House, sent: Sent, path: str = "") -> tuple[int, bytes]:
    url = f"{house.url}{path or '/hooks/oa'}" + (f"?{sent.query}" if sent.query else "")
    async with (
        ClientSession(auto_decompress=False) as session,
        session.request(sent.method, URL(url, encoded=True), data=sent.body, headers=dict(sent.headers)) as answer,
    ):
        return answer.status, await answer.read()


async def test_every_forged_envelope_gets_the_same_401_and_stores_nothing(house: House) -> None:
    answers = {}
    for name, build in REJECTED:
        answers[name] = await send(house, build(house.oa))
    assert {name: answer for name, answer in answers.items() if answer[0] != 401} == {}
    assert len({body for _, body in answers.values()}) == 1, "an attacker cannot tell what was wrong"
    assert await house.inbox_count() == 0


@pytest.mark.parametrize("offset_s", [-240, 240], ids=["4 min old", "4 min ahead"])
async def test_d8_a_clock_a_little_off_is_fine(house: House, offset_s: int) -> None:
    assert (await send(house, at(house.oa, offset_s)))[0] == 200


async def test_d9_the_same_callback_again_is_answered_and_changes_nothing(house: House) -> None:
    sent = as_sent(good(house.oa))
    assert [(await send(house, sent))[0] for _ in range(3)] == [200, 200, 200]
    assert await house.inbox_count() == 1


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", gzip.compress(b"<xml/>")), ("gzip", b"broken"), ("br", b"x"), ("deflate", b"x"), ("gzip", gzip.compress(b"0" * 50_000_000))],
    ids=["gzip", "broken gzip", "br", "deflate", "bomb"],
)  # fmt: skip
async def test_d19_d20_compressed_callbacks_are_not_read(house: House, encoding: str, body: bytes) -> None:
    status, _ = await send(house, encoded(house.oa, encoding, body))
    assert status in {413, 415}


async def test_d21_a_body_over_64_kib_is_refused(house: House) -> None:
    status, _ = await send(house, replace(as_sent(good(house.oa)), body=b"<xml>" + b" " * (64 * 1024)))
    assert status == 413


async def raw(house: House, request: bytes, *, close: bool = False) -> bytes:
    """Bytes on the wire, and what comes back before the server closes."""
    reader, writer = await asyncio.open_connection(house.host, house.port)
    writer.write(request)
    await writer.drain()
    if close:
        writer.close()
        return b""
    try:
        return await asyncio.wait_for(reader.read(65536), 15)
    finally:
        writer.close()


HEAD = b"POST /hooks/oa HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "statuses"),
    [
        (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,)),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", (400,)),
        (HEAD + b"Content-Length: +4\r\n\r\nabcd", (400,)),
        (HEAD + b"Content-Length: 1_0\r\n\r\nabcdefghij", (400,)),
        (b"POST /hooks/oa HTTP/1.1\r\n\r\n", (400, 401)),
        (HEAD + b"X: " + b"a" * 9000 + b"\r\n\r\n", (400, 431)),
        (HEAD + b"".join(b"X%d: a\r\n" % n for n in range(2000)) + b"\r\n", (400, 431)),
        (HEAD + b"X: a\x00b\r\n\r\n", (400,)),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,)),
    ],
    ids=["CL and TE", "two CL", "+4", "1_0", "no Host", "long header", "2,000 headers", "NUL", "TLS hello"],
)
async def test_d23_d24_malformed_http_is_answered_and_closed(
    house: House, request_bytes: bytes, statuses: tuple[int, ...]
) -> None:
    answer = await raw(house, request_bytes)
    assert int(answer.split(b" ", 2)[1]) in statuses, answer[:200]


async def test_d22_a_half_sent_body_is_cut_while_others_are_served(house: House) -> None:
    signed = good(house.oa)
    head = f"POST /hooks/oa?{signed.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n".encode()
    slow = asyncio.create_task(raw(house, head + b"<xml>"))
    assert (await send(house, as_sent(good(house.oa))))[0] == 200
    answer = await slow
    assert answer == b"" or int(answer.split(b" ", 2)[1]) in {400, 408}


async def test_d26_the_handshake_echoes_only_after_a_good_signature(house: House) -> None:
    stamp = str(int(time.time()))
    good_query = f"signature={sign(house.oa.token, stamp, 'n')}&timestamp={stamp}&nonce=n"
    assert await send(house, Sent(f"{good_query}&echostr=4375120948", method="GET")) == (200, b"4375120948")
    bad = [
        f"{good_query}&echostr={'1' * 5000}",
        good_query,
        good_query.replace("signature=", "signature=0") + "&echostr=1",
    ]
    assert [(await send(house, Sent(query, method="GET")))[0] for query in bad] == [401, 401, 401]
    status, body = await send(house, Sent(f"{good_query}&echostr={quote('<script>')}", method="GET"))
    assert status == 401 or body == b"<script>"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_d27_other_methods(house: House, method: str) -> None:
    assert (await send(house, Sent("", method=method)))[0] == 405


async def test_d28_unknown_paths_are_the_same_404(house: House) -> None:
    paths = [
        "/hooks/nobody",
        "/HOOKS/oa",
        "/hooks/",
        "/hooks/oa/",
        "//hooks/oa",
        "/hooks/%2e%2e/etc",
        "/hooks/oa%00",
        "/x",
    ]
    answers = [await send(house, as_sent(good(house.oa)), path) for path in paths]
    assert {status for status, _ in answers} == {404}
    assert len({body for _, body in answers}) == 1


async def test_d29_a_client_that_leaves_is_stored_once_or_not_at_all(house: House) -> None:
    signed = good(house.oa)
    head = f"POST /hooks/oa?{signed.target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(signed.body)}\r\n\r\n"
    await raw(house, head.encode() + signed.body, close=True)
    assert (await send(house, as_sent(signed)))[0] == 200
    assert await house.inbox_count() == 1


def inner(**more: Any) -> Callable[[Account], str]:
    return lambda oa: _inner(oa, **more)


def text_xml(content: str) -> Callable[[Account], str]:
    return lambda oa: (
        f"<xml><ToUserName>{oa.original_id}</ToUserName><FromUserName>o{'a' * 27}</FromUserName>"
        f"<CreateTime>{int(time.time())}</CreateTime><MsgType>text</MsgType>{content}<MsgId>{next(oa.numbers)}</MsgId></xml>"
    )


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
INNER: list[tuple[str, Callable[[Account], str], tuple[int, ...]]] = [
    ("D31 external entity", lambda oa: '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + _inner(oa, Content="&a;"), (400,)),
    ("D31 laughs", lambda oa: BOMB + _inner(oa), (400,)),
    ("D31 DOCTYPE", lambda oa: "<!DOCTYPE xml>" + _inner(oa), (400,)),
    ("D32 empty", lambda oa: "<xml/>", (200, 400)),
    ("D32 no MsgType", inner(MsgType=None), (200, 400)),
    ("D32 MsgType twice", text_xml("<MsgType>image</MsgType>"), (200, 400)),
    ("D32 MsgType nested", text_xml("<MsgType><a>text</a></MsgType>"), (200, 400)),
    ("D32 not xml", lambda oa: "hello", (400,)),
    ("D33 deep", lambda oa: "<xml>" + "<a>" * 5000 + "</a>" * 5000 + "</xml>", (400,)),
    ("D33 many", lambda oa: "<xml>" + "<a/>" * 5000 + "</xml>", (400,)),
    ("D34 CDATA split", text_xml("<Content><![CDATA[a]]]]><![CDATA[>b]]></Content>"), (200,)),
    *((f"D35 sender {sender[:8]!r}", inner(FromUserName=sender), (200, 400)) for sender in (
        "", "o", "o" * 65, "o" * 10_000, "o/'\n\u202e")),
    *((f"D36 time {value}", inner(CreateTime=value), (200,)) for value in ("abc", "0", "-1", "253402300800", "1" * 20, None)),
    *((f"D37 id {value}", inner(MsgId=value), (200,)) for value in ("0", "-5", str(2**63), str(2**64), "1e3", "abc", "007", None)),
    *((f"D38 text {name}", inner(Content=text), (200,)) for name, text in (
        ("empty", ""), ("spaces", "   "), ("zalgo", "e" + "́" * 5000), ("family", "👩‍👩‍👧‍👦" * 50),
        ("bidi", "\u202egpj.exe"), ("noncharacter", "a\ufffeb"))),
    ("D40 location", inner(MsgType="location", Location_X="1e308", Location_Y="NaN", Scale="9" * 30, Label="x"), (200,)),
    *((f"D41 url {url[:12]}", inner(MsgType="link", Title="t", Description="d", Url=url), (200,)) for url in (
        "javascript:alert(1)", "file:///etc/passwd", "http://169.254.169.254/", "//evil", "http://x/" + "a" * 10_000)),
    *((f"D42 media {media[:8]!r}", inner(MsgType="image", MediaId=media, PicUrl="x"), (200,)) for media in (
        "../../etc/passwd", "?access_token=x", "a\r\nb")),
    *((f"D43 event {name}", inner(MsgType="event", Event=name, MsgId=None), (200,)) for name in ("__class__", "../x", "", "A" * 500)),
    *((f"D44 scene {scene[:14]!r}", inner(MsgType="event", Event="subscribe", EventKey=scene, MsgId=None), (200,)) for scene in (
        "qrscene_", "qrscene_qrscene_1", "qrscene_" + "x" * 65, "qrscene_' OR 1=1 --", "qrscene_😀")),
    ("D45 leaves before coming", inner(MsgType="event", Event="unsubscribe", MsgId=None), (200,)),
    ("D49 mass-send helper", inner(MsgType="event", Event="MASSSENDJOBFINISH", FromUserName="mphelper", MsgId=None), (200,)),
    ("D49 kf event", inner(MsgType="event", Event="kf_create_session", KfAccount="a@b", MsgId=None), (200,)),
]  # fmt: skip


async def test_d31_to_d49_strange_contents_are_kept_or_refused_and_the_talk_goes_on(house: House) -> None:
    answers = {}
    for name, build, expected in INNER:
        status, _ = await send(house, as_sent(house.oa.sealed(build(house.oa))))
        answers[name] = (status, expected)
    assert {name: pair for name, pair in answers.items() if pair[0] not in pair[1]} == {}
    assert (await send(house, as_sent(good(house.oa, "还在吗"))))[0] == 200
    await house.quiet()
    assert await house.inbox_count("parked") == 0


async def test_d38_d25_text_is_normalised_never_lost(house: House) -> None:
    hostile = "a\x00b\x0bc"
    clear_text = text_xml(f"<Content>{hostile.replace(chr(0), '').replace(chr(11), '')}</Content>")(house.oa)
    assert (await send(house, as_sent(house.oa.sealed(clear_text))))[0] == 200
    broken = _inner(house.oa).encode().replace(b"hi", b"\xff\xfe")
    assert (await send(house, as_sent(house.oa.sealed(broken))))[0] == 400


async def test_d45_twice_followed_is_one_customer(house: House) -> None:
    for _ in range(2):
        event = house.oa.event("o" + "b" * 27, "subscribe")
        assert (await send(house, as_sent(event)))[0] == 200
    await house.quiet()
    assert await house.customer_count() == 1


async def test_d46_d47_contact_events_of_one_second_are_kept_and_nobody_is_invented(house: House) -> None:
    fields = {"ExternalUserID": "wm1", "UserID": "guide0", "WelcomeCode": "W" * 20}
    for change in ("add_external_contact", "del_external_contact", "add_external_contact"):
        event = house.work.event("sys", "change_external_contact", ChangeType=change, **fields)
        assert (await send(house, Sent(event.target, event.body), "/hooks/work"))[0] == 200
    await house.quiet()
    assert await house.inbox_count() == 2, "the same event of the same second is one; another is another"
    assert await house.inbox_count("parked") == 0
    assert await house.customer_count() == 0
    assert not [line for line in await house.ledger(platform="wecom") if "welcome" in line["api"]]


async def test_d48_an_advisor_cannot_become_his_own_customer(house: House) -> None:
    himself = await house.customer()
    own = update(advisors).where(advisors.c.code == "g0").values(own_id=himself)
    await house.db.write(lambda tx: tx.execute(own).rowcount)
    await house.play(f"customers/{himself}/scan?wait=1", scene=house.scenes[0])
    await house.writes(himself, "有人吗")
    await house.told(0, lambda message: "有人吗" in str(message))
    await house.answers(0, "#A10 好")
    await house.shown(himself, lambda message: text_of(message) == "好")
    await house.quiet()
    cards = [line for line in await house.ledger(api="message/custom/send", to=himself) if line["msgtype"] == "msgmenu"]
    assert cards == [], "no consent card, neither by the scan nor by the claim"
    kinds = {alarm["kind"] for alarm in (await house.api("GET", "/alarms"))["items"]}
    assert "own_code_scanned" in kinds


async def test_d50_what_an_advisor_types_arrives_as_typed(house: House) -> None:
    anna = await house.bound(0)
    await house.writes(anna, "在吗")
    await house.told(0, lambda message: "在吗" in str(message))
    typed = "]]></Content><MsgType>x & <b>\"'"
    await house.answers(0, typed)
    await house.quiet()
    assert (await house.texts_to(anna))[-1] == typed
