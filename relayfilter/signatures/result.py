"""What is known of the sender. A union, so that trust can never be a forgotten None."""

from __future__ import annotations

from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

Scheme = Literal["cavage", "rfc9421"]
PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


class Verified(msgspec.Struct, frozen=True, tag="verified"):
    """The signature is good and its key belongs to `actor`, the actor of the body."""

    actor: str
    key_id: str
    scheme: Scheme


class NoSignature(msgspec.Struct, frozen=True, tag="no-signature"):
    """The request carries no signature at all."""


class BadSignature(msgspec.Struct, frozen=True, tag="bad-signature"):
    """A signature that must not be trusted. `reason` is a short stable slug, `detail` is for the log."""

    reason: str
    detail: str = ""


class KeyUnavailable(msgspec.Struct, frozen=True, tag="key-unavailable"):
    """The key could not be had. `temporary`: asking again later may help. `gone`: its server answered 410."""

    reason: str
    temporary: bool
    gone: bool = False


SignatureResult = Verified | NoSignature | BadSignature | KeyUnavailable


class ActorKey(msgspec.Struct, frozen=True):
    """A public key and the actor who owns it, as its own server published them.

    `key_id` is the key's id in that document, `pem` the SubjectPublicKeyInfo text, `fetched_at` wall-clock seconds.
    """

    key_id: str
    actor: str
    pem: str
    fetched_at: float
