"""The JSON Canonicalization Scheme (RFC 8785): one text for one value.

Members in the order of their names' UTF-16 code units, no blanks, strings escaped only where JSON demands it, numbers
as ECMAScript writes doubles (ECMA-262, Number::toString).
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any


def canonical_json(value: Any) -> bytes:
    """The canonical text of a decoded JSON value. Raises ValueError for what JSON cannot hold: NaN, infinities,
    unpaired surrogates, a number beyond doubles."""
    return "".join(_parts(value)).encode("utf-8")


def _parts(value: Any) -> list[str]:
    match value:
        case dict():
            members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
            inner = [[json.dumps(name, ensure_ascii=False), ":", *_parts(member)] for name, member in members]
            return ["{", *_separated(inner), "}"]
        case list():
            return ["[", *_separated([_parts(item) for item in value]), "]"]
        case str() | bool() | None:
            return [json.dumps(value, ensure_ascii=False)]
        case int() | float():
            return [_number(value)]
    raise ValueError(f"{type(value).__name__} is not JSON")


def _separated(items: list[list[str]]) -> list[str]:
    return [part for index, item in enumerate(items) for part in ([",", *item] if index else item)]


def _number(value: float) -> str:
    """An integer beyond 2^53 is written as the double that an ECMAScript sender had in its hands."""
    try:
        double = float(value)
    except OverflowError:
        raise ValueError("a number beyond doubles") from None
    if not math.isfinite(double):
        raise ValueError("not a finite number")
    if double == 0:
        return "0"
    sign, numerals, exponent = Decimal(repr(double)).normalize().as_tuple()
    assert isinstance(exponent, int)
    digits = "".join(map(str, numerals))
    point = len(digits) + exponent
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        text = f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{point - 1:+d}"
    return f"-{text}" if sign else text
