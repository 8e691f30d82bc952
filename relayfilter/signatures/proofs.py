"""Object integrity proofs (FEP-8b32): a DataIntegrityProof of the cryptosuite eddsa-jcs-2022 (W3C vc-di-eddsa 1.0,
section 3.3).

Signed is `SHA-256(JCS(options)) SHA-256(JCS(document))`, the options being the proof without `proofValue`, by Ed25519.
The document goes without `proof` and, because an RsaSignature2017 is added afterwards, without `signature`.

If the proof names an `@context`, the document's must begin with it, and that is the one which was signed. If it names
none, the options may have been signed with the document's all the same: Fedify left it out of what it sent.

Only what is understood is judged: one purpose, one suite, no options that would limit the proof (`expires`, `domain`,
`challenge`, `previousProof`).
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from relayfilter.signatures.jcs import canonical_json
from relayfilter.signatures.keys import load_public_key
from relayfilter.signatures.multikey import decode_multibase, ed25519_pem
from relayfilter.signatures.outcome import Invalid, Outcome, Skipped, Valid
from relayfilter.signatures.owner import MAX_ID
from relayfilter.signatures.result import BadSignature

Document = dict[str, Any]

MAX_PROOFS: Final = 4

_UNDERSTOOD: Final = frozenset(
    {"@context", "id", "type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"}
)
_DATE_TIME = re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_DID_KEY = re.compile(r"(did:key:(z6Mk[1-9A-HJ-NP-Za-km-z]{40,48}))(?:#(.*))?", re.ASCII)


class ProofClaim(msgspec.Struct, frozen=True):
    """`key_id` (the `verificationMethod`) signed, it says, at `created`; `options` is the proof without its value."""

    key_id: str
    created: str | None
    signature: bytes
    options: Document


def proof_claim(document: Document) -> ProofClaim | Invalid | Skipped | None:
    """What `proof` claims; None when there is none. Of several the first eddsa-jcs-2022 counts.

    Reasons: Skipped `proof-type`, `proof-suite`, `proof-option`; Invalid `proof-malformed`, `proof-purpose`,
    `proof-created`.
    """
    proofs = document.get("proof")
    if proofs is None:
        return None
    proofs = proofs if isinstance(proofs, list) else [proofs]
    if not 0 < len(proofs) <= MAX_PROOFS or not all(isinstance(proof, dict) for proof in proofs):
        return Invalid("proof-malformed")
    proof = next((one for one in proofs if one.get("cryptosuite") == "eddsa-jcs-2022"), proofs[0])
    if proof.get("type") != "DataIntegrityProof":
        return Skipped("proof-type")
    if proof.get("cryptosuite") != "eddsa-jcs-2022":
        return Skipped("proof-suite")
    if not proof.keys() <= _UNDERSTOOD:
        return Skipped("proof-option")
    if proof.get("proofPurpose") != "assertionMethod":
        return Invalid("proof-purpose")
    created = proof.get("created")
    if created is not None and not (isinstance(created, str) and _DATE_TIME.fullmatch(created)):
        return Invalid("proof-created")
    key_id, value = proof.get("verificationMethod"), proof.get("proofValue")
    signature = decode_multibase(value) if isinstance(value, str) else None
    if not isinstance(key_id, str) or len(key_id) > MAX_ID or signature is None or len(signature) != 64:
        return Invalid("proof-malformed")
    options = {name: option for name, option in proof.items() if name != "proofValue"}
    return ProofClaim(key_id, created, signature, options)


def verify_proof(document: Document, claim: ProofClaim, public_key_pem: str) -> Outcome:
    """Did the key sign `document`, which `claim` was read from?

    Invalid: `proof-mismatch`, `proof-context`, `not-canonical` (a number or string that JCS cannot write),
    `key-not-ed25519` and those of load_public_key.
    """
    key = load_public_key(public_key_pem)
    if isinstance(key, BadSignature):
        return Invalid(key.reason)
    if not isinstance(key, ed25519.Ed25519PublicKey):
        return Invalid("key-not-ed25519")
    signed = {name: value for name, value in document.items() if name not in ("proof", "signature")}
    candidates = [claim.options]
    if "@context" in claim.options:
        if not _begins_with(signed.get("@context"), claim.options["@context"]):
            return Invalid("proof-context")
        signed["@context"] = claim.options["@context"]
    elif "@context" in signed:
        candidates.append({**claim.options, "@context": signed["@context"]})
    try:
        hashed = _hash(signed)
        return Valid() if any(_fits(key, claim.signature, _hash(one) + hashed) for one in candidates) else _MISMATCH
    except ValueError:
        return Invalid("not-canonical")


_MISMATCH: Final = Invalid("proof-mismatch")


def did_key(key_id: str) -> tuple[str, str] | None:
    """The DID and the PEM of its key, when `key_id` is a did:key URL of an Ed25519 key: the id is the key."""
    match = _DID_KEY.fullmatch(key_id)
    if match is None or match[3] not in (None, match[2]):
        return None
    pem = ed25519_pem(match[2])
    return None if pem is None else (match[1], pem)


def _fits(key: ed25519.Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _hash(value: Document) -> bytes:
    return hashlib.sha256(canonical_json(value)).digest()


def _begins_with(context: object, start: object) -> bool:
    all_of_it = context if isinstance(context, list) else [context]
    first = start if isinstance(start, list) else [start]
    return all_of_it[: len(first)] == first
