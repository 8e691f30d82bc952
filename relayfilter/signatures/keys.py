"""Public keys: reading them out of documents, judging whose they are, loading them.

A keyId leads, in the fediverse, to one of three documents:
  - the actor's own (`/users/a#main-key`), which lists the key under `publicKey`, one or several;
  - a stub of it (GoToSocial `/users/a/main-key`), whose `id` is the actor and which lists the key. Its server hands out
    nothing else to those who do not sign, so it must do;
  - something else of the same server: the key alone (`/users/a/publickey`), or another actor's document (a Group that
    shares the key of its site). Then the actor's own document must list the key as well.
All of it from the actor's origin: what another server says about a key is not even read.

Keys for signatures inside documents stand under `assertionMethod` as Multikeys (FEP-521a), mostly beside an RSA key
under `publicKey`. They are read the same way, Ed25519 only.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from relayfilter.signatures.multikey import ed25519_pem
from relayfilter.signatures.owner import MAX_ID, CanonicalId, canonical_id, same_id, same_origin
from relayfilter.signatures.result import BadSignature, KeyUnavailable, PublicKey

MAX_DOCUMENT = 1024 * 1024
"""Bytes of the largest document that is read."""
MAX_KEYS = 16
MAX_PEM = 4096
RSA_BITS = range(2048, 8193)
RSA_EXPONENTS = frozenset({3, 17, 257, 65537})


class PublishedKey(msgspec.Struct, frozen=True):
    """A key as a document lists it. `owner` is its `owner` or `controller`, where it names one."""

    id: str
    pem: str
    owner: str | None


class KeyDocument(msgspec.Struct, frozen=True):
    """What a document says about keys: its own id, and the keys it lists (itself, when it is a key)."""

    id: str
    keys: tuple[PublishedKey, ...]

    def find(self, key_id: str) -> PublishedKey | None:
        return next((key for key in self.keys if same_id(key.id, key_id)), None)


class AskActor(msgspec.Struct, frozen=True):
    """The document names the key but cannot vouch for the actor: the actor's own document has to."""


def read_key_document(body: bytes) -> KeyDocument | KeyUnavailable:
    """The keys in a JSON body.

    Reasons: `key-document-too-large`, `key-document-not-json`, `key-document-without-id`.
    """
    if len(body) > MAX_DOCUMENT:
        return KeyUnavailable("key-document-too-large", temporary=False)
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return KeyUnavailable("key-document-not-json", temporary=False)
    if not isinstance(document, dict) or not isinstance(own_id := document.get("id"), str):
        return KeyUnavailable("key-document-without-id", temporary=False)
    keys = (_published_key(entry) for entry in (document, *_listed(document, "publicKey", "assertionMethod")))
    return KeyDocument(own_id, tuple(key for key in keys if key is not None))


def _listed(document: dict[str, Any], *names: str) -> list[Any]:
    members = (document.get(name) for name in names)
    return [entry for member in members for entry in (member if isinstance(member, list) else [member])[:MAX_KEYS]]


def _published_key(entry: Any) -> PublishedKey | None:
    if not isinstance(entry, dict):
        return None
    key_id, pem = entry.get("id"), entry.get("publicKeyPem")
    if entry.get("type") == "Multikey" and isinstance(multikey := entry.get("publicKeyMultibase"), str):
        pem = ed25519_pem(multikey)
    if not isinstance(key_id, str) or not isinstance(pem, str) or len(key_id) > MAX_ID or len(pem) > MAX_PEM:
        return None
    owner = entry.get("owner", entry.get("controller"))
    return PublishedKey(key_id, pem, owner if isinstance(owner, str) else None)


def judge_key_document(
    document: KeyDocument, *, url: str, key_id: str, actor: str, declared: bool
) -> PublishedKey | AskActor | BadSignature:
    """Is `key_id` a key of `actor`, by the document served at `url` (after redirects)?

    `declared` tells whether it was served as ActivityStreams. A document that speaks for another URL must be: an upload
    that its server hands out as plain JSON may say anything. Reasons: `key-foreign-origin`, `key-not-listed`,
    `key-document-id`, `key-owner-mismatch`.
    """
    if not same_origin(url, actor):
        return BadSignature("key-foreign-origin", f"the document came from {url[:MAX_ID]}")
    key = document.find(key_id)
    if key is None:
        return BadSignature("key-not-listed", f"by {url[:MAX_ID]}")
    at_its_own_url = _names(document.id, url)
    if same_id(document.id, actor) and (at_its_own_url or declared):
        return key
    if not at_its_own_url:
        return BadSignature("key-document-id", f"{url[:MAX_ID]} calls itself {document.id[:MAX_ID]}")
    if key.id == document.id and key.owner is not None and not same_id(key.owner, actor):
        return BadSignature("key-owner-mismatch", f"the key is {key.owner[:MAX_ID]}'s")
    return AskActor()


def judge_actor_document(document: KeyDocument, *, url: str, key_id: str, actor: str) -> PublishedKey | BadSignature:
    """The key as the actor's own document, served at `url`, lists it.

    Reasons: `key-foreign-origin`, `actor-document-id`, `key-not-listed-by-actor`.
    """
    if not same_origin(url, actor):
        return BadSignature("key-foreign-origin", f"the actor's document came from {url[:MAX_ID]}")
    if not same_id(document.id, actor):
        return BadSignature("actor-document-id", f"{url[:MAX_ID]} calls itself {document.id[:MAX_ID]}")
    key = document.find(key_id)
    return key if key is not None else BadSignature("key-not-listed-by-actor")


def _names(document_id: str, url: str) -> bool:
    """Is `document_id` the id of what is served at `url`? A key that stands alone has a fragment in its id at times."""
    own, place = canonical_id(document_id), canonical_id(url)
    return (
        isinstance(own, CanonicalId)
        and isinstance(place, CanonicalId)
        and own.without_fragment == place.without_fragment
    )


@functools.lru_cache(maxsize=1024)
def load_public_key(pem: str) -> PublicKey | BadSignature:
    """A SubjectPublicKeyInfo PEM as a key that is neither too weak nor too costly.

    The library loads RSA of 512 bits and exponents of any size. Reasons: `key-unreadable`, `key-type-not-allowed`,
    `key-size`, `key-exponent`.
    """
    text = pem.strip()
    if len(text) > MAX_PEM or not text.isascii() or not text.startswith("-----BEGIN PUBLIC KEY-----"):
        return BadSignature("key-unreadable")
    try:
        key = load_pem_public_key(text.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm):
        return BadSignature("key-unreadable")
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in RSA_BITS:
            return BadSignature("key-size", f"RSA of {key.key_size} bits")
        if key.public_numbers().e not in RSA_EXPONENTS:
            return BadSignature("key-exponent")
        return key
    if isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        return key
    return BadSignature("key-type-not-allowed", type(key).__name__)
