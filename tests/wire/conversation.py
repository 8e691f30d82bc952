"""Bytes for the edge, piece by piece, over memory streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import trio
import trio.testing

from relayfilter.errors import MalformedRequest
from relayfilter.request import InboxRequest, Response
from relayfilter.wire.idle import IdleStreams
from relayfilter.wire.limits import Limits
from relayfilter.wire.reader import Reader
from relayfilter.wire.server import Handler, serve_connection
from relayfilter.wire.stream import Stream

NOW = 1_800_000_000.0


class MemoryStream(Stream):
    """One end of a connection without a socket. Nothing goes at once, so that every wait is seen."""

    def __init__(self, send: trio.testing.MemorySendStream, receive: trio.testing.MemoryReceiveStream) -> None:
        self._send = send
        self._receive = receive

    def send_now(self, data: bytes | memoryview) -> int:
        return 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._send.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._send.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._send.aclose()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._receive.receive_some(max_bytes))

    def close(self) -> None:
        self._send.close()
        self._receive.close()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()


def memory_pair() -> tuple[MemoryStream, MemoryStream]:
    there, back = trio.testing.memory_stream_one_way_pair(), trio.testing.memory_stream_one_way_pair()
    return MemoryStream(there[0], back[1]), MemoryStream(back[0], there[1])


class Edge:
    """A served connection: `client` is the peer's end, the lists hold what was reported."""

    def __init__(self, handler: Handler | None = None, limits: Limits | None = None) -> None:
        self.client, server = memory_pair()
        self.server: Stream = server
        self.draining = trio.Event()
        self.idle = IdleStreams()
        self.requests: list[InboxRequest] = []
        self.malformed: list[MalformedRequest] = []
        self.crashes: list[Exception] = []
        self._handler = handler or self._accept
        self._limits = limits or Limits()

    async def _accept(self, request: InboxRequest) -> Response:
        return Response(200, body=b"ok")

    async def _handle(self, request: InboxRequest) -> Response:
        self.requests.append(request)
        return await self._handler(request)

    def _on_malformed(self, client: str, error: MalformedRequest) -> None:
        assert client == "peer"
        self.malformed.append(error)

    async def serve(self) -> None:
        await serve_connection(
            self.server,
            self._handle,
            self._limits,
            client="peer",
            on_malformed=self._on_malformed,
            on_crash=self.crashes.append,
            draining=self.draining,
            idle=self.idle,
            clock=lambda: NOW,
        )

    async def read_to_end(self) -> bytes:
        received = b""
        while chunk := await self.client.receive_some():
            received += chunk
        return received

    async def read_to_end_or_block(self) -> bytes:
        """What comes until nothing more does."""
        received = b""
        while True:
            with trio.move_on_after(0.01):
                chunk = await self.client.receive_some()
                received += chunk
                if chunk:
                    continue
            return received

    async def read_until(self, end: bytes) -> bytes:
        received = b""
        while not received.endswith(end):
            chunk = await self.client.receive_some()
            assert chunk, received
            received += chunk
        return received


class Spoken(Edge):
    """An Edge after the whole conversation; `answer` is all that the peer received."""

    answer: bytes

    @property
    def statuses(self) -> list[int]:
        return [int(part[:3]) for part in self.answer.split(b"HTTP/1.1 ")[1:]]


def speak(pieces: Iterable[bytes], handler: Handler | None = None, limits: Limits | None = None) -> Spoken:
    """Sends `pieces`, each of which is received before the next one is sent, then ends the peer's side."""
    edge = Spoken(handler, limits)

    async def send() -> None:
        for piece in pieces:
            try:
                await edge.client.send_all(piece)
            except trio.BrokenResourceError:
                break
            await trio.testing.wait_all_tasks_blocked()
        await edge.client.send_eof()

    async def main() -> None:
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(edge.serve)
                nursery.start_soon(send)
                edge.answer = await edge.read_to_end()

    trio.run(main)
    return edge


def take(pieces: Iterable[bytes], operation: Callable[[Reader], Awaitable[Any]]) -> tuple[Any, bytes]:
    """What `operation` makes of `pieces`, each received by itself, and what it leaves of them."""

    async def main() -> tuple[Any, bytes]:
        send, receive = trio.testing.memory_stream_one_way_pair()
        reader = Reader(receive)

        async def feed() -> None:
            for piece in pieces:
                await send.send_all(piece)
                await trio.testing.wait_all_tasks_blocked()
            await send.aclose()

        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(feed)
                try:
                    return await operation(reader), await reader.to_end(10_000)
                except MalformedRequest as error:
                    nursery.cancel_scope.cancel()
                    refused = error
        raise refused

    return trio.run(main)


def by_bytes(message: bytes) -> list[bytes]:
    return [message[index : index + 1] for index in range(len(message))]


def run_with_clock(main: Any) -> None:
    """Runs `main` on a clock that jumps to the next deadline as soon as nothing else happens."""
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
