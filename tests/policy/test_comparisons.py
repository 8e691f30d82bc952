from __future__ import annotations

import math

import pytest

from relayfilter.policy.comparisons import (
    parse_comparison,
    parse_number,
    parse_score,
    parse_span,
    parse_span_or_forever,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600), ("1.5h", 5400), (" 0s ", 0)],
)
def test_spans(text: str, seconds: float) -> None:
    assert parse_span(text) == parse_span_or_forever(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "7", "d", "7 d", "7days", "-7d", "7d12h", "1e3s", "\u0667d", "9" * 20 + "d", "forever"]
)
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="no span of time"):
        parse_span(text)


def test_forever() -> None:
    assert parse_span_or_forever(" forever") == math.inf
    with pytest.raises(ValueError, match="no span of time"):
        parse_span_or_forever("for ever")


@pytest.mark.parametrize(
    ("text", "below", "equal", "above"),
    [
        (">= 2", False, True, True),
        (" <=2 ", True, True, False),
        (">2", False, False, True),
        ("<  2", True, False, False),
        ("= 2.0", False, True, False),
    ],
)
def test_comparisons(text: str, below: bool, equal: bool, above: bool) -> None:
    compare, limit = parse_comparison(text, parse_number, "> 1")
    assert [compare(number, limit) for number in (1.9, 2, 2.1)] == [below, equal, above]


@pytest.mark.parametrize(
    "text", ["", "2", "=> 2", "== 2", "> 2 3", "> two", "> -1", "> nan", "> inf", "> 1e3", "> 0x2"]
)
def test_what_is_no_comparison(text: str) -> None:
    with pytest.raises(ValueError, match=r"no comparison such as '> 1'|no plain number"):
        parse_comparison(text, parse_number, "> 1")


def test_scores_end_at_one() -> None:
    assert parse_score("1.0") == 1
    with pytest.raises(ValueError, match="between 0 and 1"):
        parse_score("1.01")
