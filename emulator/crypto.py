"""The platforms' callback signature and encryption: AES-256-CBC, PKCS#7 padding to 32 bytes, SHA-1 over sorted parts."""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CIPHER_BLOCK = 16
PAD_BLOCK = 32
HEAD = 16 + 4  # random bytes and the length field before the message


class Rejected(Exception):
    """A signature or ciphertext that does not hold; `check` names the first check that failed."""

    def __init__(self, check: str) -> None:
        super().__init__(f"refused at {check}")
        self.check = check


def sign(*parts: str) -> str:
    """Lower-case hex SHA-1 of the parts, sorted as byte strings and joined without a separator."""
    return hashlib.sha1(b"".join(sorted(part.encode() for part in parts))).hexdigest()


def signature_holds(carried: str, *parts: str) -> bool:
    """Whether `carried` is the signature of the parts, compared in constant time."""
    return hmac.compare_digest(carried.encode(), sign(*parts).encode())


def read_key(encoding_aes_key: str) -> bytes:
    """The 32 key bytes. Spare bits in the last character are legal: official sample keys have them.

    Raises ValueError when the text is not 43 base64 characters.
    """
    if len(encoding_aes_key) != 43:
        raise ValueError(f"an EncodingAESKey has 43 characters, this one has {len(encoding_aes_key)}")
    try:
        return base64.b64decode(encoding_aes_key + "=", validate=True)
    except binascii.Error as error:
        raise ValueError(f"the EncodingAESKey is not base64: {error}") from error


@dataclass(frozen=True, slots=True)
class Envelope:
    """One account's side of the encryption: seals what is sent, opens what comes back."""

    token: str
    key: bytes
    receive_id: str

    def encrypt(self, message: bytes, random16: bytes | None = None) -> str:
        """The base64 ciphertext of a message; `random16` is given only to reproduce a known vector."""
        head = (random16 or secrets.token_bytes(16)) + struct.pack(">I", len(message))
        plain = head + message + self.receive_id.encode()
        pad = PAD_BLOCK - len(plain) % PAD_BLOCK
        encryptor = self._cipher().encryptor()
        return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()

    def sign(self, timestamp: str, nonce: str, ciphertext: str) -> str:
        """The four-part signature that covers the ciphertext."""
        return sign(self.token, timestamp, nonce, ciphertext)

    def open(self, signature: str, timestamp: str, nonce: str, ciphertext: str) -> bytes:
        """The message inside, after every check in order. Raises Rejected."""
        if not signature_holds(signature, self.token, timestamp, nonce, ciphertext):
            raise Rejected("signature")
        return self.decrypt(ciphertext)

    def decrypt(self, ciphertext: str) -> bytes:
        """The message inside a ciphertext whose signature was checked. Raises Rejected."""
        plain = _unpad(self._decipher(_unbase64(ciphertext)))
        if len(plain) < HEAD:
            raise Rejected("length")
        (length,) = struct.unpack(">I", plain[16:HEAD])
        if length > len(plain) - HEAD:
            raise Rejected("length")
        if plain[HEAD + length :] != self.receive_id.encode():
            raise Rejected("receive_id")
        return plain[HEAD : HEAD + length]

    def _decipher(self, data: bytes) -> bytes:
        if not data or len(data) % CIPHER_BLOCK:
            raise Rejected("ciphertext_length")
        decryptor = self._cipher().decryptor()
        return decryptor.update(data) + decryptor.finalize()

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self.key), modes.CBC(self.key[:CIPHER_BLOCK]))


def _unbase64(ciphertext: str) -> bytes:
    try:
        return base64.b64decode(ciphertext, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected("base64") from error


def _unpad(plain: bytes) -> bytes:
    pad = plain[-1]
    if not 1 <= pad <= PAD_BLOCK or pad > len(plain) or plain[-pad:] != bytes([pad]) * pad:
        raise Rejected("padding")
    return plain[:-pad]
