from __future__ import annotations

import math

import pytest

from relayfilter.policy.comparisons import parse_number, parse_score
from relayfilter.policy.index import Compared, ComparedByKey, OneOf, any_of, bits, first

NUMBERS = Compared[list[float]](lambda numbers: numbers, parse_number, "> 1", may_be_unknown=True)
ASKED = {0: "> 2", 2: ["< 1", ">= 5"], 3: "= 2", 5: "unknown", 6: ["unknown", "<= 2"]}
OTHERS = bits([1, 4])


@pytest.mark.parametrize(
    ("numbers", "rules"),
    [
        ([], [5, 6]),
        ([-math.inf], [2, 6]),
        ([0], [2, 6]),
        ([1], [6]),
        ([1.5], [6]),
        ([2], [3, 6]),
        ([2.000001], [0]),
        ([4.9], [0]),
        ([5], [0, 2]),
        ([1e300], [0, 2]),
        ([2, 5], [0, 2, 3, 6]),
    ],
)
def test_comparisons(numbers: list[float], rules: list[int]) -> None:
    assert NUMBERS.index(ASKED, bits(range(7)))(numbers) == bits(rules) | OTHERS


def test_only_unknown_is_asked_for() -> None:
    holds = NUMBERS.index({0: "unknown"}, bits([0, 1]))
    assert (holds([]), holds([3])) == (bits([0, 1]), bits([1]))


def test_unknown_must_be_allowed() -> None:
    with pytest.raises(ValueError, match="no comparison such as '> 1'"):
        Compared[list[float]](lambda numbers: numbers, parse_number, "> 1").check("unknown")


def test_values() -> None:
    holds = OneOf[list[str]](lambda labels: labels, any_of).index({0: "a", 1: ["a", "b"], 2: "c"}, bits(range(4)))
    assert holds([]) == bits([3])
    assert holds(["a"]) == bits([0, 1, 3])
    assert holds(["b", "c", "d"]) == bits([1, 2, 3])


def test_comparisons_by_key_must_all_hold() -> None:
    condition = ComparedByKey[dict[str, float]](
        lambda numbers, key: filter(None, [numbers.get(key)]), parse_score, "> 1"
    )
    holds = condition.index({0: {"a": "> 0.5"}, 1: {"a": "> 0.5", "b": "< 0.5"}}, bits(range(3)))
    assert holds({"a": 0.6}) == bits([0, 2])
    assert holds({"a": 0.6, "b": 0.4}) == bits([0, 1, 2])
    assert holds({"b": 0.4}) == bits([2])


def test_first() -> None:
    assert [first(bits([499])), first(bits([3, 4])), first(1)] == [499, 3, 0]
