from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from relayfilter.errors import MalformedRequest
from relayfilter.request import InboxRequest, Response
from relayfilter.wire.limits import Limits
from relayfilter.wire.listen import serve

POST = b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nContent-Length: 5\r\n\r\nhello"
CLOSE = b"\r\nConnection: close\r\n"


class Served:
    def __init__(self) -> None:
        self.draining = trio.Event()
        self.reports: list[Exception] = []
        self.requests: list[InboxRequest] = []
        self.hold = trio.Event()
        self.returned = trio.Event()

    async def handle(self, request: InboxRequest) -> Response:
        self.requests.append(request)
        if request.target == b"/held":
            await self.hold.wait()
        if request.target == b"/bug":
            raise ZeroDivisionError
        return Response(200, body=b"ok")

    def on_malformed(self, client: str, error: MalformedRequest) -> None:
        self.reports.append(error)

    @contextlib.asynccontextmanager
    async def on(
        self, *listeners: trio.SocketListener, max_connections: int = 512, seconds: float = 20
    ) -> AsyncIterator[None]:
        async def run() -> None:
            await serve(
                listeners,
                self.handle,
                Limits(),
                on_malformed=self.on_malformed,
                on_crash=self.reports.append,
                draining=self.draining,
                clock=lambda: 1.0,
                max_connections=max_connections,
            )
            self.returned.set()

        with trio.fail_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run)
                yield
                nursery.cancel_scope.cancel()


async def tcp_listener(host: str = "127.0.0.1") -> trio.SocketListener:
    return (await trio.open_tcp_listeners(0, host=host))[0]


async def ask(stream: trio.SocketStream, message: bytes = POST) -> bytes:
    await stream.send_all(message)
    return await answer(stream)


async def answer(stream: trio.SocketStream) -> bytes:
    received = b""
    while not received.endswith(b"\r\n\r\nok"):
        chunk = await stream.receive_some()
        if not chunk:
            return received
        received += chunk
    return received


def test_serves_tcp_and_unix_sockets_side_by_side(tmp_path: Path) -> None:
    async def main() -> None:
        served = Served()
        unix = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        await unix.bind(str(tmp_path / "edge"))
        unix.listen()
        listeners = [await tcp_listener(), await tcp_listener("::1"), trio.SocketListener(unix)]
        async with served.on(*listeners):
            clients = []
            for listener in listeners:
                client = await trio.testing.open_stream_to_socket_listener(listener)
                assert (await ask(client)).endswith(b"ok")
                clients.append(client)
            v4, v6 = (client.socket.getsockname()[1] for client in clients[:2])
            assert [request.client for request in served.requests] == [f"127.0.0.1:{v4}", f"[::1]:{v6}", "unix"]
            for client in clients:
                await client.aclose()

    trio.run(main)


def test_a_malformed_or_crashing_connection_leaves_the_others_unharmed() -> None:
    async def main() -> None:
        served = Served()
        listener = await tcp_listener()
        async with served.on(listener):
            good, bad, bug = [await trio.testing.open_stream_to_socket_listener(listener) for _ in range(3)]
            async with good, bad, bug:
                assert (await ask(good)).endswith(b"ok")
                assert (await ask(bad, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
                assert (await ask(bug, POST.replace(b"/inbox", b"/bug"))).startswith(b"HTTP/1.1 500 ")
                assert (await ask(good)).endswith(b"ok")
            assert [type(report) for report in served.reports] == [MalformedRequest, ZeroDivisionError]

    trio.run(main)


def test_above_the_bound_new_connections_wait_their_turn() -> None:
    async def main() -> None:
        served = Served()
        listener = await tcp_listener()
        async with served.on(listener, max_connections=2):
            first, second, third = [await trio.testing.open_stream_to_socket_listener(listener) for _ in range(3)]
            async with second, third:
                assert (await ask(first)).endswith(b"ok")
                assert (await ask(second)).endswith(b"ok")
                await third.send_all(POST)
                await trio.testing.wait_all_tasks_blocked(0.05)
                assert len(served.requests) == 2
                await first.aclose()
                assert (await answer(third)).endswith(b"ok")

    trio.run(main)


def test_an_idle_connection_is_closed_when_its_time_is_over() -> None:
    async def main() -> None:
        served = Served()
        listener = await tcp_listener()
        async with served.on(listener, seconds=200):
            for message in (b"", POST):
                async with await trio.testing.open_stream_to_socket_listener(listener) as client:
                    started = trio.current_time()
                    if message:
                        assert (await ask(client, message)).endswith(b"ok")
                    assert await client.receive_some() == b""
                    assert 75 <= trio.current_time() - started < 80
        assert not served.reports

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_draining_stops_accepting_closes_idle_and_lets_the_rest_end() -> None:
    async def main() -> None:
        served = Served()
        listener = await tcp_listener()
        address = listener.socket.getsockname()
        async with served.on(listener):
            idle, busy = [await trio.testing.open_stream_to_socket_listener(listener) for _ in range(2)]
            async with idle, busy:
                assert (await ask(idle)).endswith(b"ok")
                await busy.send_all(POST.replace(b"/inbox", b"/held"))
                await trio.testing.wait_all_tasks_blocked(0.01)
                served.draining.set()
                assert await idle.receive_some() == b""
                with pytest.raises(OSError, match="all attempts"):
                    await trio.open_tcp_stream(*address)
                assert not served.returned.is_set()
                served.hold.set()
                assert CLOSE in await answer(busy)
            await served.returned.wait()
        assert not served.reports

    trio.run(main)


def test_cancelling_ends_what_draining_left() -> None:
    async def main() -> None:
        served = Served()
        listener = await tcp_listener()
        async with served.on(listener):
            busy = await trio.testing.open_stream_to_socket_listener(listener)
            await busy.send_all(POST.replace(b"/inbox", b"/held"))
            await trio.testing.wait_all_tasks_blocked(0.01)
            served.draining.set()
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert not served.returned.is_set()
        async with busy:
            assert await busy.receive_some() == b""

    trio.run(main)


def test_running_out_of_descriptors_is_survived_and_reported_once() -> None:
    async def main() -> None:
        served = Served()
        listener = await tcp_listener()
        client = socket.socket()
        taken: list[int] = []
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with served.on(listener):
            await trio.testing.wait_all_tasks_blocked()
            resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 20, hard))
            try:
                with contextlib.suppress(OSError):
                    while True:
                        taken.append(os.dup(client.fileno()))
                client.connect(listener.socket.getsockname())
                client.setblocking(False)
                await trio.sleep(1)  # on a clock that jumps: ten more attempts
                assert len(served.reports) == 1
            finally:
                for descriptor in taken:
                    os.close(descriptor)
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            async with trio.SocketStream(trio.socket.from_stdlib_socket(client)) as stream:
                assert (await ask(stream)).endswith(b"ok")
            (report,) = served.reports
            assert isinstance(report, OSError)
            assert report.errno == errno.EMFILE

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
