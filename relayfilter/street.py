"""What the stages of the street work with, and what comes out at its end."""

from __future__ import annotations

from typing import Literal

import msgspec

from relayfilter.activity.document import Activity
from relayfilter.inspection.inspector import Inspector
from relayfilter.inspection.linked import LinkedReader
from relayfilter.inspection.lookahead import LookAhead
from relayfilter.inspection.messages import LinkedReport
from relayfilter.lanes import Lanes
from relayfilter.ledger.records import Verdict
from relayfilter.ledger.store import Ledger
from relayfilter.policy.evidence import Decision, InspectedMedia, Verb
from relayfilter.policy.rules import Policy
from relayfilter.remote.actor_keys import ActorKeys
from relayfilter.signatures.claim import Claim
from relayfilter.signatures.result import BadSignature, NoSignature, SignatureResult
from relayfilter.upstream.lemmy import ForwardOutcome, LemmyUpstream


class Street(msgspec.Struct, frozen=True):
    """A reload makes a new one; deliveries under way keep theirs.

    `deadline` is seconds for a whole delivery before its forward; `rfc9421` what the upstream can do with a request
    that only RFC 9421 signs; `enforceable` the actions beyond accept and reject that something here can carry out.
    """

    domains: frozenset[str]
    deadline: float
    lanes: Lanes
    keys: ActorKeys
    ledger: Ledger
    inspector: Inspector
    linked: LinkedReader
    look_ahead: LookAhead
    policy: Policy
    upstream: LemmyUpstream
    rfc9421: Literal["reject", "forward"] = "reject"
    enforceable: frozenset[Verb] = frozenset()


class Outcome(msgspec.Struct, frozen=True):
    """What became of a delivery: everything that the record and the answer are made from.

    `cause` is the id of the earlier decision that settled this one; `withhold` has the ids to which nothing may refer
    because of this decision, until `withhold_until` (wall clock; None: for good). `forwarded` is Lemmy's answer when
    the delivery was passed. `timings` is milliseconds by stage.
    """

    verdict: Verdict
    status: int
    reason: str
    detail: str | None = None
    activity: Activity | None = None
    claim: Claim | NoSignature | BadSignature | None = None
    sender: SignatureResult | None = None
    media: tuple[InspectedMedia, ...] = ()
    linked: LinkedReport = LinkedReport()
    decision: Decision | None = None
    cause: int | None = None
    withhold: tuple[str, ...] = ()
    withhold_until: float | None = None
    forwarded: ForwardOutcome | None = None
    timings: dict[str, float] = {}
