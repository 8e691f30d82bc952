"""The street: one delivery, from its bytes to its outcome, one way.

Read `judge` from top to bottom; stages.py has what its lines call. A stage that settles the matter returns the Outcome;
nothing flows back and no stage changes its input. Nothing is fetched on account of a sender who is not verified, except
the key that would verify him. MalformedRequest and bugs are the gate's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import trio

from relayfilter.activity.document import parse_activity
from relayfilter.activity.references import find_references
from relayfilter.errors import UpstreamUnavailable
from relayfilter.policy.decide import decide
from relayfilter.request import InboxRequest
from relayfilter.signatures.claim import read_claim
from relayfilter.signatures.owner import instance_of
from relayfilter.signatures.result import Verified
from relayfilter.stages import (
    author,
    gather,
    identify,
    led_to,
    look,
    look_ahead,
    not_admitted,
    passed,
    put_off,
    read_linked,
    recall,
    released,
    subjects,
    to_withhold,
    withheld_reference,
)
from relayfilter.street import Outcome, Street


async def judge(request: InboxRequest, street: Street) -> Outcome:
    """The outcome of one delivery; an accepted one has been forwarded. Raises MalformedRequest."""
    deadline = trio.current_time() + street.deadline
    laps = _Laps(time.perf_counter)

    activity = parse_activity(request.body)
    claim = read_claim(request)
    references = find_references(activity)
    laps.end("parse")
    known = partial(Outcome, activity=activity, claim=claim, timings=laps.millis)

    about = subjects(activity, references)
    with street.lanes.enter(about, instance_of(activity.actor) or "") as turn:
        sender = await identify(request, claim, activity, street, deadline)
        laps.end("verify")
        if not isinstance(sender, Verified) or (sender.scheme == "rfc9421" and street.rfc9421 == "reject"):
            return not_admitted(request, activity, sender, street, known)
        known = partial(known, sender=sender)

        turn.admit()
        if not await turn.come(deadline=deadline):
            return known("deferred", 503, "waits-for-earlier")
        laps.end("order")
        if (settled := recall(activity, street, known)) or (
            settled := withheld_reference(request, about, references, street, known)
        ):
            return settled

        linked = await read_linked(activity, street, deadline)
        media = await look(activity, street.inspector, deadline, linked.media)
        laps.end("inspect")
        ahead = await look_ahead(references, street, deadline)
        laps.end("look-ahead")
        if settled := withheld_reference(request, led_to(ahead), references, street, known):
            return settled

        account = street.ledger.accounts.get(author(activity))
        evidence = gather(activity, sender, (*media, *ahead.media), account, request.received_at, linked)
        decision = released(activity, references, street) or decide(
            street.policy, evidence, enforceable=street.enforceable
        )
        laps.end("decide")
        known = partial(known, media=evidence.media, linked=linked, decision=decision)
        if decision.action not in ("accept", *street.enforceable):
            if put_off(request, activity, decision, evidence, street):
                return known("deferred", 503, "try-again", decision.reason)
            withhold, until = to_withhold(request, activity, references, ahead, decision, street)
            status = 200 if decision.silent else 403
            return known("rejected", status, decision.reason, withhold=withhold, withhold_until=until)

        try:
            forwarded = await street.upstream.forward(request)
        except UpstreamUnavailable as unavailable:
            laps.end("forward")
            return known("deferred", 503, "upstream-unavailable", unavailable.reason)
        laps.end("forward")
        passed(request, activity, ahead, forwarded, street)
        return known("accepted", forwarded.response.status, decision.reason, forwarded=forwarded)


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
