"""The policy: an ordered list of named rules, compiled once from the file (see load.py).

The first rule that matches decides. When none does, `on_uninspectable` decides over a delivery with a medium that was
not fully looked at, and `default` over all others. See conditions.py for what rules can ask, and index.py for how all
of them are asked at once.

A rule decides over the whole delivery, so an `accept` that is earned by one medium could let another in. It therefore
only matches when every medium that was not fully looked at is among those that it asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from relayfilter.policy.conditions import OF_DELIVERY, OF_MEDIUM, Facts
from relayfilter.policy.evidence import InspectedMedia
from relayfilter.policy.index import Condition, Index, Rules, bits, first
from relayfilter.policy.lists import NamedLists
from relayfilter.policy.tables import PolicyTable, RuleTable

S = TypeVar("S")


class Rule(msgspec.Struct, frozen=True):
    """`place` is its `file:line`."""

    place: str
    table: RuleTable

    def asks_of_media(self) -> bool:
        """Whether only a delivery with media can match."""
        return not OF_MEDIUM.keys().isdisjoint(self.table.when.asked())


class Match(msgspec.Struct, frozen=True):
    """A rule, and the media that make it match (none when it asks nothing of media)."""

    rule: Rule
    media: tuple[InspectedMedia, ...]


class RuleIndex(msgspec.Struct, frozen=True):
    """The rules as bits: all, those that ask something of media, and of those the ones that accept; then what tells
    which rules a delivery and a medium satisfy, condition by condition."""

    all: Rules
    of_media: Rules
    accept_by_media: Rules
    delivery: tuple[Index[Facts], ...]
    medium: tuple[Index[InspectedMedia], ...]

    @classmethod
    def of(cls, rules: tuple[Rule, ...]) -> RuleIndex:
        everyone = (1 << len(rules)) - 1
        of_media = [number for number, rule in enumerate(rules) if rule.asks_of_media()]
        return cls(
            all=everyone,
            of_media=bits(of_media),
            accept_by_media=bits(number for number in of_media if rules[number].table.action == "accept"),
            delivery=_indexes(OF_DELIVERY, rules, everyone),
            medium=_indexes(OF_MEDIUM, rules, everyone),
        )

    def by_facts(self, facts: Facts) -> Rules:
        """The rules that hold for a delivery, whatever they ask of media."""
        rules = self.all
        for holds in self.delivery:
            rules &= holds(facts)
        return rules

    def by_medium(self, medium: InspectedMedia, among: Rules) -> Rules:
        """Those `among` the rules that ask something of media and get it from `medium`."""
        rules = among & self.of_media
        for holds in self.medium:
            rules &= holds(medium)
        return rules


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy ready to decide.

    `withhold_for` is for how many seconds the objects of a rejected delivery stay withheld (infinite for ever);
    `defer_attempts` and `defer_within` (seconds) how often and how long a delivery may be answered 503 because
    something failed for now. `places` has the `file:line` of `default` and `on_uninspectable`; `skipped` by
    list the `file:line: entry` of what stands in its file but cannot be read.
    """

    file: str
    table: PolicyTable
    places: Mapping[str, str]
    withhold_for: float
    defer_attempts: int
    defer_within: float
    rules: tuple[Rule, ...]
    index: RuleIndex
    lists: NamedLists
    skipped: Mapping[str, list[str]]

    def first_match(self, facts: Facts) -> Match | None:
        """The first rule that matches."""
        index, media = self.index, facts.evidence.media
        matching = index.by_facts(facts)
        wanting = [index.by_medium(medium, matching) for medium in media] if matching & index.of_media else []
        wanted = 0
        for rules in wanting:
            wanted |= rules
        for rules, uninspected in zip(wanting, facts.uninspected, strict=False):
            if uninspected:
                wanted &= rules | ~index.accept_by_media
        matching &= wanted | ~index.of_media
        if not matching:
            return None
        number = first(matching)
        return Match(
            self.rules[number],
            tuple(medium for medium, rules in zip(media, wanting, strict=False) if rules >> number & 1),
        )


def _indexes(conditions: Mapping[str, Condition[S]], rules: tuple[Rule, ...], everyone: Rules) -> tuple[Index[S], ...]:
    asked = [rule.table.when.asked() for rule in rules]
    wanted = {name: {number: when[name] for number, when in enumerate(asked) if name in when} for name in conditions}
    return tuple(conditions[name].index(values, everyone) for name, values in wanted.items() if values)
