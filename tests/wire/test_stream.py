from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from relayfilter.wire.stream import SocketStream


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[trio.SocketStream, SocketStream]]:
    """A peer and our end."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        peer = await trio.testing.open_stream_to_socket_listener(listener)
        ours = SocketStream(await listener.accept())
        with trio.fail_after(10):
            async with peer, ours:
                yield peer, ours


def test_bytes_go_both_ways_and_end() -> None:
    async def main() -> None:
        async with connected() as (peer, ours):
            await peer.send_all(b"ping")
            assert await ours.receive_some() == b"ping"
            assert ours.send_now(b"pong") == 4
            await ours.send_all(b"!")
            assert await peer.receive_some() == b"pong!"
            await ours.send_eof()
            assert await peer.receive_some() == b""
            await peer.send_all(b"still")
            assert await ours.receive_some(2) == b"st"
            await peer.aclose()
            assert await ours.receive_some() == b"ill"
            assert await ours.receive_some() == b""

    trio.run(main)


def test_more_than_the_kernel_takes_at_once_is_sent_whole() -> None:
    data = bytes(range(256)) * 100_000

    async def main() -> None:
        async with connected() as (peer, ours):
            received = bytearray()

            async def send() -> None:
                await ours.send_all(data)
                await ours.send_eof()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                while chunk := await peer.receive_some():
                    received += chunk
            assert received == data

    trio.run(main)


def test_a_full_socket_takes_nothing_and_waits() -> None:
    async def main() -> None:
        async with connected() as (_, ours):
            while ours.send_now(b"a" * 65536):
                pass
            with trio.move_on_after(0.01) as scope:
                await ours.send_all(b"a")
            assert scope.cancelled_caught
            with trio.move_on_after(0.01) as scope:
                await ours.wait_send_all_might_not_block()
            assert scope.cancelled_caught

    trio.run(main)


def test_a_reset_breaks_the_stream() -> None:
    async def main() -> None:
        async with connected() as (peer, ours):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await peer.aclose()
            with pytest.raises(trio.BrokenResourceError):
                await ours.receive_some()
            with pytest.raises(trio.BrokenResourceError):
                await ours.send_all(b"a")
            with pytest.raises(trio.BrokenResourceError):
                await ours.send_eof()

    trio.run(main)


def test_closing_wakes_who_waits_and_ends_every_use() -> None:
    async def main() -> None:
        async with connected() as (_, ours):

            async def wait() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await ours.receive_some()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                ours.close()
            await wait()
            with pytest.raises(trio.ClosedResourceError):
                ours.send_now(b"a")
            with pytest.raises(trio.ClosedResourceError):
                await ours.send_all(b"a")
            with pytest.raises(trio.ClosedResourceError):
                await ours.send_eof()
            ours.close()
            await ours.aclose()

    trio.run(main)


def test_takes_over_the_socket() -> None:
    async def main() -> None:
        async with connected() as (peer, ours):
            theirs = SocketStream(peer)
            assert peer.socket.fileno() == -1
            assert theirs.socket.family == socket.AF_INET
            assert not theirs.socket.getblocking()
            await ours.send_all(b"a")
            assert await theirs.receive_some() == b"a"
            theirs.close()

    trio.run(main)
