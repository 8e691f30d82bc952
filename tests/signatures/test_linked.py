from __future__ import annotations

from typing import Any

import pytest

from relayfilter.signatures.linked import LinkedClaim, linked_claim, verify_linked
from relayfilter.signatures.outcome import Invalid, Outcome, Skipped, Valid
from tests.signatures.test_rdf import POISON, nested
from tests.support.linked_signing import sign_linked, sign_proof
from tests.support.signing import keypair
from tests.support.world_activities import announce, comment, create, mastodon_note, page, peertube_video
from tests.support.world_actors import ACTIVITYSTREAMS, PUBLIC, Actor

Document = dict[str, Any]

ALICE = Actor("a.test", "alice")
GROUP = Actor("l.test", "group", kind="Group", software="lemmy")
KEY = keypair("alice")
KEY_ID = f"{ALICE.id}#main-key"
NOTE = {"@context": ACTIVITYSTREAMS, "id": "https://a.test/1", "type": "Note", "content": "Hello"}


def judge(document: Document, pem: str = KEY.public_pem) -> Outcome:
    claim = linked_claim(document)
    assert isinstance(claim, LinkedClaim)
    return verify_linked(document, claim, pem)


def signed(document: Document = NOTE, **options: str) -> Document:
    return sign_linked(document, KEY, KEY_ID, **options)


