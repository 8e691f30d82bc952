"""The street: one delivery, from its bytes to its outcome, one way.

Read `judge` from top to bottom. A stage that settles the matter returns the Outcome; nothing flows back and no stage
changes its input. Media are never fetched for a sender who is not verified. MalformedRequest and bugs are the gate's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
from relayfilter.remote.actor_keys import ActorKeys, KeyAnswer
from relayfilter.request import InboxRequest
from relayfilter.signatures.claim import CheckedClaim, Claim, precheck, read_claim, verify
from relayfilter.signatures.owner import check_ids, instance_of
from relayfilter.signatures.result import (
    ActorKey,
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


# What a key that was replaced since it was fetched looks like: one question more to its server settles it.
_KEY_MAY_BE_OLD = ("signature-mismatch", "algorithm-key-mismatch", "key-type-not-allowed")


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
    claim: Claim | NoSignature | BadSignature | None = None
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

    media = await look(activity, street.inspector, deadline)
    laps.end("inspect")

    decision = decide(street.policy, gather(activity, sender, media), enforceable=street.enforceable)
    laps.end("decide")
    known = partial(Outcome, activity=activity, claim=claim, sender=sender, media=media, decision=decision)
    if decision.action not in ("accept", *street.enforceable):
        return known("rejected", 200 if decision.silent else 403, decision.reason, timings=laps.millis)

    try:
        forwarded = await street.upstream.forward(request)
    except UpstreamUnavailable as unavailable:
        laps.end("forward")
        return known("deferred", 503, "upstream-unavailable", unavailable.reason, timings=laps.millis)
    laps.end("forward")
    status = forwarded.response.status
    return known("accepted", status, decision.reason, forwarded=forwarded, timings=laps.millis)


async def look(activity: Activity, inspector: Inspector, deadline: float) -> tuple[InspectedMedia, ...]:
    """What is behind every reference of the activity; more references than are looked at make it uninspectable."""
    refs = find_media(activity.document)
    media = await inspector.inspect(refs.refs, deadline=deadline)
    return (*media, _TOO_MANY_REFS) if refs.truncated else media


async def identify(
    request: InboxRequest,
    claim: Claim | NoSignature | BadSignature,
    activity: Activity,
    street: Street,
    deadline: float,
) -> SignatureResult:
    """Who sent it, as Lemmy binds it: by the key of the body's actor. Nothing is fetched for what cannot be good."""
    if isinstance(claim, NoSignature | BadSignature):
        return claim
    if bad := check_ids(activity.actor, activity.id):
        return bad
    checked = precheck(request, claim, domains=street.domains, now=request.received_at)
    if isinstance(checked, BadSignature):
        return checked
    sender: SignatureResult = NoSignature()
    for key_id in claim.key_ids:
        key = await street.keys.get(key_id, activity.actor, deadline=deadline - trio.current_time())
        sender = _verified_by(key, checked, activity)
        if isinstance(key, ActorKey) and isinstance(sender, BadSignature) and sender.reason in _KEY_MAY_BE_OLD:
            fresh = await street.keys.refetch(key, deadline=deadline - trio.current_time())
            if not isinstance(fresh, ActorKey) or fresh.pem != key.pem:
                sender = _verified_by(fresh, checked, activity)
        if isinstance(sender, Verified):
            break
    return sender


def _verified_by(key: KeyAnswer, checked: CheckedClaim, activity: Activity) -> SignatureResult:
    return verify(checked, key, actor=activity.actor) if isinstance(key, ActorKey) else key


def not_admitted(
    activity: Activity, claim: Claim | NoSignature | BadSignature, sender: SignatureResult, timings: dict[str, float]
) -> Outcome:
    """The outcome for a sender who is not verified, or not in a way that the upstream could check itself."""
    known = partial(Outcome, activity=activity, claim=claim, sender=sender, timings=timings)
    match sender:
        case Verified():
            # No Accept-Signature in the answer: with it some senders would only sign the same way again.
            return known("refused", 401, "rfc9421-not-understood-upstream")
        case NoSignature():
            return known("refused", 401, "no-signature")
        case BadSignature(reason, detail):
            return known("refused", 401, reason, detail or None)
        case KeyUnavailable(gone=True) if is_self_delete(activity):
            return known("dropped", 202, "deleted-itself")
        case KeyUnavailable(reason, temporary=True):
            return known("deferred", 503, reason)
        case KeyUnavailable(reason):
            return known("refused", 401, reason)


def gather(activity: Activity, sender: Verified | None, media: tuple[InspectedMedia, ...]) -> Evidence:
    """Everything that policy may look at. `sender` is None when nobody asked who sent it."""
    return Evidence(
        gate="inbox",
        actor=activity.actor,
        instance=instance_of(activity.actor) or "",
        activity_type=activity.type,
        object_type=activity.object_type,
        inner_actor=activity.inner_actor,
        community=activity.community,
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
