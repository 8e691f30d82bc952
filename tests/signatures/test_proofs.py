from __future__ import annotations

from typing import Any

import pytest

from relayfilter.signatures.multikey import ed25519_pem
from relayfilter.signatures.outcome import Invalid, Outcome, Skipped, Valid
from relayfilter.signatures.proofs import ProofClaim, did_key, proof_claim, verify_proof
from tests.support.linked_signing import multikey, sign_linked, sign_proof
from tests.support.signing import keypair
from tests.support.world_actors import ACTIVITYSTREAMS

Document = dict[str, Any]

KEY = keypair("alice", "ed25519")
KEY_ID = "https://server.example/users/alice#ed25519-key"
NOTE = {"@context": [ACTIVITYSTREAMS, "https://w3id.org/security/v1"], "id": "https://a.test/1", "content": "Hello"}


def judge(document: Document, pem: str = KEY.public_pem) -> Outcome:
    claim = proof_claim(document)
    assert isinstance(claim, ProofClaim)
    return verify_proof(document, claim, pem)


def proven(document: Document = NOTE, **options: Any) -> Document:
    return sign_proof(document, KEY, KEY_ID, **options)


# W3C vc-di-eddsa 1.0, appendix B.3, and fep-8b32.feature; both with the specification's key.
SPECIFIED_KEY = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
W3C = {
    "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
    "proof": {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": "2023-02-24T23:36:38Z",
        "verificationMethod": f"did:key:{SPECIFIED_KEY}#{SPECIFIED_KEY}",
        "proofPurpose": "assertionMethod",
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
        "proofValue": "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX",
    },
}
FEP_CONTEXT = [ACTIVITYSTREAMS, "https://w3id.org/security/data-integrity/v1"]
FEP_8B32 = {
    "@context": FEP_CONTEXT,
    "id": "https://server.example/activities/1",
    "type": "Create",
    "actor": "https://server.example/users/alice",
    "object": {
        "id": "https://server.example/objects/1",
        "type": "Note",
        "attributedTo": "https://server.example/users/alice",
        "content": "Hello world",
        "location": {"type": "Place", "longitude": -71.184902, "latitude": 25.273962},
    },
    "proof": {
        "@context": FEP_CONTEXT,
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": KEY_ID,
        "proofPurpose": "assertionMethod",
        "proofValue": "zLaewdp4H9kqtwyrLatK4cjY5oRHwVcw4gibPSUDYDMhi4M49v8pcYk3ZB6D69dNpAPbUmY8ocuJ3m9KhKJEEg7z",
        "created": "2023-02-24T23:36:38Z",
    },
}


def without_context(document: Document) -> Document:
    return {**document, "proof": {name: value for name, value in document["proof"].items() if name != "@context"}}


@pytest.mark.parametrize("document", [W3C, FEP_8B32, without_context(FEP_8B32)], ids=["w3c", "fep-8b32", "fedify"])
def test_published_vectors(document: Document) -> None:
    pem = ed25519_pem(SPECIFIED_KEY)
    assert pem is not None
    assert judge(document, pem) == Valid()
    assert judge({**document, "id": "https://evil.test/"}, pem) == Invalid("proof-mismatch")
    assert judge(document) == Invalid("proof-mismatch")


def test_the_key_in_a_did() -> None:
    assert did_key(W3C["proof"]["verificationMethod"]) == (  # type: ignore[index]
        f"did:key:{SPECIFIED_KEY}",
        ed25519_pem(SPECIFIED_KEY),
    )


@pytest.mark.parametrize("name_context", [True, False])
@pytest.mark.parametrize("document", [NOTE, {"id": "https://a.test/1", "published": 1.5e300, "tag": [{"é": "\u2028"}]}])
def test_signed_documents(document: Document, name_context: bool) -> None:
    signed = proven(document, name_context=name_context)
    assert judge(signed) == Valid()
    assert judge({**signed, "whatever": 1}) == Invalid("proof-mismatch")
    assert judge(signed, keypair("mallory", "ed25519").public_pem) == Invalid("proof-mismatch")


def test_a_linked_signature_beside_the_proof_does_not_count() -> None:
    """Fedify adds it last of all."""
    assert judge(sign_linked(proven(), keypair("alice"), "https://a.test/users/alice#main-key")) == Valid()
    assert judge({**proven(), "signature": {"type": "whatever"}}) == Valid()


@pytest.mark.parametrize("option", ["created", "verificationMethod", "id"])
def test_the_options_are_signed(option: str) -> None:
    signed = proven(id="https://a.test/proof")
    changed = {**signed["proof"], option: "2027-01-01T00:00:00Z"}
    assert judge({**signed, "proof": changed}) == Invalid("proof-mismatch")


