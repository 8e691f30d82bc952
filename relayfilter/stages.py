"""The stages of the street: what the lines of `pipeline.judge` do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import trio

from relayfilter.activity.document import Activity, is_self_delete
from relayfilter.activity.media_ref import MediaRef
from relayfilter.activity.media_refs import find_media
from relayfilter.activity.references import References
from relayfilter.inspection.inspector import Inspector
from relayfilter.inspection.linked import claims
from relayfilter.inspection.lookahead import LookAheadResult
from relayfilter.inspection.messages import LinkedReport
from relayfilter.ledger.accounts import Account
from relayfilter.ledger.ids import show
from relayfilter.media.finding import MediaReport, Uninspectable
from relayfilter.policy.decide import deferrable
from relayfilter.policy.evidence import Decision, Evidence, InspectedMedia
from relayfilter.remote.actor_keys import KeyAnswer
from relayfilter.request import InboxRequest
from relayfilter.signatures.claim import CheckedClaim, Claim, precheck, verify
from relayfilter.signatures.owner import check_ids, instance_of, same_origin
from relayfilter.signatures.result import (
    ActorKey,
    BadSignature,
    KeyUnavailable,
    NoSignature,
    SignatureResult,
    Verified,
)
from relayfilter.street import Outcome, Street
from relayfilter.upstream.lemmy import ForwardOutcome

Known = Callable[..., Outcome]
"""Makes an Outcome of what is known so far."""

_TOO_MANY_REFS = InspectedMedia(
    MediaRef(pointer="", url="", slot="attachment"), MediaReport(findings=(Uninspectable("too-many-references"),))
)

_NOTHING_LINKED = LinkedReport()

# What Lemmy keeps under its id once it has answered well. An inner activity's id is only the sender's word: were it
# taken for known, a later vote on an object that really has this id would not be looked at.
_STORED = ("Article", "ChatMessage", "Event", "Note", "Page", "PrivateMessage", "Question", "Video")

# What a key that was replaced since it was fetched looks like: one question more to its server settles it.
_KEY_MAY_BE_OLD = ("signature-mismatch", "algorithm-key-mismatch", "key-type-not-allowed")


def subjects(activity: Activity, references: References) -> tuple[str, ...]:
    """The ids that a delivery is about: deliveries about one of them pass in order."""
    return (activity.id, *references.own, *(reference.id for reference in references.named))


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
    request: InboxRequest, activity: Activity, sender: SignatureResult, street: Street, known: Known
) -> Outcome:
    """The outcome for a sender who is not verified, or not in a way that the upstream could check itself."""
    match sender:
        case Verified():
            # No Accept-Signature in the answer: with it some senders would only sign the same way again.
            return known("refused", 401, "rfc9421-not-understood-upstream", sender=sender)
        case NoSignature():
            return known("refused", 401, "no-signature", sender=sender)
        case BadSignature(reason, detail):
            return known("refused", 401, reason, detail or None, sender=sender)
        case KeyUnavailable(gone=True) if is_self_delete(activity):
            return known("dropped", 202, "deleted-itself", sender=sender)
        case KeyUnavailable(reason, temporary=True) if _may_defer(request, f"unverified {activity.id}", street):
            return known("deferred", 503, reason, sender=sender)
        case KeyUnavailable(reason):
            return known("refused", 401, reason, sender=sender)


def recall(activity: Activity, street: Street, known: Known) -> Outcome | None:
    """The same activity again gets the same answer: what Lemmy took is not sent to it twice."""
    before = street.ledger.decided.get(activity.id, activity.actor)
    if before is None:
        return None
    if before.verdict == "accepted":
        status = 202 if before.status < 300 else before.status
        return known("dropped", status, "already-passed", cause=before.decision_id)
    return known("rejected", before.status, "already-withheld", cause=before.decision_id)


def withheld_reference(
    request: InboxRequest, ids: Iterable[str], references: References, street: Street, known: Known
) -> Outcome | None:
    """Nothing passes that leads to something withheld, because Lemmy would fetch it; except deletions. `ids` are what
    the delivery refers to, or where that led."""
    if references.deletes:
        return None
    withheld = street.ledger.withheld.cause_of(ids, request.received_at)
    if withheld is None:
        return None
    decision = Decision(
        action="reject", rule="withheld", reason="refers to what was withheld", place=show(withheld.cause)
    )
    return known("rejected", 403, decision.reason, withheld.object_id, decision=decision, cause=withheld.cause)


async def read_linked(activity: Activity, street: Street, deadline: float) -> LinkedReport:
    """What the signatures inside the document are worth, and the media that plain JSON hides. Evidence, nothing more:
    Lemmy trusts only the HTTP signature, and reads plain JSON."""
    keys = {}
    for key_id in claims(activity):
        key = await street.keys.get(key_id, activity.actor, deadline=deadline - trio.current_time())
        if isinstance(key, ActorKey):
            keys[key_id] = key.pem
    return await street.linked.read(activity, keys=keys, deadline=deadline)


async def look(
    activity: Activity, inspector: Inspector, deadline: float, hidden: tuple[MediaRef, ...] = ()
) -> tuple[InspectedMedia, ...]:
    """What is behind every medium of the activity, and behind the `hidden` ones that plain reading does not find. More
    than are looked at make it uninspectable."""
    refs = find_media(activity.document)
    urls = {ref.url for ref in refs.refs}
    media = await inspector.inspect((*refs.refs, *(ref for ref in hidden if ref.url not in urls)), deadline=deadline)
    return (*media, _TOO_MANY_REFS) if refs.truncated else media


async def look_ahead(references: References, street: Street, deadline: float) -> LookAheadResult:
    """What is behind the objects and actors that the activity only names, and Lemmy would fetch."""
    ahead = await street.look_ahead.look(references, deadline=deadline)
    for document in ahead.documents:
        if document.kind == "actor" and document.published is not None:
            street.ledger.accounts.set_published(document.id, document.published)
    return ahead


def led_to(ahead: LookAheadResult) -> tuple[str, ...]:
    """The objects that were fetched, by the ids that they give themselves: a redirect may lead to another."""
    return tuple(document.id for document in ahead.documents if document.kind == "object")


def gather(
    activity: Activity,
    sender: Verified | None,
    media: tuple[InspectedMedia, ...],
    account: Account | None,
    now: float,
    linked: LinkedReport = _NOTHING_LINKED,
) -> Evidence:
    """Everything that policy may look at. `sender` is None when nobody asked who sent it, `now` is wall-clock time."""
    since = None
    if account is not None:
        since = account.first_seen if account.published is None else account.published
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
        linked=validity(linked.signature),
        proof=validity(linked.proof),
        account_age=None if since is None else max(0.0, now - since),
        seen_activities=account.accepted if account else 0,
    )


def validity(outcome: str | None) -> str | None:
    """`valid`, `invalid` or `skipped`, without the reason; None where there is no signature."""
    return outcome.partition(":")[0] if outcome else None


def author(activity: Activity) -> str:
    """Whose words these are: the inner actor's, where a community announces them."""
    return activity.inner_actor or activity.actor


