"""The policy: an ordered list of named rules, compiled once from the file (see load.py).

The first rule that matches decides. When none does, `on_uninspectable` decides over a delivery with a medium that was
not fully looked at, and `default` over all others. See conditions.py for what rules can ask.

A rule decides over the whole delivery, so an `accept` that is earned by one medium could let another in. It therefore
only matches when every medium that was not fully looked at is among those that it asks for.

Instances are indexed: a delivery meets the rules that name its instance and those that name none, however many
instances the others list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from relayfilter.policy.conditions import DeliveryTest, Facts, MediumTest
from relayfilter.policy.evidence import InspectedMedia
from relayfilter.policy.instances import InstanceLists
from relayfilter.policy.tables import PolicyTable, RuleTable


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled rule. `number` is its place in the order, `place` its `file:line`, `instances` the labels of which the
    sender's instance must bear one (None: any instance)."""

    number: int
    place: str
    table: RuleTable
    instances: frozenset[str] | None
    delivery_tests: tuple[DeliveryTest, ...]
    medium_tests: tuple[MediumTest, ...]

    def matches(self, facts: Facts) -> tuple[InspectedMedia, ...] | None:
        """The media that make the rule match (none when it asks nothing of media), or None when it does not."""
        for delivery_test in self.delivery_tests:
            if not delivery_test(facts):
                return None
        if not self.medium_tests:
            return ()
        media = tuple(m for m in facts.evidence.media if all(medium_test(m) for medium_test in self.medium_tests))
        if self.table.action == "accept" and any(medium not in media for medium in facts.uninspected):
            return None
        return media or None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy ready to decide. `places` has the `file:line` of `default` and `on_uninspectable`; `anywhere` are the
    rules that name no instance, `by_instance` the numbers of the others by each label that they name."""

    file: str
    table: PolicyTable
    places: Mapping[str, str]
    rules: tuple[Rule, ...]
    lists: InstanceLists
    anywhere: tuple[Rule, ...]
    anywhere_without_media: tuple[Rule, ...]
    by_instance: Mapping[str, tuple[int, ...]]

    def candidates(self, facts: Facts) -> Sequence[Rule]:
        """The rules that can match, in order."""
        general = self.anywhere if facts.evidence.media else self.anywhere_without_media
        numbers = {number for label in facts.instance for number in self.by_instance.get(label, ())}
        if not numbers:
            return general
        numbers.update([rule.number for rule in general])
        return [self.rules[number] for number in sorted(numbers)]
