"""What is kept of a decision: enough to find, explain and replay it. Never pixels, never the bytes of a picture."""

from __future__ import annotations

from typing import Literal

import msgspec

from relayfilter.policy.evidence import Decision, InspectedMedia

Verdict = Literal["accepted", "rejected", "refused", "deferred", "dropped", "failed"]
"""accepted: forwarded. rejected: withheld by policy. refused: malformed or not verified. deferred: the sender was asked
to come again. dropped: answered 2xx and not forwarded. failed: a bug of ours."""

VERDICTS: tuple[Verdict, ...] = ("accepted", "rejected", "refused", "deferred", "dropped", "failed")


class Sender(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the sender was checked: `outcome` is `verified` or the reason why not."""

    outcome: str
    scheme: str | None = None
    key_id: str | None = None
    detail: str | None = None


class UpstreamAnswer(msgspec.Struct, frozen=True):
    """What Lemmy said: its status, the start of its body, and how long it took (milliseconds)."""

    status: int
    body: str
    millis: float


class DecisionRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One delivery and what became of it.

    `at` is wall-clock seconds, `status` what the sender was told, `reason` why in a slug or in the rule's own words,
    `timings` milliseconds by stage, `body_sha256` the hash of the activity's bytes. `cause` is the id of the earlier
    decision that settled this one, `withheld` has the ids to which nothing may refer because of this one. `linked` and
    `proof` tell what the signatures inside the document are worth, `second_reading` why it could not be read as linked
    data.
    """

    id: int
    at: float
    gate: str
    verdict: Verdict
    status: int
    reason: str
    client: str
    target: str
    body_bytes: int
    body_sha256: str
    detail: str | None = None
    activity_id: str | None = None
    activity_type: str | None = None
    object_id: str | None = None
    object_type: str | None = None
    actor: str | None = None
    instance: str | None = None
    sender: Sender | None = None
    decision: Decision | None = None
    cause: str | None = None
    withheld: tuple[str, ...] = ()
    linked: str | None = None
    proof: str | None = None
    second_reading: str | None = None
    media: tuple[InspectedMedia, ...] = ()
    upstream: UpstreamAnswer | None = None
    timings: dict[str, float] = {}
