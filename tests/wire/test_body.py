from __future__ import annotations

import pytest

from relayfilter.errors import MalformedRequest
from relayfilter.wire.body import read_body
from relayfilter.wire.head import Framing
from relayfilter.wire.reader import Truncated
from tests.wire.conversation import by_bytes, take

LIMIT = 20


def read(pieces: list[bytes], framing: Framing) -> tuple[bytes, bytes]:
    """The body, and what is left behind it."""
    return take(pieces, lambda reader: read_body(reader, framing, LIMIT))


GOOD: list[tuple[bytes, Framing, bytes, bytes]] = [
    (b"abcdefNEXT", 6, b"abcdef", b"NEXT"),
    (b"NEXT", 0, b"", b"NEXT"),
    (b"0\r\n\r\nNEXT", "chunked", b"", b"NEXT"),
    (b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\nNEXT", "chunked", b"abcdef", b"NEXT"),
    (b"00000003\r\nabc\r\n000\r\n\r\n", "chunked", b"abc", b""),
    (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "chunked", b"0123456789" * 2, b""),
    (b'3;name="a\tb \xe9";x\r\nabc\r\n0;last\r\n\r\n', "chunked", b"abc", b""),
    (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", "chunked", b"\r\n\r\n", b""),
    (b"1\r\na\r\n" * 20 + b"0\r\n\r\n", "chunked", b"a" * 20, b""),
    (b"abcdef", "to-end", b"abcdef", b""),
]


@pytest.mark.parametrize(("data", "framing", "body", "left"), GOOD)
def test_reads_one_body_and_nothing_behind_it(data: bytes, framing: Framing, body: bytes, left: bytes) -> None:
    assert read([data], framing) == (body, left)
    assert read(by_bytes(data), framing) == (body, left)
    for cut in range(1, len(data)):
        assert read([data[:cut], data[cut:]], framing) == (body, left)


BAD = {
    "no size": (b"\r\nabc\r\n0\r\n\r\n", 400),
    "not hexadecimal": (b"3g\r\nabc\r\n0\r\n\r\n", 400),
    "0x": (b"0x3\r\nabc\r\n0\r\n\r\n", 400),
    "signed": (b"+3\r\nabc\r\n0\r\n\r\n", 400),
    "negative": (b"-3\r\nabc\r\n0\r\n\r\n", 400),
    "underscore": (b"1_0\r\nabc\r\n0\r\n\r\n", 400),
    "blank before the size": (b" 3\r\nabc\r\n0\r\n\r\n", 400),
    "blank behind the size": (b"3 \r\nabc\r\n0\r\n\r\n", 400),
    "nine digits": (b"000000003\r\nabc\r\n0\r\n\r\n", 400),
    "wraps at 2^64": (b"10000000000000003\r\nabc\r\n0\r\n\r\n", 400),
    "size ends with a bare LF": (b"3\nabc\r\n0\r\n\r\n", 400),
    "size ends with a bare CR": (b"3\rabc\r\n0\r\n\r\n", 400),
    "bare LF in an extension": (b"3;a\nabc\r\n0\r\n\r\n", 400),
    "bare CR in an extension": (b"3;a\rb\r\nabc\r\n0\r\n\r\n", 400),
    "NUL in an extension": (b"3;a\x00\r\nabc\r\n0\r\n\r\n", 400),
    "extension too long": (b"3;" + b"a" * 300 + b"\r\nabc\r\n0\r\n\r\n", 400),
    "chunk longer than its size": (b"3\r\nabcd\r\n0\r\n\r\n", 400),
    "chunk ends with other bytes": (b"3\r\nabcde0\r\n\r\n", 400),
    "chunk ends with a bare LF": (b"3\r\nabc\n0\r\n\r\n\r\n", 400),
    "trailer": (b"0\r\nHost: other.example\r\n\r\n", 400),
    "last chunk ends with a bare LF": (b"0\r\n\n\r\n\r\n", 400),
    "one chunk too large": (b"15\r\n" + b"a" * 21 + b"\r\n0\r\n\r\n", 413),
    "largest size there is": (b"ffffffff\r\n", 413),
    "chunks too large together": (b"1\r\na\r\n" * 21 + b"0\r\n\r\n", 413),
}


@pytest.mark.parametrize(("data", "status"), BAD.values(), ids=BAD.keys())
def test_refuses_chunk_games(data: bytes, status: int) -> None:
    for pieces in ([data], by_bytes(data)):
        with pytest.raises(MalformedRequest) as refused:
            read(pieces, "chunked")
        assert refused.value.status == status
        assert not isinstance(refused.value, Truncated)


def test_extensions_are_bounded_for_the_whole_body() -> None:
    with pytest.raises(MalformedRequest, match="extensions"):
        read([(b"1;" + b"x" * 250 + b"\r\na\r\n") * 17 + b"0\r\n\r\n"], "chunked")


@pytest.mark.parametrize(
    ("data", "framing"),
    [(b"abc", 4), (b"3\r\nab", "chunked"), (b"3\r\nabc\r\n", "chunked"), (b"0\r\n", "chunked"), (b"3", "chunked")],
)
def test_a_hang_up_in_a_body_is_no_body(data: bytes, framing: Framing) -> None:
    with pytest.raises(Truncated):
        read([data], framing)


def test_a_body_to_the_end_is_bounded() -> None:
    with pytest.raises(MalformedRequest) as refused:
        read([b"a" * 21], "to-end")
    assert refused.value.status == 413
