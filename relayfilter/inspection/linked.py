"""What an activity says as linked data: signatures inside it, and media that plain JSON hides. Front runs this.

The work is done by a worker of the classify process, because PyLD is slow on what hostile senders write. An ordinary
delivery has nothing for it to do and costs microseconds. Nothing here decides anything: an upstream trusts HTTP
signatures only, so all of it is evidence for policy and the log.

A proof by a did:key proves that the holder of that key wrote the document, and anybody can have one. It counts only for
an actor whose id names the same DID (FEP-ef61: `https://HOST/.well-known/apgateway/DID/...`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import trio

from relayfilter.activity.document import Activity
from relayfilter.activity.jsonld import needs_second_reading
from relayfilter.inspection.messages import MAX_DOCUMENT_BYTES, LinkedReport
from relayfilter.inspection.pool import NotRead
from relayfilter.signatures.contexts import KNOWN
from relayfilter.signatures.linked import LinkedClaim, linked_claim
from relayfilter.signatures.outcome import Invalid, Skipped
from relayfilter.signatures.owner import canonical_id
from relayfilter.signatures.proofs import ProofClaim, did_key, proof_claim
from relayfilter.signatures.result import BadSignature

JOB_SECONDS: Final = 0.08
"""What a worker may take for one document: the `job_timeout` of the pool that a LinkedReader is given."""

_GATEWAY: Final = "/.well-known/apgateway/"


class Workers(Protocol):
    """WorkerPool, as far as documents go."""

    async def read(
        self, body: bytes, *, media: bool, signature_key: str | None, proof_key: str | None, deadline: float
    ) -> LinkedReport | NotRead: ...


def claims(activity: Activity) -> tuple[str, ...]:
    """The ids of the keys that the signatures inside claim: to be had as keys of `activity.actor`."""
    found = (linked_claim(activity.document), proof_claim(activity.document))
    ids = (claim.key_id for claim in found if isinstance(claim, LinkedClaim | ProofClaim))
    return tuple(dict.fromkeys(key_id for key_id in ids if did_key(key_id) is None))


class LinkedReader:
    """Reads linked data with the workers of a pool."""

    def __init__(self, pool: Workers) -> None:
        self._pool = pool

    async def read(self, activity: Activity, *, keys: Mapping[str, str], deadline: float) -> LinkedReport:
        """The report on one activity. `keys` are the actor's, PEM by id, those of `claims` that could be had;
        `deadline` is on Trio's clock.

        Skipped, beside the reasons of signatures/linked.py and proofs.py: `no-key`, `did-not-the-actors`, `too-large`
        and those of WorkerPool.inspect. Unreadable: the last two, those of rdf.Refused, `too-many-references`.
        """
        document = activity.document
        signature, signature_key = _with_key(linked_claim(document), keys)
        proof, proof_key = _with_key(proof_claim(document), {**keys, **_own_did_key(activity)})
        media = needs_second_reading(document, KNOWN)
        report = LinkedReport(signature, proof)
        if not (signature_key or proof_key or media):
            return report
        answer: LinkedReport | NotRead = NotRead("too-large")
        if len(activity.raw) <= MAX_DOCUMENT_BYTES:
            answer = await self._pool.read(
                activity.raw,
                media=media,
                signature_key=signature_key,
                proof_key=proof_key,
                deadline=deadline - trio.current_time(),
            )
        if isinstance(answer, NotRead):
            skipped = str(Skipped(answer.reason))
            return LinkedReport(
                signature=skipped if signature_key else signature,
                proof=skipped if proof_key else proof,
                unreadable=answer.reason if media else None,
            )
        return LinkedReport(
            signature=answer.signature if signature_key else signature,
            proof=answer.proof if proof_key else proof,
            media=answer.media,
            unreadable=answer.unreadable,
        )


def _with_key(
    claim: LinkedClaim | ProofClaim | Invalid | Skipped | None, keys: Mapping[str, str]
) -> tuple[str | None, str | None]:
    """What can be said without a worker, and the key to ask one about otherwise."""
    if not isinstance(claim, LinkedClaim | ProofClaim):
        return (None if claim is None else str(claim)), None
    if claim.key_id in keys:
        return None, keys[claim.key_id]
    return str(Skipped("did-not-the-actors" if did_key(claim.key_id) else "no-key")), None


def _own_did_key(activity: Activity) -> dict[str, str]:
    """The key of the proof, by its id, when that is a did:key and the actor's own."""
    claim, actor = proof_claim(activity.document), canonical_id(activity.actor)
    if isinstance(claim, ProofClaim) and (found := did_key(claim.key_id)) and not isinstance(actor, BadSignature):
        did, pem = found
        if actor.rest.startswith(f"{_GATEWAY}{did}/"):
            return {claim.key_id: pem}
    return {}