def released(activity: Activity, references: References, street: Street) -> Decision | None:
    """An operator has looked at this activity and let it in; a later one about the same object is judged afresh."""
    activities = (activity.id, *(own for own in references.own if own != activity.object_id))
    if not any(street.ledger.withheld.is_released(one) for one in activities):
        return None
    return Decision(action="accept", rule="released", reason="released by an operator", place="relayfilter release")


def put_off(request: InboxRequest, activity: Activity, decision: Decision, evidence: Evidence, street: Street) -> bool:
    """Is the sender to come again, because what is in the way may pass? Only so often: he holds everything else back
    meanwhile."""
    return deferrable(street.policy, decision, evidence) and _may_defer(request, activity.id, street)


def to_withhold(
    request: InboxRequest,
    activity: Activity,
    references: References,
    ahead: LookAheadResult,
    decision: Decision,
    street: Street,
) -> tuple[tuple[str, ...], float | None]:
    """The ids to which nothing may refer from now on, and until when.

    Nobody can get an id withheld that is not his: an object counts when it is the sender's own, or when the activity
    that a community announces is by an actor of the object's own host, as Lemmy demands it. What was looked ahead came
    from its own server. What Lemmy has already is not withheld: it would not be fetched again.
    """
    authors = (activity.actor, author(activity))
    carried = [own for own in references.own if any(same_origin(own, one) for one in authors)]
    fetched = [
        document.id
        for document in ahead.documents
        if document.kind == "object" and any(pointer.startswith(f"{document.id}#") for pointer in decision.pointers)
    ]
    ids = [one for one in (activity.id, *carried, *fetched) if not street.ledger.known.seen(one)]
    lasts = street.policy.withhold_for
    return tuple(dict.fromkeys(ids)), None if math.isinf(lasts) else request.received_at + lasts


def passed(
    request: InboxRequest,
    activity: Activity,
    ahead: LookAheadResult,
    forwarded: ForwardOutcome,
    street: Street,
) -> None:
    """Remembers what Lemmy has now."""
    street.ledger.deferrals.forget(activity.id)
    if forwarded.response.status >= 300:
        return
    if activity.object_type in _STORED and activity.object_id and same_origin(activity.object_id, author(activity)):
        street.ledger.known.remember((activity.object_id,))
    street.ledger.accounts.observe(author(activity), request.received_at)
    street.look_ahead.passed(ahead)


def _may_defer(request: InboxRequest, name: str, street: Street) -> bool:
    """Once more under this name? Whoever is not verified counts apart: he must not use up another's attempts."""
    attempts = street.ledger.deferrals.note(name, request.received_at)
    policy = street.policy
    waited = request.received_at - attempts.first_at
    return attempts.count <= policy.defer_attempts and waited <= policy.defer_within
