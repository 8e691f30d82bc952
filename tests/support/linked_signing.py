"""Signing inside documents, from first principles: PyLD, `cryptography` and this file, nothing of relayfilter's.

signed = sign_linked(document, keypair("alice"), "https://a.test/users/alice#main-key")
signed = sign_proof(document, keypair("alice", "ed25519"), "https://a.test/users/alice#ed25519-key")
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

from c14n.Canonicalize import canonicalize  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyld import jsonld  # type: ignore[import-untyped]
from pyld.documentloader.frozen import BUNDLED_CONTEXTS, FrozenDocumentLoader  # type: ignore[import-untyped]

from tests.support.signing import Keypair

Document = dict[str, Any]

CREATED = "2026-01-02T03:04:05Z"
_OPTIONS_CONTEXT = {
    "@context": {
        "creator": {"@id": "http://purl.org/dc/terms/creator", "@type": "@id"},
        "created": {"@id": "http://purl.org/dc/terms/created", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
        "nonce": "https://w3id.org/security#nonce",
        "domain": "https://w3id.org/security#domain",
    }
}
_INTEGRITY_CONTEXT = {
    "@context": {
        "proof": {"@id": "https://w3id.org/security#proof", "@type": "@id", "@container": "@graph"},
        "DataIntegrityProof": {
            "@id": "https://w3id.org/security#DataIntegrityProof",
            "@context": {
                "created": _OPTIONS_CONTEXT["@context"]["created"],
                "cryptosuite": "https://w3id.org/security#cryptosuite",
                "verificationMethod": {"@id": "https://w3id.org/security#verificationMethod", "@type": "@id"},
                "proofValue": {
                    "@id": "https://w3id.org/security#proofValue",
                    "@type": "https://w3id.org/security#multibase",
                },
                "proofPurpose": {
                    "@id": "https://w3id.org/security#proofPurpose",
                    "@type": "@vocab",
                    "@context": {"assertionMethod": "https://w3id.org/security#assertionMethod"},
                },
            },
        },
    }
}
_LOADER = FrozenDocumentLoader(
    {
        **BUNDLED_CONTEXTS,
        "https://w3id.org/identity/v1": _OPTIONS_CONTEXT,
        "https://w3id.org/security/data-integrity/v1": _INTEGRITY_CONTEXT,
    }
)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def sign_linked(document: Document, key: Keypair, key_id: str, **options: str) -> Document:
    """The document with an RsaSignature2017, as Mastodon adds it last of all."""
    options = {"creator": key_id, "created": CREATED, **options}
    assert isinstance(key.private, RSAPrivateKey)
    text = _nquads_hash({"@context": "https://w3id.org/identity/v1", **options}) + _nquads_hash(document)
    value = b64encode(key.private.sign(text.encode(), PKCS1v15(), SHA256())).decode()
    return {**document, "signature": {"type": "RsaSignature2017", **options, "signatureValue": value}}


def sign_proof(document: Document, key: Keypair, key_id: str, *, name_context: bool = True, **options: Any) -> Document:
    """The document with an eddsa-jcs-2022 proof; `name_context` tells whether the proof says which context it was
    signed in (it was, in the document's, all the same)."""
    context = {"@context": document["@context"]} if "@context" in document else {}
    proof = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": CREATED,
        "verificationMethod": key_id,
        "proofPurpose": "assertionMethod",
        **options,
    }
    assert isinstance(key.private, Ed25519PrivateKey)
    hashes = (hashlib.sha256(canonicalize(value)).digest() for value in ({**proof, **context}, document))
    value = multibase(key.private.sign(b"".join(hashes)))
    return {**document, "proof": {**proof, **(context if name_context else {}), "proofValue": value}}


def multikey(key: Keypair) -> str:
    """The public key as a Multikey's `publicKeyMultibase`."""
    raw = key.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return multibase(b"\xed\x01" + raw)


def multibase(data: bytes) -> str:
    """Base58btc Multibase."""
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, index = divmod(number, 58)
        text = _BASE58[index] + text
    return "z" + "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def _nquads_hash(document: Document) -> str:
    options = {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": _LOADER}
    return hashlib.sha256(jsonld.normalize(document, options).encode()).hexdigest()
