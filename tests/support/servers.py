"""Small real servers on loopback that answer with a script of bytes: plain or TLS, and as hostile as a test needs.

    async with serving(says(OK + b"hello"), tls=authority.server("a.example")) as server:
        ...
    assert server.heads == [b"GET / HTTP/1.1..."]

A script is an async function that gets the Conversation with one client, after the head of its request was read; the
connection is closed when it returns. What a client did is on the server: `heads`, `server_names` (SNI), `connections`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trustme

from relayfilter.remote.settings import FetchSettings, TestingSettings

_HEAD_LIMIT = 64 * 1024


class Conversation:
    """One connection of a client, whose request `head` has been read."""

    def __init__(self, stream: trio.abc.Stream, head: bytes) -> None:
        self._stream = stream
        self.head = head

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def until_hung_up(self) -> None:
        """Returns when the client closes the connection."""
        try:
            while await self._stream.receive_some(4096):
                pass
        except trio.BrokenResourceError:
            return


Script = Callable[[Conversation], Awaitable[None]]


class Server:
    """What `serving` yields. `hung_up` is set when a client closes a connection whose script still speaks or waits."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.heads: list[bytes] = []
        self.server_names: list[str | None] = []
        self.asked = trio.Event()
        self.hung_up = trio.Event()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"


class Authority:
    """A private certificate authority, whose certificate is in `file`."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self.file = directory / "authority.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def server(self, *names: str) -> ssl.SSLContext:
        """The TLS side of a server that may call itself any of `names`."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(*names).configure_cert(context)
        return context


@asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server on an ephemeral port of 127.0.0.1, which is gone when the block ends."""
    server = Server()
    if tls is not None:

        def note_name(_socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            server.server_names.append(name)

        tls.sni_callback = note_name

    async def converse(socket: trio.SocketStream) -> None:
        stream = socket if tls is None else trio.SSLStream(socket, tls, server_side=True, https_compatible=True)
        server.connections += 1
        try:
            async with stream:
                head = await _read_head(stream)
                server.heads.append(head)
                server.asked.set()
                conversation = Conversation(stream, head)
                async with trio.open_nursery() as nursery:

                    async def watch() -> None:
                        await conversation.until_hung_up()
                        server.hung_up.set()

                    nursery.start_soon(watch)
                    await script(conversation)
                    nursery.cancel_scope.cancel()
        except* trio.BrokenResourceError:
            server.hung_up.set()

    async with listening(converse) as server.port:
        yield server


@asynccontextmanager
async def listening(converse: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """A port of 127.0.0.1 whose connections are handed to `converse` as they are."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, converse, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def _read_head(stream: trio.abc.Stream) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_LIMIT:
        part = await stream.receive_some(4096)
        if not part:
            break
        head += part
    return head


def says(*parts: bytes) -> Script:
    """Sends the parts, one write each, and closes."""

    async def script(conversation: Conversation) -> None:
        for part in parts:
            await conversation.send(part)

    return script


def says_for_ever(start: bytes, again: bytes) -> Script:
    """Sends `start`, and then `again` as fast as the client reads."""

    async def script(conversation: Conversation) -> None:
        await conversation.send(start)
        while True:
            await conversation.send(again)

    return script


def drips(start: bytes, rest: Iterable[int], seconds: float) -> Script:
    """Sends `start`, and then one byte of `rest` every so many `seconds`."""

    async def script(conversation: Conversation) -> None:
        await conversation.send(start)
        for byte in rest:
            await conversation.send(bytes((byte,)))
            await trio.sleep(seconds)

    return script


def hangs(start: bytes = b"") -> Script:
    """Sends `start` and then nothing more, until the client hangs up."""

    async def script(conversation: Conversation) -> None:
        await conversation.send(start)
        await trio.sleep_forever()

    return script


def routes(scripts: dict[str, Script]) -> Script:
    """Answers by request-target; the connection is closed on any other."""

    async def script(conversation: Conversation) -> None:
        target = conversation.head.split(b" ")[1].decode("ascii")
        if target in scripts:
            await scripts[target](conversation)

    return script


def answer(body: bytes, content_type: str = "image/png", *headers: str, status: str = "200 OK") -> bytes:
    """A plain HTTP/1.1 answer as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return f"HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def fetch_settings(authority: Authority, hosts: dict[str, Server | str], **changes: Any) -> FetchSettings:
    """Settings under which `hosts` are served from loopback (or stand at the given address), and no other name is."""
    endpoints = {name: host if isinstance(host, str) else host.endpoint for name, host in hosts.items()}
    testing = TestingSettings(allow_addresses=("127.0.0.1/32",), ca_file=str(authority.file), hosts=endpoints)
    return FetchSettings(testing=testing, **changes)
