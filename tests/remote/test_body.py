from __future__ import annotations

import gzip

import pytest

from relayfilter.remote.body import FIRST_BYTES, Body, Enough, Limits

TEXT = b"what was said, " * 500


def feed(
    data: bytes, limits: Limits, *, size: int = 4096, encodings: tuple[bytes, ...] = (), lengths: tuple[bytes, ...] = ()
) -> Body:
    body = Body(limits, 200, "text/plain")
    body.begin(list(encodings), list(lengths))
    for start in range(0, len(data), size):
        if body.done:
            break
        body.take(data[start : start + size])
    if not body.done:
        body.end()
    assert body.done
    return body


def reason(body: Body) -> str | None:
    return body.failure.reason if body.failure else None


@pytest.mark.parametrize("size", [1, 3, 4096, 100_000])
@pytest.mark.parametrize("encoding", [b"", b"identity", b"gzip", b"X-GZIP"])
def test_whole_however_it_arrives(size: int, encoding: bytes) -> None:
    sent = gzip.compress(TEXT) if b"gzip" in encoding.lower() else TEXT
    body = feed(sent, Limits(len(TEXT), gzip=True), size=size, encodings=(encoding,))
    assert body.failure is None
    assert bytes(body.data) == TEXT


@pytest.mark.parametrize("size", [1, 4096])
@pytest.mark.parametrize("encoding", [b"", b"gzip"])
def test_one_byte_too_many(size: int, encoding: bytes) -> None:
    sent = gzip.compress(TEXT) if encoding else TEXT
    body = feed(sent, Limits(len(TEXT) - 1, gzip=True), size=size, encodings=(encoding,) if encoding else ())
    assert reason(body) == "too-large"


def test_a_bomb_is_inflated_no_further_than_the_cap() -> None:
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)
    body = feed(bomb, Limits(10_000, gzip=True), size=len(bomb), encodings=(b"gzip",))
    assert reason(body) == "too-large"
    assert len(body.data) == 10_001


@pytest.mark.parametrize(
    ("sent", "encodings"),
    [
        (gzip.compress(TEXT)[:-5], (b"gzip",)),
        (gzip.compress(TEXT) + gzip.compress(TEXT), (b"gzip",)),
        (gzip.compress(TEXT) + b"x", (b"gzip",)),
        (b"", (b"gzip",)),
        (TEXT, (b"gzip",)),
        (gzip.compress(gzip.compress(TEXT)), (b"gzip", b"gzip")),
        (TEXT, (b"br",)),
        (TEXT, (b"identity, gzip",)),
    ],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_encodings_that_are_refused(sent: bytes, encodings: tuple[bytes, ...], size: int) -> None:
    assert reason(feed(sent, Limits(100_000, gzip=True), size=size, encodings=encodings)) == "encoding"


def test_gzip_is_refused_where_it_is_not_wanted() -> None:
    assert reason(feed(gzip.compress(TEXT), Limits(100_000), encodings=(b"gzip",))) == "encoding"


def test_an_announced_length_is_believed_when_it_is_too_large() -> None:
    assert reason(feed(b"", Limits(10), lengths=(b"11",))) == "too-large"
    assert reason(feed(b"", Limits(10), lengths=(b"10", b"11"))) == "too-large"
    assert reason(feed(b"x" * 10, Limits(10), lengths=(b"10",))) is None


def recorder(answers: list[bool], asked: list[bytes]) -> Enough:
    def enough(status: int, content_type: str, first: bytes) -> bool:
        assert (status, content_type) == (200, "text/plain")
        asked.append(first)
        return answers.pop(0)

    return enough


@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_enough_is_asked_at_the_head_and_at_the_first_bytes(size: int) -> None:
    asked: list[bytes] = []
    body = feed(TEXT, Limits(100_000, enough=recorder([False, True], asked)), size=size)
    assert asked == [b"", TEXT[:FIRST_BYTES]]
    assert body.failure is None
    assert TEXT.startswith(bytes(body.data))
    assert len(body.data) < FIRST_BYTES + size


def test_enough_is_asked_once_for_a_short_body_and_no_more_for_a_long_one() -> None:
    for text, first in ((b"short", b"short"), (TEXT, TEXT[:FIRST_BYTES])):
        asked: list[bytes] = []
        body = feed(text, Limits(100_000, enough=recorder([False, False], asked)), size=7)
        assert asked == [b"", first]
        assert bytes(body.data) == text


def test_enough_at_the_head_excuses_what_the_head_announces() -> None:
    body = feed(b"", Limits(10, enough=lambda _status, _type, _first: True), encodings=(b"br",), lengths=(b"99",))
    assert body.failure is None


def test_a_failure_is_not_excused_by_having_enough() -> None:
    limits = Limits(FIRST_BYTES - 1, enough=lambda _status, _type, first: first != b"")
    assert reason(feed(TEXT, limits)) == "too-large"