@pytest.mark.parametrize(
    ("context", "outcome"),
    [
        ([*NOTE["@context"], "https://w3id.org/security/data-integrity/v1"], Valid()),
        ([*NOTE["@context"], {"content": "as:name"}], Valid()),
        (NOTE["@context"][::-1], Invalid("proof-context")),
        (ACTIVITYSTREAMS, Invalid("proof-context")),
        (None, Invalid("proof-context")),
    ],
)
def test_the_documents_context_must_begin_with_the_proofs(context: Any, outcome: Outcome) -> None:
    assert judge({**proven(), "@context": context}) == outcome


def test_of_several_proofs_the_first_of_the_suite_counts() -> None:
    signed = proven()
    other = {**signed["proof"], "cryptosuite": "eddsa-rdfc-2022"}
    assert judge({**signed, "proof": [other, signed["proof"]]}) == Valid()
    assert proof_claim({**signed, "proof": [other] * 5}) == Invalid("proof-malformed")


PROOF = proven()["proof"]
MALFORMED = Invalid("proof-malformed")


@pytest.mark.parametrize(
    ("proof", "outcome"),
    [
        (None, None),
        ("x", MALFORMED),
        ([], MALFORMED),
        (["x"], MALFORMED),
        ({}, Skipped("proof-type")),
        ({**PROOF, "type": "Ed25519Signature2020"}, Skipped("proof-type")),
        ({**PROOF, "type": ["DataIntegrityProof"]}, Skipped("proof-type")),
        ({**PROOF, "cryptosuite": "eddsa-rdfc-2022"}, Skipped("proof-suite")),
        ({**PROOF, "cryptosuite": "EDDSA-JCS-2022"}, Skipped("proof-suite")),
        ({**PROOF, "expires": "2020-01-01T00:00:00Z"}, Skipped("proof-option")),
        ({**PROOF, "domain": "a.test"}, Skipped("proof-option")),
        ({**PROOF, "previousProof": "urn:x"}, Skipped("proof-option")),
        ({**PROOF, "proofPurpose": "authentication"}, Invalid("proof-purpose")),
        ({**PROOF, "proofPurpose": None}, Invalid("proof-purpose")),
        ({**PROOF, "created": "yesterday"}, Invalid("proof-created")),
        ({**PROOF, "created": "2026-01-02T03:04:05"}, Invalid("proof-created")),
        ({**PROOF, "created": 7}, Invalid("proof-created")),
        ({**PROOF, "verificationMethod": None}, MALFORMED),
        ({**PROOF, "verificationMethod": {"id": KEY_ID}}, MALFORMED),
        ({**PROOF, "verificationMethod": "https://a.test/" + "x" * 1024}, MALFORMED),
        ({**PROOF, "proofValue": None}, MALFORMED),
        ({**PROOF, "proofValue": PROOF["proofValue"][1:]}, MALFORMED),
        ({**PROOF, "proofValue": "u" + PROOF["proofValue"][1:]}, MALFORMED),
        ({**PROOF, "proofValue": PROOF["proofValue"] + "1"}, MALFORMED),
        ({**PROOF, "proofValue": "z" + "1" * 10_000}, MALFORMED),
        ({**PROOF, "proofValue": "z0OIl"}, MALFORMED),
    ],
)
def test_what_claims_nothing_that_can_be_verified(proof: Any, outcome: Outcome | None) -> None:
    assert proof_claim({**NOTE, "proof": proof}) == outcome


@pytest.mark.parametrize(
    ("pem", "reason"), [(keypair("alice").public_pem, "key-not-ed25519"), ("junk", "key-unreadable")]
)
def test_keys_that_cannot_have_signed(pem: str, reason: str) -> None:
    assert judge(proven(), pem) == Invalid(reason)


def test_what_cannot_be_written_canonically() -> None:
    assert judge({**proven(), "duration": 10**400}) == Invalid("not-canonical")


@pytest.mark.parametrize(
    "key_id",
    [
        f"did:key:{SPECIFIED_KEY}#other",
        f"did:web:{SPECIFIED_KEY}",
        f"did:key:{SPECIFIED_KEY[:-1]}",
        f"did:key:{SPECIFIED_KEY}1",
        "did:key:zDnaeo",
        KEY_ID,
        "",
    ],
)
def test_what_is_no_did_key(key_id: str) -> None:
    assert did_key(key_id) is None


def test_a_did_without_a_fragment() -> None:
    mine = multikey(KEY)
    assert did_key(f"did:key:{mine}") == (f"did:key:{mine}", KEY.public_pem)
