"""Linked Data Signatures of the type RsaSignature2017, as Mastodon makes and checks them (app/lib/activitypub/
linked_data_signature.rb there).

Signed is the text `SHA-256(options) SHA-256(document)`, both in hexadecimal and run together, over canonical N-Quads:
the options are the `signature` object without `type`, `id` and `signatureValue`, read in the context identity/v1; the
document is what is left without `signature`. RSA PKCS#1 v1.5 with SHA-256.

What is signed is the graph, not the JSON. Members without a meaning in the `@context` are not signed; `@graph`,
`@included` and `@reverse` give one graph many shapes and are refused, wherever they stand.

A `proof` beside it (FEP-8b32) is to be made first and then signed over; where it was put in later, the document was
signed without it. Either counts.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from relayfilter.signatures.contexts import IDENTITY
from relayfilter.signatures.keys import load_public_key
from relayfilter.signatures.outcome import Invalid, Outcome, Skipped, Valid
from relayfilter.signatures.owner import MAX_ID
from relayfilter.signatures.result import BadSignature

Document = dict[str, Any]

MAX_OPTIONS: Final = 16
MAX_TEXT: Final = 2048
"""Characters of the longest signature value or other option: RSA of 8,192 bits is 1,368."""

_NOT_SIGNED: Final = frozenset({"type", "id", "signatureValue", "@context"})
_RESHAPING: Final = frozenset({"@graph", "@included", "@reverse"})


class LinkedClaim(msgspec.Struct, frozen=True):
    """`key_id` (the `creator`) says that it signed at `created`, an unchecked text. `options` is what of the signature
    object is signed itself."""

    key_id: str
    created: str | None
    signature: bytes
    options: Document


def linked_claim(document: Document) -> LinkedClaim | Invalid | Skipped | None:
    """What `signature` claims; None when there is none. Reasons: Skipped `signature-type`; Invalid
    `signature-malformed`."""
    signature = document.get("signature")
    if signature is None:
        return None
    if not isinstance(signature, dict) or len(signature) > MAX_OPTIONS:
        return Invalid("signature-malformed")
    if signature.get("type") != "RsaSignature2017":
        return Skipped("signature-type")
    options = {name: value for name, value in signature.items() if name not in _NOT_SIGNED}
    key_id, created = signature.get("creator"), signature.get("created")
    value = _decoded(signature.get("signatureValue"))
    if not (
        value
        and isinstance(key_id, str)
        and len(key_id) <= MAX_ID
        and (created is None or isinstance(created, str))
        and all(isinstance(option, str) and len(option) <= MAX_TEXT for option in options.values())
    ):
        return Invalid("signature-malformed")
    return LinkedClaim(key_id, created, value, options)


def verify_linked(document: Document, claim: LinkedClaim, public_key_pem: str) -> Outcome:
    """Did the key sign `document`, which `claim` was read from?

    Invalid: `signature-mismatch`, `graph-reshaped`, `unknown-context`, `json-ld-error`, `key-not-rsa` and those of
    load_public_key. Skipped: the limits of signatures/rdf.py.
    """
    key = load_public_key(public_key_pem)
    if isinstance(key, BadSignature):
        return Invalid(key.reason)
    if not isinstance(key, rsa.RSAPublicKey):
        return Invalid("key-not-rsa")
    unsigned = {name: value for name, value in document.items() if name != "signature"}
    options = _hash({"@context": IDENTITY, **claim.options})
    if not isinstance(options, str):
        return options
    for signed in (unsigned, {name: value for name, value in unsigned.items() if name != "proof"}):
        hashed = _hash(signed)
        if not isinstance(hashed, str):
            return hashed
        try:
            key.verify(claim.signature, (options + hashed).encode("ascii"), padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            if "proof" in signed:
                continue
            return Invalid("signature-mismatch")
        return Valid()
    return Invalid("signature-mismatch")


def _hash(document: Document) -> str | Invalid | Skipped:
    from relayfilter.signatures import rdf  # loads PyLD, which only the worker that verifies is to pay for

    if refused := rdf.check(document):  # which bounds what _is_reshaped walks
        return Invalid(refused.reason) if refused.reason == "unknown-context" else Skipped(refused.reason)
    if _is_reshaped(document):
        return Invalid("graph-reshaped")
    quads = rdf.canonical_nquads(document)
    if isinstance(quads, rdf.Refused):
        return Invalid(quads.reason) if quads.reason == "json-ld-error" else Skipped(quads.reason)
    return hashlib.sha256(quads.encode("utf-8")).hexdigest()


def _is_reshaped(value: object) -> bool:
    """Does one of the keywords stand in `value`, as a name or as what a context makes of a name?"""
    if isinstance(value, dict):
        return not _RESHAPING.isdisjoint(value) or any(map(_is_reshaped, value.values()))
    if isinstance(value, list):
        return any(map(_is_reshaped, value))
    return isinstance(value, str) and value in _RESHAPING


def _decoded(value: object) -> bytes | None:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return None
    try:
        return b64decode("".join(value.split()).encode("ascii"), validate=True)
    except (UnicodeEncodeError, Base64Error):
        return None
