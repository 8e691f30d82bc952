"""The street: one delivery, from its bytes to its outcome, one way.

Read `judge` from top to bottom. A stage that settles the matter returns the Outcome; nothing flows back and no stage
changes its input. Media are never fetched for a sender who is not verified. MalformedRequest and bugs are the gate's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
import trio

from relayfilter.activity.document import Activity, is_self_delete, parse_activity
from relayfilter.activity.media_ref import MediaRef
from relayfilter.activity.media_refs import find_media
from relayfilter.errors import UpstreamUnavailable
from relayfilter.inspection.inspector import Inspector
from relayfilter.ledger.records import Verdict
from relayfilter.media.finding import MediaReport, Uninspectable
from relayfilter.policy.decide import decide
from relayfilter.policy.evidence import Decision, Evidence, InspectedMedia, Verb
from relayfilter.policy.rules import Policy
from relayfilter.remote.actor_keys import ActorKeys
from relayfilter.request import InboxRequest
from relayfilter.signatures.claim import Claim, precheck, read_claim, verify
from relayfilter.signatures.owner import check_owner, host_of
from relayfilter.signatures.result import (
    BadSignature,
    KeyUnavailable,
    NoSignature,
    SignatureResult,
    Verified,
)
from relayfilter.upstream.lemmy import ForwardOutcome, LemmyUpstream

_TOO_MANY_REFS = InspectedMedia(
    MediaRef(pointer="", url="", slot="attachment"), MediaReport(findings=(Uninspectable("too-many-references"),))
)


class Street(msgspec.Struct, frozen=True):
    """What the stages work with. A reload makes a new one; deliveries under way keep theirs.

    `deadline` is seconds for a whole delivery before its forward; `rfc9421` what the upstream can do with a request
    that only RFC 9421 signs; `enforceable` the actions beyond accept and reject that something here can carry out.
    """

    domains: frozenset[str]
    deadline: float
    keys: ActorKeys
    inspector: Inspector
    policy: Policy
    upstream: LemmyUpstream
    rfc9421: Literal["reject", "forward"] = "reject"
    enforceable: frozenset[Verb] = frozenset()


class Outcome(msgspec.Struct, frozen=True):
    """What became of a delivery: everything that the record and the answer are made from.

    `forwarded` is Lemmy's answer when the delivery was passed. `timings` is milliseconds by stage.
    """

    verdict: Verdict
    status: int
    reason: str
    detail: str | None = None
    activity: Activity | None = None
    claim: Claim | None = None
    sender: SignatureResult | None = None
    media: tuple[InspectedMedia, ...] = ()
    decision: Decision | None = None
    forwarded: ForwardOutcome | None = None
    timings: dict[str, float] = {}


async def judge(request: InboxRequest, street: Street) -> Outcome:
    """The outcome of one delivery; an accepted one has been forwarded. Raises MalformedRequest."""
    deadline = trio.current_time() + street.deadline
    laps = _Laps(trio.current_time)

    activity = parse_activity(request.body)
    claim = read_claim(request)
    laps.end("parse")

    sender = await identify(request, claim, activity, street, deadline)
    laps.end("verify")
    if not isinstance(sender, Verified) or (sender.scheme == "rfc9421" and street.rfc9421 == "reject"):
        return not_admitted(activity, claim, sender, laps.millis)

    refs = find_media(activity.document)
    media = await street.inspector.inspect(refs.refs, deadline=deadline)
    if refs.truncated:
        media = (*media, _TOO_MANY_REFS)
    laps.end("inspect")

    evidence = gather(activity, sender, media)
    decision = decide(street.policy, evidence, enforceable=street.enforceable)
    laps.end("decide")
    known = Outcome("rejected", 200 if decision.silent else 403, decision.reason, None, activity, claim, sender, media)
    if decision.action not in ("accept", *street.enforceable):
        return msgspec.structs.replace(known, decision=decision, timings=laps.millis)

    try:
        with trio.CancelScope(shield=True):  # Lemmy may have recorded the id: its answer must be heard
            forwarded = await street.upstream.forward(request)
    except UpstreamUnavailable as unavailable:
        verdict, status, reason, detail = "deferred", 503, "upstream-unavailable", unavailable.reason
        forwarded = None
    else:
        verdict, status, reason, detail = "accepted", forwarded.response.status, decision.reason, None
    laps.end("forward")
    return msgspec.structs.replace(
        known, verdict=verdict, status=status, reason=reason, detail=detail,
        decision=decision, forwarded=forwarded, timings=laps.millis,
    )


async def identify(
    request: InboxRequest, claim: Claim | NoSignature | BadSignature, activity: Activity, street: Street, deadline: float
) -> SignatureResult:
    """Who sent it, as Lemmy binds it: by the key of the body's actor. A key that fails is asked for once more."""
    if isinstance(claim, NoSignature | BadSignature):
        return claim
    if bad := check_owner(activity) or precheck(request, claim, domains=street.domains, now=request.received_at):
        return bad
    key = await street.keys.get(claim.key_id, activity.actor, deadline=deadline)
    if isinstance(key, KeyUnavailable | BadSignature):
        return key
    bad = verify(request, claim, key)
    if bad is not None and bad.reason == "signature-mismatch":
        fresh = await street.keys.refetch(key, deadline=deadline)
        if fresh is not None:
            bad = verify(request, claim, fresh)
    return bad or Verified(activity.actor, claim.key_id, claim.scheme)


def not_admitted(
    activity: Activity,
    claim: Claim | NoSignature | BadSignature,
    sender: SignatureResult,
    timings: dict[str, float],
) -> Outcome:
    """The outcome for a sender who is not verified, or not in a way that the upstream could check itself."""
    verdict: Verdict = "refused"
    detail = None
    match sender:
        case Verified():
            # No Accept-Signature in the answer: with it some senders would only sign the same way again.
            status, reason = 401, "rfc9421-not-understood-upstream"
        case NoSignature():
            status, reason = 401, "no-signature"
        case BadSignature(reason, detail):
            status = 401
        case KeyUnavailable(gone=True) if is_self_delete(activity):
            verdict, status, reason = "dropped", 202, "deleted-itself"
        case KeyUnavailable(reason, temporary=True):
            verdict, status = "deferred", 503
        case KeyUnavailable(reason):
            status = 401
    return Outcome(
        verdict, status, reason, detail or None, activity=activity, sender=sender, timings=timings,
        claim=None if isinstance(claim, NoSignature | BadSignature) else claim,
    )


def gather(activity: Activity, sender: Verified | None, media: tuple[InspectedMedia, ...]) -> Evidence:
    """Everything that policy may look at. `sender` is None when nobody asked who sent it."""
    return Evidence(
        gate="inbox",
        actor=activity.actor,
        instance=host_of(activity.actor),
        activity_type=activity.type,
        object_type=activity.object_type,
        inner_actor=activity.inner_actor,
        scheme=sender.scheme if sender else None,
        sensitive=activity.sensitive,
        media=media,
    )


class _Laps:
    """Milliseconds by stage. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self.millis: dict[str, float] = {}

    def end(self, stage: str) -> None:
        now = self._clock()
        self.millis[stage] = round((now - self._since) * 1000, 3)
        self._since = now
