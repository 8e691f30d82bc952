"""The shape of the policy file. msgspec refuses what does not fit; load_policy checks the rest."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from relayfilter.policy.conditions import When

Outcome = Literal["accept", "reject"]
Severity = Literal["suspend", "silence", "noop"]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class RuleTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[rules]]` table. `fallback` is what happens where `strip` or `mark_nsfw` cannot be enforced (default:
    reject); `silent` answers a rejection with 200, so that the sender does not learn of it."""

    name: Name
    reason: Reason
    action: Literal["accept", "mark_nsfw", "strip", "reject"]
    fallback: Outcome | UnsetType = UNSET
    silent: bool = False
    when: When = When()


class ListFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list that stands in a file of its own. `severity` has the severities of a Mastodon export that count (default:
    suspend)."""

    file: Annotated[str, msgspec.Meta(min_length=1)]
    format: Literal["plain", "mastodon"]
    severity: Annotated[list[Severity], msgspec.Meta(min_length=1)] | UnsetType = UNSET


class DeferralTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often, and for how long since the first time, a delivery is answered 503 because something failed for now."""

    attempts: Annotated[int, msgspec.Meta(ge=0, le=100)] = 3
    within: str = "10m"


class PolicyTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as a whole. `lists` names lists of instances, communities and actors, for `instance = "@name"`;
    `withhold_for` is a span of time, or `forever`."""

    default: Outcome
    on_uninspectable: Outcome
    withhold_for: str = "30d"
    deferral: DeferralTable = DeferralTable()
    lists: dict[Name, list[str] | ListFile] = {}
    rules: list[RuleTable] = []
