"""Numbers in a policy: `>= 0.85`, `< 7d`, `30d`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Final, NamedTuple

_COMPARISON = re.compile(r"(>=|<=|>|<|=)\s*(\S+)")
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}


class Comparison(NamedTuple):
    """Holds for a number when `compare(number, limit)` is true."""

    compare: Callable[[float, float], bool]
    limit: float


def parse_comparison(text: str, limit: Callable[[str], float], example: str) -> Comparison:
    """`text` as an operator and what `limit` reads. Raises ValueError, as `limit` may, and shows the `example`."""
    match = _COMPARISON.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no comparison such as {example!r} (with >=, <=, >, < or =)")
    return Comparison(_COMPARE[match[1]], limit(match[2]))


def parse_number(text: str) -> float:
    """Raises ValueError on what is not written in plain digits."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no plain number")
    return float(text)


def parse_score(text: str) -> float:
    """A number from 0 to 1. Raises ValueError."""
    score = parse_number(text)
    if score > 1:
        raise ValueError(f"{text!r}: a score is between 0 and 1")
    return score


def parse_span(text: str) -> float:
    """`90s`, `10m`, `12h`, `7d` or `2w` in seconds. Raises ValueError."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no span of time such as '90s', '10m', '12h', '7d' or '2w'")
    return float(match[1]) * _SECONDS[match[2]]


def parse_span_or_forever(text: str) -> float:
    """As `parse_span`, and `forever` is infinite. Raises ValueError."""
    return math.inf if text.strip() == "forever" else parse_span(text)
