"""What a worker does with a document: everything that needs PyLD, and the signatures inside.

Pure, but only to be called where it can be killed. Importing it loads PyLD.
"""

from __future__ import annotations

import json
from typing import Any

from relayfilter.activity.jsonld import Unreadable, second_reading
from relayfilter.activity.media_ref import MediaRef
from relayfilter.inspection.messages import MAX_LINKED_MEDIA, LinkedJob, LinkedReport
from relayfilter.signatures import rdf
from relayfilter.signatures.linked import LinkedClaim, linked_claim, verify_linked
from relayfilter.signatures.outcome import Outcome
from relayfilter.signatures.proofs import ProofClaim, proof_claim, verify_proof


def read_linked(body: bytes | bytearray, job: LinkedJob) -> LinkedReport:
    """What `job` asks of the JSON object in `body`, which has been parsed before (activity/document.py)."""
    document: dict[str, Any] = json.loads(body)
    media = _media(document) if job.media else ()
    return LinkedReport(
        signature=_in_words(_judge_signature(document, job.signature_key)),
        proof=_in_words(_judge_proof(document, job.proof_key)),
        media=() if isinstance(media, Unreadable) else media,
        unreadable=media.reason if isinstance(media, Unreadable) else None,
    )


def _media(document: dict[str, Any]) -> tuple[MediaRef, ...] | Unreadable:
    expanded = rdf.expand(document)
    if isinstance(expanded, rdf.Refused):
        return Unreadable(expanded.reason)
    media = second_reading(expanded)
    if isinstance(media, tuple) and len(media) > MAX_LINKED_MEDIA:
        return Unreadable("too-many-references")
    return media


def _judge_signature(document: dict[str, Any], key: str | None) -> Outcome | None:
    claim = linked_claim(document) if key is not None else None
    return verify_linked(document, claim, key) if key is not None and isinstance(claim, LinkedClaim) else None


def _judge_proof(document: dict[str, Any], key: str | None) -> Outcome | None:
    claim = proof_claim(document) if key is not None else None
    return verify_proof(document, claim, key) if key is not None and isinstance(claim, ProofClaim) else None


def _in_words(outcome: Outcome | None) -> str | None:
    return None if outcome is None else str(outcome)
