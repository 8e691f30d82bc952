"""Ids of decisions: sortable by time, unique without coordination, short enough to type.

An id is a 63-bit integer: milliseconds since 2020 in the upper 42 bits, a counter below. People see it as 13 Crockford
base32 characters.
"""

from __future__ import annotations

_EPOCH_MS = 1_577_836_800_000
_COUNTER_BITS = 21
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LOOKALIKES = str.maketrans("ilo", "110")
WIDTH = 13


class IdSource:
    """Gives ids above `last`, each above the one before it, whatever the clock does."""

    def __init__(self, last: int) -> None:
        self._last = last

    def next(self, now: float) -> int:
        """An id for the wall-clock time `now`, in seconds."""
        self._last = max(self._last + 1, first_at(now))
        return self._last


def first_at(now: float) -> int:
    """The lowest id that can belong to the wall-clock time `now`."""
    return max(0, int(now * 1000) - _EPOCH_MS) << _COUNTER_BITS


def show(number: int) -> str:
    """The id as people see it."""
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (WIDTH - 1), -1, -5))


def read(text: str) -> int:
    """The id that somebody typed. Raises ValueError."""
    folded = text.strip().lower().translate(_LOOKALIKES)
    if len(folded) != WIDTH:
        raise ValueError(f"an id has {WIDTH} characters")
    number = 0
    for character in folded:
        digit = _ALPHABET.find(character)
        if digit < 0:
            raise ValueError("an id has only digits and small letters without i, l, o and u")
        number = number << 5 | digit
    if number >= 1 << 63:
        raise ValueError("no id is that large")
    return number
