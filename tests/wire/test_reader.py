from __future__ import annotations

import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from relayfilter.errors import MalformedRequest
from relayfilter.wire.reader import Reader, Truncated
from tests.wire.conversation import take


def read(data: bytes, operation: Callable[[Reader], Awaitable[Any]], piece: int) -> tuple[Any, bytes]:
    """What `operation` makes of `data`, received in pieces of that many bytes, and what it leaves."""
    return take([data[at : at + piece] for at in range(0, len(data), piece)], operation)


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("data", "operation", "expected", "left"),
    [
        (b"a\r\nb\r\n\r\nrest", lambda reader: reader.head(100), b"a\r\nb\r\n\r\n", b"rest"),
        (b"a\r\n\r\n\r\n\r\n", lambda reader: reader.head(100), b"a\r\n\r\n", b"\r\n\r\n"),
        (b"a\r\nb\r\n\r\n", lambda reader: reader.head(8), b"a\r\nb\r\n\r\n", b""),
        (b"abc\r\nrest", lambda reader: reader.line(3), b"abc", b"rest"),
        (b"\r\nrest", lambda reader: reader.line(3), b"", b"rest"),
        (b"abcdef", lambda reader: reader.exactly(4), b"abcd", b"ef"),
        (b"abcdef", lambda reader: reader.exactly(0), b"", b"abcdef"),
        (b"abcdef", lambda reader: reader.to_end(6), b"abcdef", b""),
    ],
)
def test_takes_one_piece_and_leaves_the_rest(
    data: bytes, operation: Callable[[Reader], Awaitable[bytes]], expected: bytes, left: bytes, piece: int
) -> None:
    assert read(data, operation, piece) == (expected, left)


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("data", "operation", "status"),
    [
        (b"a\r\nb\r\n\r\n", lambda reader: reader.head(7), 431),
        (b"a\r\n" + b"b" * 20, lambda reader: reader.head(8), 431),
        (b"a" * 20, lambda reader: reader.head(8), 414),
        (b"aaaaaaaa\r\n\r\n", lambda reader: reader.head(8), 414),
        (b"a\nb\n\nrest of a request that never ends", lambda reader: reader.head(100), 400),
        (b"a\r\nb\nrest", lambda reader: reader.head(100), 400),
        (b"abcd\r\n", lambda reader: reader.line(3), 400),
        (b"abcdefg", lambda reader: reader.line(3), 400),
        (b"abcdefg", lambda reader: reader.to_end(6), 413),
    ],
)
def test_refuses_what_is_too_long_however_it_arrives(
    data: bytes, operation: Callable[[Reader], Awaitable[bytes]], status: int, piece: int
) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read(data, operation, piece)
    assert refused.value.status == status
    assert not isinstance(refused.value, Truncated)


@pytest.mark.parametrize(
    ("data", "operation"),
    [
        (b"a\r\n\r", lambda reader: reader.head(100)),
        (b"", lambda reader: reader.head(100)),
        (b"a\r", lambda reader: reader.line(100)),
        (b"abc", lambda reader: reader.exactly(4)),
    ],
)
def test_a_hang_up_in_the_middle_is_told_apart(data: bytes, operation: Callable[[Reader], Awaitable[bytes]]) -> None:
    with pytest.raises(Truncated):
        read(data, operation, 1)


def test_a_reset_is_not_an_end() -> None:
    async def main() -> None:
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        async with listener:
            client = await trio.testing.open_stream_to_socket_listener(listener)
            server = await listener.accept()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await client.send_all(b"half an answer")
            await client.aclose()
            async with server:
                with pytest.raises(Truncated, match="reset"):
                    await Reader(server).to_end(100)

    trio.run(main)


def test_a_head_in_single_bytes_costs_linear_work() -> None:
    class Drip(trio.abc.ReceiveStream):
        """One byte a time, without the scheduler."""

        left = 0

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            self.left -= 1
            return b"a" if self.left >= 0 else b""

        async def aclose(self) -> None:
            pass

    def seconds(count: int) -> float:
        drip = Drip()
        drip.left = count
        started = time.perf_counter()
        with pytest.raises(Truncated):
            trio.run(Reader(drip).head, 10 * count)
        return time.perf_counter() - started

    seconds(1000)
    assert seconds(160_000) < 40 * min(seconds(10_000) for _ in range(3))
