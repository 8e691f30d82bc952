"""Ed25519 keys and signatures in Multibase: the Multikey of FEP-521a and did:key.

`z` says base58 (the Bitcoin alphabet), the bytes 0xed 0x01 say that an Ed25519 public key follows (multicodec).
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAX_MULTIBASE: Final = 128
"""Characters; a signature of 64 bytes has at most 89."""

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_ED25519: Final = b"\xed\x01"


def decode_multibase(text: str) -> bytes | None:
    """The bytes of base58 Multibase; None for anything else."""
    if not text.startswith("z") or len(text) > MAX_MULTIBASE or not _VALUES.keys() >= set(text[1:]):
        return None
    letters = text[1:]
    number = 0
    for letter in letters:
        number = number * 58 + _VALUES[letter]
    zeros = len(letters) - len(letters.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def ed25519_pem(multikey: str) -> str | None:
    """The key `z6Mk...` as SubjectPublicKeyInfo PEM; None when it is no Ed25519 key."""
    decoded = decode_multibase(multikey)
    if decoded is None or not decoded.startswith(_ED25519) or len(decoded) != 34:
        return None
    key = Ed25519PublicKey.from_public_bytes(decoded[2:])
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
