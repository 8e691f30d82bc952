"""The shape of the policy file. msgspec refuses what does not fit; load_policy checks the rest."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from relayfilter.policy.conditions import When

Outcome = Literal["accept", "reject"]
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


class PolicyTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as a whole. `lists` names lists of instances, for `instance = "@name"`."""

    default: Outcome
    on_uninspectable: Outcome
    lists: dict[Name, list[str]] = {}
    rules: list[RuleTable] = []
