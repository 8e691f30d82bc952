"""Which algorithm a signature may name, and what verifies it. One line a suite.

The type of the key decides how a signature is verified; the name may only agree. That leaves no room for a confusion of
algorithms, an HMAC keyed with a public key among them.

draft-cavage-http-signatures-12: Lemmy verifies RSA PKCS#1 v1.5 with SHA-256 and nothing else, whatever the name says.
`hs2019` and no name at all leave the choice to the key, and everyone in the fediverse means the same by them. Names
that start with `rsa`, `hmac` or `ecdsa` may not cover `(created)` or `(expires)` (section 2.3).

RFC 9421 section 3.3: the names of its registry, less HMAC.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from http_message_signatures import HTTPSignatureAlgorithm, algorithms

from relayfilter.signatures.result import BadSignature, PublicKey

_PKCS1_V1_5 = padding.PKCS1v15()
_SHA256 = SHA256()


def _rsa_sha256(key: PublicKey, signature: bytes, signed: bytes) -> BadSignature | None:
    if not isinstance(key, rsa.RSAPublicKey):
        return BadSignature("key-type-not-allowed", "Lemmy verifies cavage signatures with RSA keys only")
    try:
        key.verify(signature, signed, _PKCS1_V1_5, _SHA256)
    except InvalidSignature:
        return BadSignature("signature-mismatch")
    return None


class CavageSuite(msgspec.Struct, frozen=True):
    """`verify(key, signature, signing_string)`; `times`: whether `(created)` and `(expires)` may be covered."""

    verify: Callable[[PublicKey, bytes, bytes], BadSignature | None]
    times: bool


CAVAGE: dict[str | None, CavageSuite] = {
    "rsa-sha256": CavageSuite(_rsa_sha256, times=False),
    "hs2019": CavageSuite(_rsa_sha256, times=True),
    None: CavageSuite(_rsa_sha256, times=True),
}


def _is_p256(key: PublicKey) -> bool:
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


class MessageSuite(msgspec.Struct, frozen=True):
    """`algorithm` is http-message-signatures' class, `fits` tells whether a key is of its type."""

    algorithm: type[HTTPSignatureAlgorithm]
    fits: Callable[[PublicKey], bool]


RFC9421: dict[str, MessageSuite] = {
    "rsa-v1_5-sha256": MessageSuite(algorithms.RSA_V1_5_SHA256, lambda key: isinstance(key, rsa.RSAPublicKey)),
    "rsa-pss-sha512": MessageSuite(algorithms.RSA_PSS_SHA512, lambda key: isinstance(key, rsa.RSAPublicKey)),
    "ed25519": MessageSuite(algorithms.ED25519, lambda key: isinstance(key, ed25519.Ed25519PublicKey)),
    "ecdsa-p256-sha256": MessageSuite(algorithms.ECDSA_P256_SHA256, _is_p256),
}


def message_suite(name: str | None, key: PublicKey) -> MessageSuite | BadSignature:
    """The suite for `name`, or the key's first when there is none. Reason: `algorithm-key-mismatch`."""
    candidates = RFC9421.values() if name is None else [RFC9421[name]] if name in RFC9421 else []
    for suite in candidates:
        if suite.fits(key):
            return suite
    return BadSignature("algorithm-key-mismatch", f"{name!r} with {type(key).__name__}"[:200])
