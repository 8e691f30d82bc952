"""Lists of known pictures, and whether a picture is on them.

A list is text: one hash in hex a line, optionally `,label`; blank lines and what follows `#` are skipped. 64 hex digits
may be a SHA-256 or a PDQ hash, so a list is declared with its algorithm.

Two PDQ hashes are of the same picture when at most 31 of their 256 bits differ and the quality is at least 50 (the
thresholds of ThreatExchange's PDQ paper). A list holds its pictures the way up they were hashed; the picture at hand is
looked up in all eight.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from relayfilter.errors import ConfigError
from relayfilter.media.finding import HashMatched, Picture

Algorithm = Literal["pdq", "sha256"]
MAX_DISTANCE = 31
MIN_QUALITY = 50
TEST_CARD = "testcard"


class HashListSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[hash_lists]]` table: `max_distance` is in bits and means nothing to exact algorithms."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
    file: str
    algorithm: Algorithm
    max_distance: Annotated[int, msgspec.Meta(ge=0, le=MAX_DISTANCE)] = MAX_DISTANCE


class HashList(msgspec.Struct, frozen=True):
    """`entries` maps each hash to its label (its own hex where the list gives none)."""

    name: str
    algorithm: Algorithm
    max_distance: int
    entries: dict[int, str]


# The hash of what `relayfilter.media.testcard` draws; here, so that matching it needs no drawing.
TEST_CARD_LIST = HashList(
    name=TEST_CARD,
    algorithm="pdq",
    max_distance=MAX_DISTANCE,
    entries={0x3C6403D9C5E3BC4183FFFC2BFA1903F638BC211CDD62DEE03291C631E33139CC: "relayfilter test card"},
)


def parse_hash_list(text: str, settings: HashListSettings) -> HashList:
    """The list in `text`, which is the content of `settings.file`. Raises ConfigError with file and line."""
    if settings.name == TEST_CARD:
        raise ConfigError(f"the name `{TEST_CARD}` is taken by the built-in list", file=settings.file)
    entries: dict[int, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        digits, _, label = line.partition("#")[0].partition(",")
        digits = digits.strip().lower()
        if not digits and not label.strip():
            continue
        if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
            raise ConfigError(f"expected 64 hex digits ({settings.algorithm})", file=settings.file, line=number)
        entries.setdefault(int(digits, 16), label.strip() or digits)
    return HashList(
        name=settings.name, algorithm=settings.algorithm, max_distance=settings.max_distance, entries=entries
    )


class HashLists:
    """The configured lists, and always the test card's."""

    def __init__(self, lists: Iterable[HashList] = ()) -> None:
        self._lists = (TEST_CARD_LIST, *lists)

    def sizes(self) -> dict[str, int]:
        """How many entries each list has."""
        return {each.name: len(each.entries) for each in self._lists}

    def match(self, picture: Picture) -> tuple[HashMatched, ...]:
        """The closest entry of every list that `picture` is on."""
        nearest = (_nearest(each, picture) for each in self._lists)
        return tuple(found for found in nearest if found is not None)


def _nearest(known: HashList, picture: Picture) -> HashMatched | None:
    if known.algorithm == "sha256":
        label = known.entries.get(int.from_bytes(picture.sha256, "big"))
        return None if label is None else _matched(known, 0, label)
    if picture.pdq_quality < MIN_QUALITY:
        return None
    variants = [int.from_bytes(each, "big") for each in picture.pdq]
    distances = [(min((entry ^ each).bit_count() for each in variants), entry) for entry in known.entries]
    distance, entry = min(distances, default=(known.max_distance + 1, 0))
    return _matched(known, distance, known.entries[entry]) if distance <= known.max_distance else None


def _matched(known: HashList, distance: int, label: str) -> HashMatched:
    return HashMatched(list=known.name, algorithm=known.algorithm, distance=distance, entry=label)
