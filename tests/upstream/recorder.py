"""A server on loopback that follows a script and keeps every byte it received."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import trio
import trio.testing

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Connection:
    """One accepted connection. `requests` are the bytes of each request so far."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.requests: list[bytes] = []

    async def receive_until(self, end: bytes) -> None:
        """Records the next request, which ends with `end`."""
        request = await self._receive()
        self.requests.append(request)
        while not request.endswith(end):
            request += await self._receive()
            self.requests[-1] = request

    async def _receive(self) -> bytes:
        chunk = await self.stream.receive_some()
        if not chunk:
            raise EOFError
        return bytes(chunk)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    def reset(self) -> None:
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()


Script = Callable[[Connection], Awaitable[None]]


class Recorder:
    """Plays `scripts`, one for each connection in the order they come; the last one for all that follow."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self.connections: list[Connection] = []
        self.hung_up = trio.Event()

    @property
    def requests(self) -> list[list[bytes]]:
        """What each connection received."""
        return [connection.requests for connection in self.connections]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Its URL, while it runs. `hung_up` is set when a connection has ended."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_listeners, self._serve, [listener])
                yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
                nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        script = self._scripts[min(len(self.connections), len(self._scripts) - 1)]
        connection = Connection(stream)
        self.connections.append(connection)
        with contextlib.suppress(EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
            await script(connection)
        stream.socket.close()
        self.hung_up.set()


def answering(*answers: bytes, end: bytes = b"hello") -> Script:
    """Gives one of `answers` to each request that ends with `end`, then hangs up."""

    async def script(connection: Connection) -> None:
        for answer in answers:
            await connection.receive_until(end)
            await connection.send(answer)

    return script
