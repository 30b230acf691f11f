"""The encrypted envelope that the official account, WeCom and DingTalk share: signature first, then strict decryption.

Layout: https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html
and https://developer.work.weixin.qq.com/document/path/90968
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateway.channels.errors import Rejected

FRESH_MS = 5 * 60 * 1000
"""How far a callback's timestamp may be from our clock, either way."""

_BLOCK = 32
_RANDOM = 16
_LENGTH = 4
# Fixed formats: the platform joins the signed parts without a separator, so a digit could move from one part to the next.
_SECONDS = re.compile(r"[0-9]{10}")
_MILLIS = re.compile(r"[0-9]{13}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SIGNATURE = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Signed:
    """The three query values that vouch for a callback, as they came."""

    signature: str
    timestamp: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A decrypted message, and which key opened it (0 current, 1 previous)."""

    message: bytes
    key_index: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted reply and what signs it."""

    encrypt: str
    signature: str
    timestamp: str
    nonce: str


class Envelope:
    """Opens and seals messages for one receiver.

    `tokens` and `aes_keys` hold the current one first; a second one is the previous, accepted while it is rotated out.
    Raises ValueError when a token is empty or a key is not 43 characters of base64.
    """

    def __init__(
        self, receive_id: str, tokens: Sequence[str], aes_keys: Sequence[str], *, in_millis: bool = False
    ) -> None:
        if not tokens or not all(tokens):
            raise ValueError("an empty token would let anybody sign")
        if not aes_keys:
            raise ValueError("an EncodingAESKey is needed")
        self._receive_id = receive_id.encode()
        self._tokens = tuple(token.encode() for token in tokens)
        self._keys = tuple(decode_key(key) for key in aes_keys)
        self._timestamp, self._unit_ms = (_MILLIS, 1) if in_millis else (_SECONDS, 1000)

    def check(self, signed: Signed, now: int, *parts: str) -> None:
        """Prove the signature over timestamp, nonce and `parts`, and that it is fresh. Raises Rejected."""
        if not self._timestamp.fullmatch(signed.timestamp):
            raise Rejected("timestamp")
        if not _NONCE.fullmatch(signed.nonce):
            raise Rejected("nonce")
        if not _SIGNATURE.fullmatch(signed.signature):
            raise Rejected("signature")
        given = signed.signature.encode()
        items = (signed.timestamp, signed.nonce, *parts)
        # Every token is tried, whatever the first said: the time taken tells nothing.
        proofs = [hmac.compare_digest(given, sign(token, *items).encode()) for token in self._tokens]
        if not any(proofs):
            raise Rejected("signature")
        if abs(now - int(signed.timestamp) * self._unit_ms) > FRESH_MS:
            raise Rejected("stale")

    def open(self, signed: Signed, encrypt: str, now: int) -> Opened:
        """The message inside `encrypt`, after every check. Raises Rejected, always before anything is believed."""
        self.check(signed, now, encrypt)
        ciphertext = _decode(encrypt)
        refusals: list[str] = []
        for index, key in enumerate(self._keys):
            try:
                return Opened(_decrypt(key, ciphertext, self._receive_id), index)
            except Rejected as rejected:
                refusals.append(rejected.why)
        raise Rejected(refusals[0])

    def seal(
        self, message: bytes, timestamp: str, nonce: str, *, key_index: int = 0, random16: bytes | None = None
    ) -> Sealed:
        """Encrypt and sign a reply with the key that opened the request. `random16` is given by tests only."""
        prefix = random16 if random16 is not None else secrets.token_bytes(_RANDOM)
        plain = prefix + len(message).to_bytes(_LENGTH, "big") + message + self._receive_id
        pad = _BLOCK - len(plain) % _BLOCK
        encryptor = _cipher(self._keys[key_index]).encryptor()
        sealed = encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()
        encrypt = base64.b64encode(sealed).decode()
        token = self._tokens[min(key_index, len(self._tokens) - 1)]
        return Sealed(encrypt, sign(token, timestamp, nonce, encrypt), timestamp, nonce)


def decode_key(encoding_aes_key: str) -> bytes:
    """The 32 key bytes behind an EncodingAESKey. Its last character may carry spare bits, which are ignored."""
    try:
        key = base64.b64decode(encoding_aes_key.encode() + b"=", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("an EncodingAESKey has 43 letters and digits") from error
    if len(encoding_aes_key) != 43 or len(key) != 32:
        raise ValueError("an EncodingAESKey has 43 letters and digits")
    return key


def sign(token: bytes, *items: str) -> str:
    """The platform's signature: SHA-1 over token and items, sorted as bytes and joined."""
    parts = sorted([token, *(item.encode("utf-8", "surrogatepass") for item in items)])
    return hashlib.sha1(b"".join(parts), usedforsecurity=False).hexdigest()


def _decode(encrypt: str) -> bytes:
    try:
        ciphertext = base64.b64decode(encrypt.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Rejected("base64") from None
    if not ciphertext or len(ciphertext) % 16:
        raise Rejected("ciphertext_length")
    return ciphertext


def _decrypt(key: bytes, ciphertext: bytes, receive_id: bytes) -> bytes:
    decryptor = _cipher(key).decryptor()
    plain = _unpad(decryptor.update(ciphertext) + decryptor.finalize())
    start = _RANDOM + _LENGTH
    length = int.from_bytes(plain[_RANDOM:start], "big")
    if len(plain) < start or not 0 < length <= len(plain) - start:
        raise Rejected("length")
    if not hmac.compare_digest(plain[start + length :], receive_id):
        raise Rejected("receive_id")
    return plain[start : start + length]


def _unpad(padded: bytes) -> bytes:
    pad = padded[-1]
    if not 1 <= pad <= min(_BLOCK, len(padded)) or padded[-pad:] != bytes([pad]) * pad:
        raise Rejected("padding")
    return padded[:-pad]


def _cipher(key: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(key), modes.CBC(key[:16]))
