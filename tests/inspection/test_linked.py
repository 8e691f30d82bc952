"""Linked data through the real worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import trio

from relayfilter.activity.document import Activity, parse_activity
from relayfilter.activity.media_ref import MediaRef
from relayfilter.inspection.linked import JOB_SECONDS, LinkedReader, claims
from relayfilter.inspection.messages import MAX_DOCUMENT_BYTES, LinkedReport
from relayfilter.inspection.pool import NotRead, WorkerPool
from relayfilter.signatures.multikey import ed25519_pem
from tests.activity.test_jsonld import HIDDEN, HIDING, ORDINARY, post
from tests.inspection.processes import PATIENCE, Classify
from tests.signatures.test_linked import BRAUCA, BRAUCAS_KEY, BY_MASTODON
from tests.signatures.test_proofs import FEP_8B32, SPECIFIED_KEY
from tests.signatures.test_rdf import POISON, nested
from tests.support.linked_signing import multikey, sign_linked, sign_proof
from tests.support.signing import keypair
from tests.support.world_actors import ACTIVITYSTREAMS, Actor

Document = dict[str, Any]

ALICE = Actor("a.test", "alice")
RSA, ED25519 = keypair("alice"), keypair("alice", "ed25519")
RSA_ID, ED25519_ID = f"{ALICE.id}#main-key", f"{ALICE.id}#ed25519-key"
KEYS = {RSA_ID: RSA.public_pem, ED25519_ID: ED25519.public_pem}
CREATE = {
    "@context": [ACTIVITYSTREAMS, "https://w3id.org/security/v1", "https://w3id.org/security/data-integrity/v1"],
    "id": "https://a.test/1",
    "type": "Create",
    "actor": ALICE.id,
    "object": {"id": "https://a.test/2", "type": "Note", "content": "Hello"},
}


def activity(document: Document) -> Activity:
    return parse_activity(json.dumps(document).encode())


def delivery(**members: Any) -> Document:
    return {"id": "https://a.test/1", "type": "Create", "actor": ALICE.id, **members}


def read(
    classify: Classify, *documents: Document, keys: Mapping[str, str] = KEYS, job_timeout: float = PATIENCE
) -> list[LinkedReport]:
    """The reports on `documents`, one after the other, by one worker."""

    async def main() -> list[LinkedReport]:
        pool = WorkerPool(classify.path, size=1, job_timeout=job_timeout)
        reader = LinkedReader(pool)
        try:
            with trio.fail_after(3 * PATIENCE):
                deadline = trio.current_time() + PATIENCE
                return [await reader.read(activity(one), keys=keys, deadline=deadline) for one in documents]
        finally:
            pool.close()

    return trio.run(main)


def test_signatures_and_proofs(classify: Classify) -> None:
    proven = sign_proof(CREATE, ED25519, ED25519_ID)
    both = sign_linked(proven, RSA, RSA_ID)
    reports = read(
        classify,
        sign_linked(CREATE, RSA, RSA_ID),
        proven,
        both,
        {**both, "published": "2026-01-01T00:00:00Z"},
        {**both, "signature": {**both["signature"], "type": "other"}},
        CREATE,
    )
    assert reports == [
        LinkedReport(signature="valid"),
        LinkedReport(proof="valid"),
        LinkedReport(signature="valid", proof="valid"),
        LinkedReport(signature="invalid: signature-mismatch", proof="invalid: proof-mismatch"),
        LinkedReport(signature="skipped: signature-type", proof="valid"),
        LinkedReport(),
    ]


def test_what_others_signed(classify: Classify) -> None:
    pem = ed25519_pem(SPECIFIED_KEY)
    assert pem is not None
    keys = {f"{BRAUCA}#main-key": BRAUCAS_KEY, "https://server.example/users/alice#ed25519-key": pem}
    assert read(classify, BY_MASTODON, FEP_8B32, keys=keys) == [
        LinkedReport(signature="valid"),
        LinkedReport(proof="valid"),
    ]


@pytest.mark.parametrize("name", sorted(HIDING.keys() - {"sources"}))  # which parse_activity does not let through
def test_hidden_media_are_found(classify: Classify, name: str) -> None:
    [report] = read(classify, HIDING[name])
    assert HIDDEN in {ref.url for ref in report.media}
    assert report.unreadable is None


def test_media_and_signature_of_one_document(classify: Classify) -> None:
    [report] = read(classify, sign_linked(post(**{"as:image": HIDDEN}), RSA, RSA_ID))
    pointer = f"jsonld:/{ACTIVITYSTREAMS}#object/0/{ACTIVITYSTREAMS}#image/0"
    assert report == LinkedReport(signature="valid", media=(MediaRef(pointer, HIDDEN, "image"),))


SIGNATURE = sign_linked(CREATE, RSA, RSA_ID)["signature"]


@pytest.mark.parametrize(
    ("document", "skipped", "unreadable"),
    [
        *((poison, "skipped: blank-nodes-alike", None) for poison in POISON.values()),
        (nested(40), "skipped: too-deep", "too-deep"),
        ({"@context": "https://evil.test/context"}, "invalid: unknown-context", "unknown-context"),
        ({"@context": ACTIVITYSTREAMS, "@graph": []}, "invalid: graph-reshaped", None),
        ({"@context": {"type": 7}}, "invalid: json-ld-error", "json-ld-error"),
    ],
    ids=[*POISON, "depth", "unknown context", "graph", "no json-ld"],
)
def test_poison_is_refused(classify: Classify, document: Document, skipped: str, unreadable: str | None) -> None:
    [report] = read(classify, {**document, **delivery(), "signature": SIGNATURE, "as:x": 1})
    assert report == LinkedReport(signature=skipped, unreadable=unreadable)


def test_poison_is_skipped_and_not_waited_for(classify: Classify) -> None:
    """The quickest of three, as the machine may be busy with other things."""
    documents = [{**poison, **delivery(), "signature": SIGNATURE} for poison in (*POISON.values(), nested(40))]

    async def main() -> None:
        pool = WorkerPool(classify.path, size=1, job_timeout=JOB_SECONDS)
        reader = LinkedReader(pool)
        for document in map(activity, documents):
            took = []
            for _ in range(3):
                started = trio.current_time()
                report = await reader.read(document, keys=KEYS, deadline=started + PATIENCE)
                took.append(trio.current_time() - started)
                assert str(report.signature).startswith("skipped")
            assert min(took) < 1
        pool.close()

    trio.run(main)


def test_a_worker_survives_what_it_refuses(classify: Classify) -> None:
    good = sign_linked(CREATE, RSA, RSA_ID)
    bad = {**POISON["clique"], **delivery(), "signature": SIGNATURE}
    assert [report.signature for report in read(classify, good, bad, good)] == [
        "valid",
        "skipped: blank-nodes-alike",
        "valid",
    ]


class NoWorkers:
    """For what needs none."""

    async def read(
        self, body: bytes, *, media: bool, signature_key: str | None, proof_key: str | None, deadline: float
    ) -> NotRead:
        raise AssertionError("asked")


def read_without_workers(document: Document, keys: Mapping[str, str] = KEYS) -> LinkedReport:
    async def main() -> LinkedReport:
        return await LinkedReader(NoWorkers()).read(activity(document), keys=keys, deadline=trio.current_time() + 1)

    return trio.run(main)


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_deliveries_need_no_worker(name: str) -> None:
    document = {member: value for member, value in ORDINARY[name].items() if member != "signature"}
    assert read_without_workers(document) == LinkedReport()


def test_what_can_be_said_without_a_worker() -> None:
    both = sign_linked(sign_proof(CREATE, ED25519, ED25519_ID), RSA, RSA_ID)
    assert read_without_workers(both, {}) == LinkedReport("skipped: no-key", "skipped: no-key")
    malformed = delivery(signature="x", proof={"type": "DataIntegrityProof"})
    assert read_without_workers(malformed) == LinkedReport("invalid: signature-malformed", "skipped: proof-suite")
    large = sign_linked({**CREATE, "as:name": "x" * MAX_DOCUMENT_BYTES}, RSA, RSA_ID)
    assert read_without_workers(large) == LinkedReport("skipped: too-large", unreadable="too-large")


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("/.well-known/apgateway/{did}/actor", "valid"),
        ("/.well-known/apgateway/{did}", "skipped: did-not-the-actors"),
        ("/.well-known/apgateway/did:key:z6MkOther/{did}/actor", "skipped: did-not-the-actors"),
        ("/users/alice?x=/.well-known/apgateway/{did}/", "skipped: did-not-the-actors"),
        ("/users/alice", "skipped: did-not-the-actors"),
    ],
)
def test_a_did_speaks_only_for_the_actor_whose_id_it_is(classify: Classify, path: str, outcome: str) -> None:
    did = f"did:key:{multikey(ED25519)}"
    document = {**CREATE, "actor": f"https://a.test{path.format(did=did)}"}
    signed = sign_proof(document, ED25519, f"{did}#{multikey(ED25519)}")
    [report] = read(classify, signed)
    assert report == LinkedReport(proof=outcome)
    assert claims(activity(signed)) == ()


def test_the_keys_that_are_claimed() -> None:
    both = sign_linked(sign_proof(CREATE, ED25519, ED25519_ID), RSA, RSA_ID)
    assert claims(activity(both)) == (RSA_ID, ED25519_ID)
    assert claims(activity(sign_linked(sign_proof(CREATE, ED25519, RSA_ID), RSA, RSA_ID))) == (RSA_ID,)
    assert claims(activity(CREATE)) == ()
    assert claims(activity(delivery(signature=7, proof=[]))) == ()
    assert SPECIFIED_KEY not in str(claims(activity(both)))


@pytest.mark.parametrize(
    ("size", "job_timeout", "patience", "reason"),
    [(1, 1e-6, 5.0, "worker-timeout"), (1, 5.0, 0.0, "overloaded")],
)
def test_no_answer_is_said(classify: Classify, size: int, job_timeout: float, patience: float, reason: str) -> None:
    document = sign_proof(
        sign_linked({**post(**{"as:image": HIDDEN}), "actor": ALICE.id}, RSA, RSA_ID), ED25519, ED25519_ID
    )

    async def main() -> LinkedReport:
        pool = WorkerPool(classify.path, size=size, job_timeout=job_timeout)
        report = await LinkedReader(pool).read(activity(document), keys=KEYS, deadline=trio.current_time() + patience)
        pool.close()
        return report

    skipped = f"skipped: {reason}"
    assert trio.run(main) == LinkedReport(signature=skipped, proof=skipped, unreadable=reason)
