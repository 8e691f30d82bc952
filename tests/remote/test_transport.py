from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from ipaddress import ip_network

import httpcore
import httpx
import pytest
import trio

from relayfilter.remote.messages import FetchFailed
from relayfilter.remote.settings import Endpoint
from relayfilter.remote.transport import Failed, GuardedBackend, GuardedTransport, HungUp, Wire
from tests.support.servers import Script, Server, answer, hangs, listening, says, says_for_ever, serving

LOOPBACK = (ip_network("127.0.0.1/32"),)
OK = b"HTTP/1.1 200 OK\r\n"


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(20):
            await test()

    trio.run(bounded)


class At:
    def __init__(self, *endpoints: Endpoint) -> None:
        self._endpoints = endpoints

    async def resolve(self, host: str, port: int) -> tuple[Endpoint, ...]:
        return self._endpoints


@asynccontextmanager
async def reaching(script: Script) -> AsyncIterator[tuple[Server, GuardedTransport]]:
    async with serving(script) as server:
        backend = GuardedBackend(At(Endpoint("127.0.0.1", server.port)), LOOPBACK)
        transport = GuardedTransport(backend, ssl.create_default_context())
        async with transport:
            yield server, transport


async def read(transport: GuardedTransport, *, hang_up_after: int | None = None) -> bytes:
    body = b""
    request = httpx.Request("GET", "http://a.example/")
    async with aclosing(await transport.handle_async_request(request)) as response:
        wire: Wire = response.extensions["network_stream"]
        async for part in response.aiter_raw():
            body += part
            assert wire.body == len(body)
            if hang_up_after is not None and len(body) >= hang_up_after:
                wire.hang_up()
    return body


def test_hanging_up_ends_the_reading_and_the_connection() -> None:
    async def test() -> None:
        async with reaching(says_for_ever(OK + b"\r\n", b"x" * 1000)) as (server, transport):
            with pytest.raises(HungUp):
                await read(transport, hang_up_after=1)
            await server.hung_up.wait()

    run(test)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "script",
    [
        says_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        says_for_ever(OK, b"A: b\r\n" * 1000),
        says_for_ever(CHUNKED, b"1\r\nx\r\n" * 1000),
        says_for_ever(CHUNKED, b"10;" + b"y" * 100 + b"\r\n" + b"x" * 16 + b"\r\n"),
    ],
)
def test_what_is_not_body_is_bounded_and_cheap(script: Script) -> None:
    async def test() -> None:
        async with reaching(script) as (_, transport):
            started = time.process_time()
            with pytest.raises((Failed, httpcore.RemoteProtocolError)):
                await read(transport)
            assert time.process_time() - started < 2.0

    run(test)


def test_ordinary_chunks_are_no_flood() -> None:
    chunks = b"".join(b"200\r\n" + b"x" * 0x200 + b"\r\n" for _ in range(8000)) + b"0\r\n\r\n"

    async def test() -> None:
        async with reaching(says(CHUNKED + chunks)) as (_, transport):
            assert await read(transport) == b"x" * 0x200 * 8000

    run(test)


@pytest.mark.parametrize(
    "script", [says(answer(b"x")), says(b"nonsense\r\n\r\n"), says(), says(OK + b"Content-Length: 9\r\n\r\n")]
)
def test_the_pool_keeps_nothing(script: Script) -> None:
    async def test() -> None:
        async with reaching(script) as (_, transport):
            for _ in range(3):
                try:
                    await read(transport)
                except (httpcore.RemoteProtocolError, httpcore.ReadError):
                    continue
            assert transport._pool.connections == []

    run(test)


def test_the_pool_keeps_nothing_of_what_was_cancelled() -> None:
    async def test() -> None:
        for script in (hangs(), hangs(OK), hangs(OK + b"Content-Length: 9\r\n\r\nx")):
            async with reaching(script) as (server, transport):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(read, transport)
                    await server.asked.wait()
                    nursery.cancel_scope.cancel()
                assert transport._pool.connections == []
                await server.hung_up.wait()

    run(test)


def test_a_peer_other_than_the_one_judged_is_refused() -> None:
    """As if something on the way (a redirecting firewall, a library) had connected us elsewhere."""

    class Elsewhere(httpcore.TrioBackend):
        async def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
        ) -> httpcore.AsyncNetworkStream:
            asked.append(host)
            return await super().connect_tcp("127.0.0.1", port, timeout)

    asked: list[str] = []
    closed = trio.Event()

    async def until_closed(stream: trio.SocketStream) -> None:
        assert await stream.receive_some() == b""
        closed.set()

    async def test() -> None:
        async with listening(until_closed) as port:
            backend = GuardedBackend(At(Endpoint("8.8.8.8", port)), sockets=Elsewhere())
            with pytest.raises(Failed) as caught:
                await backend.connect_tcp("a.example", 443)
            await closed.wait()
        assert caught.value.failure == FetchFailed(
            "private-address", "8.8.8.8 turned out as 127.0.0.1", temporary=False
        )
        assert asked == ["8.8.8.8"]

    run(test)


def test_no_unix_sockets() -> None:
    async def test() -> None:
        with pytest.raises(NotImplementedError):
            await GuardedBackend(At()).connect_unix_socket("/run/docker.sock")

    run(test)
