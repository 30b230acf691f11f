"""The callback encryption against the published and computed vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emulator import crypto
from emulator.crypto import Envelope, Rejected

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "crypto.json").read_text(encoding="utf-8"))
SIGNATURES = [vector for vector in VECTORS["signature_only"] if vector["scheme"] == "sha1_sorted"]

Vector = dict[str, Any]


def name(vector: Vector) -> str:
    return str(vector["id"])


def envelope(vector: Vector, key: str = "encoding_aes_key") -> Envelope:
    return Envelope(vector["token"], crypto.read_key(vector[key]), vector["receive_id"])


def opened(vector: Vector, key: str = "encoding_aes_key") -> str:
    parts = (vector["signature"], vector["timestamp"], vector["nonce"], vector["ciphertext"])
    return envelope(vector, key).open(*parts).decode()


@pytest.mark.parametrize("vector", VECTORS["positive"], ids=name)
def test_a_positive_vector_opens(vector: Vector) -> None:
    assert opened(vector) == vector["expected"]["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["positive"], ids=name)
def test_a_positive_vector_is_made_again_byte_for_byte(vector: Vector) -> None:
    expected = vector["expected"]
    ciphertext = envelope(vector).encrypt(expected["plaintext"].encode(), expected["random16"].encode())
    assert ciphertext == vector["ciphertext"]
    assert envelope(vector).sign(vector["timestamp"], vector["nonce"], ciphertext) == vector["signature"]


@pytest.mark.parametrize("vector", VECTORS["negative"], ids=name)
def test_a_negative_vector_is_refused_at_the_check_it_names(vector: Vector) -> None:
    with pytest.raises(Rejected) as refusal:
        opened(vector)
    assert refusal.value.check == vector["reject_at"]


@pytest.mark.parametrize("vector", SIGNATURES, ids=name)
def test_a_three_part_signature(vector: Vector) -> None:
    parts = (vector["token"], vector["timestamp"], vector["nonce"])
    assert crypto.sign(*parts) == vector["signature"]
    assert crypto.signature_holds(vector["signature"], *parts)
    assert not crypto.signature_holds(vector["signature"], *parts, "more")


@pytest.mark.parametrize("scenario", VECTORS["scenarios"], ids=name)
def test_a_request_under_the_previous_key_opens_with_that_key_alone(scenario: Vector) -> None:
    with pytest.raises(Rejected):
        opened(scenario, "current_encoding_aes_key")
    assert opened(scenario, "previous_encoding_aes_key") == scenario["expected"]["plaintext"]
    reply = scenario["reply"]
    sealed = envelope(scenario, "previous_encoding_aes_key")
    assert sealed.encrypt(reply["plaintext"].encode(), reply["random16"].encode()) == reply["ciphertext"]
    assert sealed.sign(reply["timestamp"], reply["nonce"], reply["ciphertext"]) == reply["signature"]


def test_two_seals_of_one_message_differ_and_both_open() -> None:
    seal = Envelope("T", bytes(32), "wx1")
    first, second = seal.encrypt(b"same"), seal.encrypt(b"same")
    assert first != second
    assert seal.decrypt(first) == seal.decrypt(second) == b"same"


@pytest.mark.parametrize("key", ["short", "x" * 44, "*" * 43])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"43 characters|not base64"):
        crypto.read_key(key)
