"""What a decision rests on, and the decision."""

from __future__ import annotations

from typing import Literal

import msgspec

from relayfilter.activity.media_ref import MediaRef
from relayfilter.media.finding import MediaReport

Gate = Literal["inbox"]
Verb = Literal["accept", "mark_nsfw", "strip", "reject", "defer"]
Validity = Literal["valid", "invalid", "skipped", "none"]


class InspectedMedia(msgspec.Struct, frozen=True):
    """A reference and what was found behind it."""

    ref: MediaRef
    report: MediaReport


class Evidence(msgspec.Struct, frozen=True):
    """Everything policy may look at. `instance` is the host of `actor`; `scheme` how the sender was verified;
    `community` what the activity says of itself (Activity.community).

    `linked` and `proof` say what became of a Linked Data Signature and of an integrity proof in the document: a
    Validity, None for "none". `account_age` is seconds since the actor was created or first seen, `seen_activities` how
    many of its activities were seen before this one; None when nobody knows.
    """

    gate: Gate
    actor: str
    instance: str
    activity_type: str
    object_type: str | None = None
    inner_actor: str | None = None
    community: str | None = None
    scheme: str | None = None
    sensitive: bool = False
    media: tuple[InspectedMedia, ...] = ()
    linked: str | None = None
    proof: str | None = None
    account_age: float | None = None
    seen_activities: int | None = None


class Decision(msgspec.Struct, frozen=True):
    """What is to be done and why.

    `rule` is the rule's name (or `default`, `on_uninspectable`), `place` its `file:line`, `pointers` the media that
    made it match. `action` is what will be done; `wanted` what the rule asked for when that cannot be enforced here.
    `silent` answers a rejection with 200 instead of 403.
    """

    action: Verb
    rule: str
    reason: str
    place: str
    pointers: tuple[str, ...] = ()
    wanted: Verb | None = None
    silent: bool = False
