"""Does the body match its digest? (RFC 3230 `Digest`, as Lemmy reads it; RFC 9530 `Content-Digest`)

Lemmy wants every listed part of `Digest` to be the base64 SHA-256 of the body and does not look at labels
(activitypub_federation, `verify_body_hash`). So there is exactly one part here, its label says SHA-256, and its text is
the canonical base64: nothing that could be read in two ways.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64

from http_message_signatures import ContentDigest, InvalidSignature

from relayfilter.signatures.result import BadSignature


def check_digest(value: bytes, body: bytes) -> BadSignature | None:
    """Reasons: `digest-several`, `digest-algorithm`, `digest-mismatch`."""
    if b"," in value:
        return BadSignature("digest-several")
    label, _, digest = value.partition(b"=")
    if label.lower() != b"sha-256":
        return BadSignature("digest-algorithm", repr(label[:40]))
    if digest != b2a_base64(hashlib.sha256(body).digest(), newline=False):
        return BadSignature("digest-mismatch")
    return None


def check_content_digest(value: bytes, body: bytes) -> BadSignature | None:
    """Every listed digest must be one of SHA-256 and SHA-512 and match. Reason: `content-digest-mismatch`."""
    try:
        ContentDigest.verify(value, body)
    except InvalidSignature as error:
        return BadSignature("content-digest-mismatch", str(error)[:200])
    return None
