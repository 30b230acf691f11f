"""The envelope against the published and computed vectors, and against noise."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.envelope import FRESH_MS, Envelope, Signed, decode_key, sign
from gateway.channels.errors import Rejected

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "crypto.json").read_text(encoding="utf-8"))
POSITIVE: list[dict[str, Any]] = VECTORS["positive"]
NEGATIVE: list[dict[str, Any]] = VECTORS["negative"]
SEALING = [vector for vector in POSITIVE if vector["operation"] in ("encrypt", "both")]
ROTATION: dict[str, Any] = VECTORS["scenarios"][0]
ECHO, PLAIN = (v for v in VECTORS["signature_only"] if v["scheme"] == "sha1_sorted")


def by_id(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def envelope_of(vector: dict[str, Any], *, in_millis: bool | None = None) -> Envelope:
    millis = len(vector["timestamp"]) == 13 if in_millis is None else in_millis
    return Envelope(vector["receive_id"], [vector["token"]], [vector["encoding_aes_key"]], in_millis=millis)


def signed_of(vector: dict[str, Any]) -> Signed:
    return Signed(vector["signature"], vector["timestamp"], vector["nonce"])


def time_of(vector: dict[str, Any]) -> int:
    return int(vector["timestamp"].ljust(13, "0"))


@pytest.mark.parametrize("vector", POSITIVE, ids=by_id)
def test_every_genuine_envelope_opens(vector: dict[str, Any]) -> None:
    opened = envelope_of(vector).open(signed_of(vector), vector["ciphertext"], time_of(vector))
    assert opened.message.decode() == vector["expected"]["plaintext"]
    assert opened.key_index == 0


@pytest.mark.parametrize("vector", SEALING, ids=by_id)
def test_sealing_reproduces_the_published_bytes(vector: dict[str, Any]) -> None:
    sealed = envelope_of(vector).seal(
        vector["expected"]["plaintext"].encode(),
        vector["timestamp"],
        vector["nonce"],
        random16=vector["expected"]["random16"].encode(),
    )
    assert sealed.encrypt == vector["ciphertext"]
    assert sealed.signature == vector["signature"]


@pytest.mark.parametrize("vector", NEGATIVE, ids=by_id)
def test_every_forged_envelope_is_refused_at_its_check(vector: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refused:
        envelope_of(vector).open(signed_of(vector), vector["ciphertext"], time_of(vector))
    assert refused.value.why == vector["reject_at"]


def rotating() -> Envelope:
    keys = [ROTATION["current_encoding_aes_key"], ROTATION["previous_encoding_aes_key"]]
    return Envelope(ROTATION["receive_id"], [ROTATION["token"]], keys)


def test_the_previous_key_opens_while_it_is_rotated_out_and_seals_the_answer() -> None:
    opened = rotating().open(signed_of(ROTATION), ROTATION["ciphertext"], time_of(ROTATION))
    assert opened.message.decode() == ROTATION["expected"]["plaintext"]
    assert opened.key_index == 1

    reply = ROTATION["reply"]
    sealed = rotating().seal(
        reply["plaintext"].encode(),
        reply["timestamp"],
        reply["nonce"],
        key_index=opened.key_index,
        random16=reply["random16"].encode(),
    )
    assert (sealed.encrypt, sealed.signature) == (reply["ciphertext"], reply["signature"])


def test_the_previous_key_opens_nothing_after_the_rotation() -> None:
    envelope = Envelope(ROTATION["receive_id"], [ROTATION["token"]], [ROTATION["current_encoding_aes_key"]])
    with pytest.raises(Rejected):
        envelope.open(signed_of(ROTATION), ROTATION["ciphertext"], time_of(ROTATION))


def test_the_previous_token_signs_while_it_is_rotated_out() -> None:
    signed = Signed(sign(b"old", "1700000000", "n", "x"), "1700000000", "n")
    Envelope("id", ["new", "old"], ["A" * 43]).check(signed, 1_700_000_000_000, "x")
    with pytest.raises(Rejected):
        Envelope("id", ["new"], ["A" * 43]).check(signed, 1_700_000_000_000, "x")


@pytest.mark.parametrize("vector", [ECHO, PLAIN], ids=by_id)
def test_the_signature_without_ciphertext_is_the_published_one(vector: dict[str, Any]) -> None:
    Envelope("id", [vector["token"]], ["A" * 43]).check(signed_of(vector), time_of(vector))


@pytest.mark.parametrize(
    ("off_ms", "fresh"), [(FRESH_MS, True), (FRESH_MS + 1, False), (-FRESH_MS, True), (-FRESH_MS - 1, False)]
)
def test_a_callback_is_fresh_for_five_minutes_either_way(off_ms: int, fresh: bool) -> None:
    signed = Signed(sign(b"T", "1700000000", "n"), "1700000000", "n")
    envelope = Envelope("id", ["T"], ["A" * 43])
    if fresh:
        envelope.check(signed, 1_700_000_000_000 + off_ms)
        return
    with pytest.raises(Rejected, match="stale"):
        envelope.check(signed, 1_700_000_000_000 + off_ms)


TIMESTAMPS = [
    "",
    "１７０００００００００",
    "1_700_000_00",
    " 1700000000",
    "+170000000",
    "1.70000e9",
    "-170000000",
    "9" * 5000,
    "17000000001",
]
SIGNATURES = ["", "0" * 39, "0" * 41, "é" * 40, "00000000", sign(b"T", "1700000000", "n").upper()]


@pytest.mark.parametrize("timestamp", TIMESTAMPS)
def test_a_timestamp_of_another_form_is_refused(timestamp: str) -> None:
    signed = Signed(sign(b"T", timestamp, "n"), timestamp, "n")
    with pytest.raises(Rejected, match="timestamp"):
        Envelope("id", ["T"], ["A" * 43]).check(signed, 1_700_000_000_000)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_signature_of_another_form_is_refused(signature: str) -> None:
    with pytest.raises(Rejected, match="signature"):
        Envelope("id", ["T"], ["A" * 43]).check(Signed(signature, "1700000000", "n"), 1_700_000_000_000)


@pytest.mark.parametrize("nonce", ["", "a b", "é", "n" * 65, "a/b"])
def test_a_nonce_of_another_form_is_refused(nonce: str) -> None:
    with pytest.raises(Rejected, match="nonce"):
        Envelope("id", ["T"], ["A" * 43]).check(Signed(sign(b"T", nonce), "1700000000", nonce), 1_700_000_000_000)


def test_digits_cannot_move_between_the_signed_parts() -> None:
    signature = sign(b"T", "1700000000", "15")
    moved = Signed(signature, "17000000001", "5")
    with pytest.raises(Rejected):
        Envelope("id", ["T"], ["A" * 43]).check(moved, 1_700_000_000_000)


CIPHERTEXTS = [
    "",
    "!!!!",
    "AAAAAAA=",
    base64.b64encode(bytes(16)).decode(),
    base64.b64encode(bytes(32)).decode(),
    "QUFB\nQUFB",
    "é",
]


@pytest.mark.parametrize("ciphertext", CIPHERTEXTS)
def test_a_signed_ciphertext_that_is_none_is_refused(ciphertext: str) -> None:
    signed = Signed(sign(b"T", "1700000000", "n", ciphertext), "1700000000", "n")
    with pytest.raises(Rejected):
        Envelope("id", ["T"], ["A" * 43]).open(signed, ciphertext, 1_700_000_000_000)


@pytest.mark.parametrize("junk", ["\n", " ", "!", "=", "\x00"])
def test_base64_with_junk_inside_is_refused_although_it_is_signed(junk: str) -> None:
    envelope = Envelope("id", ["T"], ["A" * 43])
    genuine = envelope.seal(b"hello", "1700000000", "n").encrypt
    ciphertext = genuine[:8] + junk + genuine[8:]
    signed = Signed(sign(b"T", "1700000000", "n", ciphertext), "1700000000", "n")
    with pytest.raises(Rejected, match="base64"):
        envelope.open(signed, ciphertext, 1_700_000_000_000)


@given(st.binary(max_size=200))
def test_random_ciphertext_with_a_good_signature_is_refused(noise: bytes) -> None:
    ciphertext = base64.b64encode(noise).decode()
    signed = Signed(sign(b"T", "1700000000", "n", ciphertext), "1700000000", "n")
    with pytest.raises(Rejected):
        Envelope("id", ["T"], ["A" * 43]).open(signed, ciphertext, 1_700_000_000_000)


@given(st.data())
def test_no_changed_byte_of_a_genuine_envelope_gets_through(data: st.DataObject) -> None:
    vector = data.draw(st.sampled_from(POSITIVE))
    name = data.draw(st.sampled_from(["signature", "timestamp", "nonce", "ciphertext"]))
    value: str = vector[name]
    at = data.draw(st.integers(0, len(value) - 1))
    changed = value[:at] + data.draw(st.characters().filter(lambda c: c != value[at])) + value[at + 1 :]
    forged = {**vector, name: changed}
    with pytest.raises(Rejected):
        envelope_of(vector).open(signed_of(forged), forged["ciphertext"], time_of(vector))


@given(st.binary(min_size=1, max_size=500), st.text(max_size=40))
def test_what_is_sealed_opens_again(message: bytes, receive_id: str) -> None:
    envelope = Envelope(receive_id, ["T"], ["abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"])
    sealed = envelope.seal(message, "1700000000", "n")
    signed = Signed(sealed.signature, sealed.timestamp, sealed.nonce)
    assert envelope.open(signed, sealed.encrypt, 1_700_000_000_000).message == message


@pytest.mark.parametrize("key", ["", "A" * 42, "A" * 44, "é" * 43, "!" * 43, "A" * 42 + "="])
def test_a_key_of_another_form_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="43 letters"):
        decode_key(key)


@pytest.mark.parametrize("tokens", [[], [""], ["T", ""]])
def test_without_a_token_anybody_could_sign(tokens: list[str]) -> None:
    with pytest.raises(ValueError, match="empty token"):
        Envelope("id", tokens, ["A" * 43])
