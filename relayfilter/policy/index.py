"""How hundreds of rules are asked at once.

A set of rules is one integer: bit n stands for rule n. Each condition keeps, for every value that some rule names, the
rules that name it, so that a fact (this host, this type, this score) leads straight to all rules that it satisfies, and
a delivery meets the rules that hold for every fact by a handful of ANDs. The lowest bit left is the first rule that
matches. Rules that do not ask a condition hold whatever the fact is.

Numbers work alike: all limits that any rule compares with cut the line into points and gaps, and the rules that hold on
each are worked out beforehand.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from relayfilter.policy.comparisons import Comparison, parse_comparison

S_contra = TypeVar("S_contra", contravariant=True)
S = TypeVar("S")
K = TypeVar("K", bound=Hashable)

Rules = int
Index = Callable[[S], Rules]

UNKNOWN: Final = "unknown"


class Condition(Protocol[S_contra]):
    """One question that rules may ask about an S."""

    def check(self, value: Any) -> None:
        """Raises ValueError, saying what is wrong, when a rule may not ask for `value`."""

    def index(self, asked: Mapping[int, Any], rules: Rules) -> Callable[[S_contra], Rules]:
        """What tells which of `rules` an S satisfies, `asked` being what each rule that asks wants."""


class OneOf(msgspec.Struct, Generic[S], frozen=True):
    """The rule names values, of which the S must have one: `labels` gives those that it has, `parse` those that a rule
    means."""

    labels: Callable[[S], Iterable[Hashable]]
    parse: Callable[[Any], Iterable[Hashable]]

    def check(self, value: Any) -> None:
        self.parse(value)

    def index(self, asked: Mapping[int, Any], rules: Rules) -> Index[S]:
        labels = self.labels
        by_label = _group((label, rule) for rule, value in asked.items() for label in self.parse(value))
        others = rules & ~bits(asked)

        def holds(subject: S) -> Rules:
            found = others
            for label in labels(subject):
                found |= by_label.get(label, 0)
            return found

        return holds


class Compared(msgspec.Struct, Generic[S], frozen=True):
    """The rule names comparisons (or `unknown`), of which one must hold for one of the `numbers` of the S. No number
    satisfies `unknown` only."""

    numbers: Callable[[S], Iterable[float]]
    limit: Callable[[str], float]
    example: str
    may_be_unknown: bool = False

    def check(self, value: Any) -> None:
        self._comparisons(value)

    def index(self, asked: Mapping[int, Any], rules: Rules) -> Index[S]:
        wanted = {rule: self._comparisons(value) for rule, value in asked.items()}
        limits, holding = _regions(wanted)
        without = bits(rule for rule, comparisons in wanted.items() if None in comparisons)
        others, numbers = rules & ~bits(asked), self.numbers

        def holds(subject: S) -> Rules:
            found = 0
            known = False
            for number in numbers(subject):
                known = True
                found |= holding[bisect_left(limits, number) + bisect_right(limits, number)]
            return others | (found if known else without)

        return holds

    def _comparisons(self, value: str | list[str]) -> list[Comparison | None]:
        """Each comparison, and None for `unknown`."""
        return [
            None if text == UNKNOWN and self.may_be_unknown else parse_comparison(text, self.limit, self.example)
            for text in any_of(value)
        ]


class ComparedByKey(msgspec.Struct, Generic[S], frozen=True):
    """The rule names a comparison for each of several keys: all must hold."""

    numbers: Callable[[S, str], Iterable[float]]
    limit: Callable[[str], float]
    example: str

    def check(self, value: dict[str, str]) -> None:
        if not value:
            raise ValueError("is empty, so that it would match everything")
        for key, text in value.items():
            self._compared(key).check(text)

    def index(self, asked: Mapping[int, dict[str, str]], rules: Rules) -> Index[S]:
        keys = dict.fromkeys(key for value in asked.values() for key in value)
        indexes = [
            self._compared(key).index({rule: value[key] for rule, value in asked.items() if key in value}, rules)
            for key in keys
        ]

        def holds(subject: S) -> Rules:
            found = rules
            for index in indexes:
                found &= index(subject)
            return found

        return holds

    def _compared(self, key: str) -> Compared[S]:
        return Compared(lambda subject: self.numbers(subject, key), self.limit, self.example)


def any_of(value: str | list[str]) -> frozenset[str]:
    """What a rule names, one or several. Raises ValueError when that is nothing."""
    wanted = frozenset([value] if isinstance(value, str) else value)
    if not wanted or "" in wanted:
        raise ValueError("is empty, so that it would match nothing")
    return wanted


def first(rules: Rules) -> int:
    """The number of the first of `rules`, of which there is one at least."""
    return (rules & -rules).bit_length() - 1


def bits(numbers: Iterable[int]) -> Rules:
    """The rules with these numbers, each given once."""
    return sum(1 << number for number in numbers)


def _group(pairs: Iterable[tuple[K, int]]) -> dict[K, Rules]:
    grouped: dict[K, Rules] = {}
    for key, rule in pairs:
        grouped[key] = grouped.get(key, 0) | 1 << rule
    return grouped


def _regions(wanted: Mapping[int, list[Comparison | None]]) -> tuple[list[float], list[Rules]]:
    """All limits in order, and the rules that hold below the first, on the first, between it and the second, ..."""
    compared = [(rule, comparison) for rule, comparisons in wanted.items() for comparison in comparisons if comparison]
    limits = sorted({comparison.limit for _, comparison in compared})
    if not limits:
        return [], [0]
    probes = [limits[0] - 1]
    for one, next_one in pairwise(limits):
        probes += [one, (one + next_one) / 2]
    probes += [limits[-1], limits[-1] + 1]
    return limits, [bits({rule for rule, (compare, limit) in compared if compare(probe, limit)}) for probe in probes]