# A status signed by Mastodon 4.3 at activitypub.academy in September 2024, its signature and its author's key.
BRAUCA = "https://activitypub.academy/users/brauca_darradiul"
STATUS = f"{BRAUCA}/statuses/113125611605598678"
BY_MASTODON = {
    "@context": [
        ACTIVITYSTREAMS,
        {
            "ostatus": "http://ostatus.org#",
            "atomUri": "ostatus:atomUri",
            "inReplyToAtomUri": "ostatus:inReplyToAtomUri",
            "conversation": "ostatus:conversation",
            "sensitive": "as:sensitive",
            "toot": "http://joinmastodon.org/ns#",
            "votersCount": "toot:votersCount",
        },
    ],
    "id": f"{STATUS}/activity",
    "type": "Create",
    "actor": BRAUCA,
    "published": "2024-09-12T16:50:45Z",
    "to": [PUBLIC],
    "cc": [f"{BRAUCA}/followers"],
    "object": {
        "id": STATUS,
        "type": "Note",
        "summary": None,
        "inReplyTo": None,
        "published": "2024-09-12T16:50:45Z",
        "url": "https://activitypub.academy/@brauca_darradiul/113125611605598678",
        "attributedTo": BRAUCA,
        "to": [PUBLIC],
        "cc": [f"{BRAUCA}/followers"],
        "sensitive": False,
        "atomUri": STATUS,
        "inReplyToAtomUri": None,
        "conversation": "tag:activitypub.academy,2024-09-12:objectId=187606:objectType=Conversation",
        "content": "<p>Test</p>",
        "contentMap": {"en": "<p>Test</p>"},
        "attachment": [],
        "tag": [],
        "replies": {
            "id": f"{STATUS}/replies",
            "type": "Collection",
            "first": {
                "type": "CollectionPage",
                "next": f"{STATUS}/replies?only_other_accounts=true&page=true",
                "partOf": f"{STATUS}/replies",
                "items": [],
            },
        },
    },
    "signature": {
        "type": "RsaSignature2017",
        "creator": f"{BRAUCA}#main-key",
        "created": "2024-09-12T16:50:46Z",
        "signatureValue": (
            "osp9n4Pubp8XFvBi0iwrpCjDkIpuuUr2klp+r8Jp289ISqRNlUPeHVvNrQSE2vqNm4j/cJGuQruIqZPTAmTjjB3HtqgawoAG11DA7OPpY6mJ"
            "LruKnbqadV1cy5V0DJI9CRJXEBuEmMTJRO9gi1cyzlM4QxK30YrjmtQNLoU9th97da4lumsl+a5cAue38MDuJZvLWDOTZ1EGixwhLP8Fevdn"
            "Z+jqwctGu9KrgDImBIpBkQaqHFTTGrbE7FlXsj1pneOUQTuRDa9zlk2DmgXeEBWN2OJZDjgJ4iBsF2JHtCn6PccKbuI9s2VLhnobPtLB8YdH"
            "YKqIPLmv0UOjAM8XrQ=="
        ),
    },
}
BRAUCAS_KEY = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA5W/9rYXddIjKo9Ury/LK
XqQYbj0cOx/c+T1uRHJzced8JbvXdiBCNZXVVrIaygy3G/MOvxMW4kbA1bqeiSYY
V9TXBMI6gVVDnl5VG64uGxswcvUWqQU5Q1mwuwyGCPhexAq3BKe/7uH64AZgx11e
KLl3W3WcIMKmunYn8+z6hm0003hMensXMNpMVfqLoXaeuro7pYnwOSWoHFS3AxWK
llMwAoa5waulgai8gD7/uA5Y9Hvguk/OBYBh9YnIX5N5jScsmY/EYuesNIH2Ct9s
E3aVkTjZUt55JtXnk8Q9eTnrcB/98RtLWH4pJTKJhzxv19i3aZT3yDApPk0Q/biI
JQIDAQAB
-----END PUBLIC KEY-----
"""


def test_what_mastodon_signed() -> None:
    claim = linked_claim(BY_MASTODON)
    assert isinstance(claim, LinkedClaim)
    assert (claim.key_id, claim.created) == (f"{BRAUCA}#main-key", "2024-09-12T16:50:46Z")
    assert judge(BY_MASTODON, BRAUCAS_KEY) == Valid()
    assert judge({**BY_MASTODON, "to": []}, BRAUCAS_KEY) == Invalid("signature-mismatch")
    assert judge(BY_MASTODON, KEY.public_pem) == Invalid("signature-mismatch")


@pytest.mark.parametrize(
    "document",
    [
        NOTE,
        mastodon_note(ALICE, "<p>Hello</p>", mention=GROUP.id),
        create(ALICE, GROUP, page(ALICE, GROUP, markdown="![x](https://a.test/1.png)")),
        announce(GROUP, create(ALICE, GROUP, comment(ALICE, GROUP, "x", in_reply_to="https://l.test/post/1"))),
        peertube_video(ALICE, GROUP, "https://a.test/thumbnail.jpg"),
    ],
    ids=["note", "mastodon", "lemmy", "announce", "peertube"],
)
def test_signed_documents(document: Document) -> None:
    known = {**document, "@context": [ACTIVITYSTREAMS, "https://w3id.org/security/v1"]}
    assert judge(signed(known)) == Valid()
    assert judge({**signed(known), "actor": "https://evil.test/"}) == Invalid("signature-mismatch")
    assert judge(signed(known), keypair("mallory").public_pem) == Invalid("signature-mismatch")


@pytest.mark.parametrize("option", ["creator", "created", "nonce", "domain"])
def test_the_options_are_signed(option: str) -> None:
    document = signed(nonce="7", domain="a.test")
    assert judge(document) == Valid()
    document["signature"][option] = {"created": "2027-01-01T00:00:00Z"}.get(option, "https://evil.test/")
    assert judge(document) == Invalid("signature-mismatch")


def test_a_context_inside_the_signature_changes_nothing() -> None:
    document = signed()
    document["signature"]["@context"] = "https://w3id.org/identity/v1"
    assert judge(document) == Valid()


def test_members_without_a_meaning_are_not_signed() -> None:
    assert judge({**signed(), "whatever": "added"}) == Valid()


def test_a_proof_may_be_signed_over_or_be_put_in_later() -> None:
    integrity = {**NOTE, "@context": [ACTIVITYSTREAMS, "https://w3id.org/security/data-integrity/v1"]}
    proven = sign_proof(integrity, keypair("alice", "ed25519"), f"{ALICE.id}#ed25519-key")
    assert judge(signed(proven)) == Valid()
    assert judge({**signed(integrity), "proof": proven["proof"]}) == Valid()
    assert judge({**signed(proven), "content": "Bye"}) == Invalid("signature-mismatch")
    assert judge({**signed(proven), "proof": {**proven["proof"], "created": "2027-01-01T00:00:00Z"}}) == Invalid(
        "signature-mismatch"
    )


@pytest.mark.parametrize(
    "shape",
    [
        {"@graph": [{"id": "https://a.test/2", "content": "x"}]},
        {"@included": [{"id": "https://a.test/2", "content": "x"}]},
        {"@reverse": {"tag": {"id": "https://a.test/2"}}},
        {"tag": [{"@graph": []}]},
        {"@context": [ACTIVITYSTREAMS, {"more": "@included"}], "more": [{"id": "https://a.test/2"}]},
        {"@context": [ACTIVITYSTREAMS, {"more": {"@id": "@graph"}}], "more": [{"id": "https://a.test/2"}]},
        {"@context": [ACTIVITYSTREAMS, {"of": {"@reverse": "as:tag"}}], "of": {"id": "https://a.test/2"}},
        {"@context": [ACTIVITYSTREAMS, {"x": {"@id": "as:tag", "@container": ["@graph", "@set"]}}]},
    ],
)
def test_documents_that_give_the_graph_another_shape(shape: Document) -> None:
    """Whoever signed it: the same graph could be written as something else to readers of plain JSON."""
    assert judge({**NOTE, **shape, "signature": signed()["signature"]}) == Invalid("graph-reshaped")


def test_an_unknown_context_is_never_fetched() -> None:
    document = {**signed(), "@context": [ACTIVITYSTREAMS, "https://evil.test/context"]}
    assert judge(document) == Invalid("unknown-context")


@pytest.mark.parametrize("name", POISON)
def test_poison_is_skipped(name: str) -> None:
    assert judge({**POISON[name], "signature": signed()["signature"]}) == Skipped("blank-nodes-alike")


def test_depth_is_skipped() -> None:
    assert judge({**nested(200), "signature": signed()["signature"]}) == Skipped("too-deep")


def test_what_is_no_json_ld() -> None:
    assert judge({**signed(), "@context": 7}) == Invalid("json-ld-error")


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (keypair("alice", "ed25519").public_pem, "key-not-rsa"),
        (keypair("weak", "rsa1024").public_pem, "key-size"),
        ("junk", "key-unreadable"),
    ],
)
def test_keys_that_cannot_have_signed(pem: str, reason: str) -> None:
    assert judge(signed(), pem) == Invalid(reason)


GOOD = signed()["signature"]
MALFORMED = Invalid("signature-malformed")


@pytest.mark.parametrize(
    ("signature", "outcome"),
    [
        (None, None),
        ("x", MALFORMED),
        ([GOOD], MALFORMED),
        ({}, Skipped("signature-type")),
        ({**GOOD, "type": "Ed25519Signature2018"}, Skipped("signature-type")),
        ({**GOOD, "type": ["RsaSignature2017"]}, Skipped("signature-type")),
        ({**GOOD, "creator": None}, MALFORMED),
        ({**GOOD, "creator": {"id": KEY_ID}}, MALFORMED),
        ({**GOOD, "creator": "https://a.test/" + "x" * 1024}, MALFORMED),
        ({**GOOD, "created": 7}, MALFORMED),
        ({**GOOD, "signatureValue": None}, MALFORMED),
        ({**GOOD, "signatureValue": ""}, MALFORMED),
        ({**GOOD, "signatureValue": "!"}, MALFORMED),
        ({**GOOD, "signatureValue": "é"}, MALFORMED),
        ({**GOOD, "signatureValue": "AAAA" * 1000}, MALFORMED),
        ({**GOOD, "nonce": {"@graph": []}}, MALFORMED),
        ({**GOOD, "nonce": "x" * 3000}, MALFORMED),
        ({**GOOD, **{f"option{n}": "x" for n in range(20)}}, MALFORMED),
    ],
)
def test_what_claims_nothing_that_can_be_verified(signature: Any, outcome: Outcome | None) -> None:
    assert linked_claim({**NOTE, "signature": signature}) == outcome


def test_line_breaks_in_base64() -> None:
    document = signed()
    value = document["signature"]["signatureValue"]
    document["signature"]["signatureValue"] = f"{value[:60]}\n{value[60:]}\n"
    assert judge(document) == Valid()
    assert linked_claim(NOTE) is None
