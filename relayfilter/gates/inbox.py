"""The inbox gate: the street in HTTP. It answers, records and logs; what it decides, the street decided.

Order of promises: what is withheld or refused is on disk before the sender hears of it; what is passed has been
answered by Lemmy. Trouble of our own is 503, because senders take a 4xx for delivered. Peers get short answers.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Mapping

import msgspec
import trio

from relayfilter.errors import MalformedRequest
from relayfilter.ledger import ids
from relayfilter.ledger.records import DecisionRecord, Sender, UpstreamAnswer
from relayfilter.ledger.store import Ledger, LedgerUnavailable
from relayfilter.pipeline import judge
from relayfilter.request import InboxRequest, Response
from relayfilter.signatures.cavage import CavageClaim
from relayfilter.signatures.owner import instance_of
from relayfilter.signatures.result import BadSignature, KeyUnavailable, NoSignature, Verified
from relayfilter.signatures.rfc9421 import Rfc9421Claim
from relayfilter.stages import validity
from relayfilter.street import Outcome, Street

HEALTH = b"/_relayfilter/health"
_RETRY_AFTER = b"30"
_EXCERPT = 300
_LONGEST_NAME = 2048

_WORDS = {
    200: "ok",
    202: "accepted",
    400: "bad request",
    401: "signature not accepted",
    403: "not accepted here",
    405: "only POST is taken here",
    415: "not an activity",
    500: "internal error",
    503: "try again later",
}


class InboxGate:
    """Takes every POST as a delivery. `street` may be replaced at any time; a delivery keeps the one it began with.

    `on_record` hears of every decision, for the log. `pages` are what GET of a target of ours answers.
    """

    def __init__(
        self,
        street: Street,
        ledger: Ledger,
        on_record: Callable[[DecisionRecord], None],
        pages: Mapping[bytes, Response] | None = None,
    ) -> None:
        self.street = street
        self._pages = {HEALTH: answer(200), **(pages or {})}
        self._ledger = ledger
        self._on_record = on_record

    async def __call__(self, request: InboxRequest) -> Response:
        """The answer to one request. Raises nothing but cancellation."""
        if request.method != "POST":
            if request.method in ("GET", "HEAD") and (page := self._pages.get(request.target)):
                return page
            return answer(405, (b"Allow", b"POST"))
        try:
            check_content_type(request)
            outcome = await judge(request, self.street)
        except MalformedRequest as malformed:
            outcome = Outcome("refused", malformed.status, malformed.reason)
        except LedgerUnavailable as unavailable:
            outcome = Outcome("deferred", 503, "ledger-unavailable", str(unavailable))
        except Exception:  # noqa: BLE001 - the one place where a bug of ours ends: said, never "accept"
            outcome = Outcome("failed", 500, "bug", traceback.format_exc(limit=-8))
        return await self._conclude(request, outcome)

    async def _conclude(self, request: InboxRequest, outcome: Outcome) -> Response:
        record = describe(request, outcome, self._ledger.next_id(request.received_at))
        if outcome.forwarded is not None:
            self._ledger.record_later(record)
            self._on_record(record)
            return outcome.forwarded.response
        try:
            with trio.CancelScope(shield=True):
                await self._ledger.record(record, withhold=outcome.withhold, until=outcome.withhold_until)
        except LedgerUnavailable as unavailable:
            record = msgspec.structs.replace(
                record, verdict="deferred", status=503, reason="ledger-unavailable", detail=str(unavailable)
            )
        self._on_record(record)
        retry = ((b"Retry-After", _RETRY_AFTER),) if record.status == 503 else ()
        return answer(record.status, *retry)


def check_content_type(request: InboxRequest) -> None:
    """Lemmy's guard: Content-Type starts with `application/`. And no Content-Encoding: what Lemmy might unpack is not
    what was read here. Raises MalformedRequest (415)."""
    if any(value.lower() != b"identity" for value in request.values(b"content-encoding")):
        raise MalformedRequest(415, "content-encoding")
    if not any(value.lower().startswith(b"application/") for value in request.values(b"content-type")):
        raise MalformedRequest(415, "content-type")


def answer(status: int, *headers: tuple[bytes, bytes]) -> Response:
    """A short, general answer of our own."""
    word = _WORDS.get(status, "error")
    body = b"" if status in (200, 202) else msgspec.json.encode({"error": word})
    return Response(status, ((b"Content-Type", b"application/json"), *headers), body)


def describe(request: InboxRequest, outcome: Outcome, number: int) -> DecisionRecord:
    """The record of an outcome."""
    record = DecisionRecord(
        id=number,
        at=request.received_at,
        gate="inbox",
        verdict=outcome.verdict,
        status=outcome.status,
        reason=outcome.reason,
        detail=outcome.detail,
        client=request.client,
        target=request.target.decode("latin-1")[:_LONGEST_NAME],
        body_bytes=len(request.body),
        body_sha256=hashlib.sha256(request.body).hexdigest(),
        sender=_sender(outcome),
        decision=outcome.decision,
        cause=None if outcome.cause is None else ids.show(outcome.cause),
        withheld=outcome.withhold,
        linked=outcome.linked.signature,
        proof=outcome.linked.proof,
        second_reading=outcome.linked.unreadable,
        media=outcome.media,
        upstream=_upstream(outcome),
        timings=outcome.timings,
    )
    if (activity := outcome.activity) is None:
        return record
    return msgspec.structs.replace(
        record,
        activity_id=activity.id,
        activity_type=activity.type[:_LONGEST_NAME],
        object_id=activity.object_id and activity.object_id[:_LONGEST_NAME],
        object_type=activity.object_type and activity.object_type[:_LONGEST_NAME],
        actor=activity.actor,
        instance=instance_of(activity.actor),
    )


def _sender(outcome: Outcome) -> Sender | None:
    scheme = key_ids = None
    if isinstance(outcome.claim, CavageClaim | Rfc9421Claim):
        scheme = "cavage" if isinstance(outcome.claim, CavageClaim) else "rfc9421"
        key_ids = ", ".join(outcome.claim.key_ids)[:_LONGEST_NAME]
    match outcome.sender:
        case None:
            return None
        case Verified(_, key_id, _):
            return Sender("verified", scheme, key_id)
        case NoSignature():
            return Sender("no-signature")
        case BadSignature(reason, detail):
            return Sender(reason, scheme, key_ids, detail or None)
        case KeyUnavailable(reason):
            return Sender(reason, scheme, key_ids)


def _upstream(outcome: Outcome) -> UpstreamAnswer | None:
    if outcome.forwarded is None:
        return None
    response = outcome.forwarded.response
    return UpstreamAnswer(
        response.status, response.body[:_EXCERPT].decode("utf-8", "replace"), outcome.forwarded.millis
    )


def log_fields(record: DecisionRecord) -> dict[str, object]:
    """What the log line of a decision says; `explain` has the rest."""
    fields: dict[str, object] = {
        "id": ids.show(record.id),
        "verdict": record.verdict,
        "status": record.status,
        "reason": record.reason,
        "detail": record.detail,
        "client": record.client,
        "actor": record.actor,
        "activity": record.activity_id,
        "type": record.activity_type,
        "object_type": record.object_type,
        "signature": record.sender and record.sender.outcome,
        "rule": record.decision and record.decision.rule,
        "cause": record.cause,
        "linked": validity(record.linked),
        "proof": validity(record.proof),
        "media": len(record.media) or None,
        "upstream": record.upstream and record.upstream.status,
        "ms": round(sum(record.timings.values()), 1) if record.timings else None,
    }
    return {name: value for name, value in fields.items() if value is not None}
