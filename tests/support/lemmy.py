"""A strict stand-in for Lemmy's inbox on loopback: HTTP/1.1 as actix speaks it (lemmy_http), judged by lemmy_checks.

Every request is kept exactly as it came (`Received`), so that a test can compare bytes. Its "database" of actor keys is
a function that the loopback fediverse provides. What goes wrong at a real Lemmy can be ordered in advance with
`script()`: each delivery takes the next `Script`, and is judged normally when there is none.

Lemmy 1.0 (the default) knows only the shared inbox and records an activity's id before it verifies and stores the
activity, so one that failed there cannot be sent again; 0.19 also has the inboxes of users and communities and
records an id only with the activity stored.

    async with Lemmy(fediverse.key_of) as lemmy:
        ...
        received = await lemmy.next_received()
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import h11
import trio

from tests.support import lemmy_checks
from tests.support.lemmy_http import ServerConnection


@dataclass(frozen=True)
class Refuse:
    """All checks pass, then `status` with `error`: a plugin's refusal, a broken database. 503 is a Lemmy that is
    starting, which checks nothing."""

    status: int = 400
    error: str = "refused by a plugin"


@dataclass(frozen=True)
class Slow:
    """The normal answer, `seconds` late."""

    seconds: float


@dataclass(frozen=True)
class Hang:
    """The request is read to its end and recorded; no answer ever comes."""


@dataclass(frozen=True)
class Reset:
    """The connection is reset: once the `head` is read, or in the middle of the `answer`."""

    at: Literal["head", "answer"]


Script = Refuse | Slow | Hang | Reset


@dataclass(frozen=True)
class Received:
    """One request, exactly as it came.

    `head` is everything up to and with the blank line, `body` is free of transfer coding. Header names are lower-cased,
    in order. `status` is what Lemmy answers (0 when a script keeps it silent), `error` why. `connection` counts
    connections from 1.
    """

    head: bytes
    body: bytes
    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    status: int
    error: str
    connection: int

    def values(self, name: bytes) -> list[bytes]:
        """All values of the header `name` (lower case), in order."""
        return [value for given, value in self.headers if given == name]


class Lemmy:
    """`version` is "1.0" or "0.19"; `keep_alive` is after how many idle seconds a connection is closed (actix: 5).

    `takes_rfc9421` makes it an upstream that understands RFC 9421: what is signed so, and not by cavage, is believed.
    """

    def __init__(
        self,
        key_of: lemmy_checks.KeyOf,
        *,
        version: Literal["1.0", "0.19"] = "1.0",
        keep_alive: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.port = 0
        self.received: list[Received] = []
        self.connections = 0
        self._key_of = key_of
        self._version = version
        self._keep_alive = keep_alive
        self._clock = clock
        self.takes_rfc9421 = False
        self._seen: set[str] = set()
        self._scripts: deque[Script] = deque()
        self._tell, self._told = trio.open_memory_channel[Received](math.inf)
        self._stack = AsyncExitStack()
        self._serving: trio.CancelScope | None = None

    async def __aenter__(self) -> Self:
        self._nursery = await self._stack.enter_async_context(trio.open_nursery())
        self._stack.callback(self._nursery.cancel_scope.cancel)
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def up(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._serving = await self._nursery.start(self._serve)

    async def down(self) -> None:
        """Close the port and every connection: what follows is refused."""
        assert self._serving is not None
        self._serving.cancel()
        await self._closed.wait()

    def script(self, *steps: Script) -> None:
        """The next deliveries get these, in order."""
        self._scripts.extend(steps)

    async def next_received(self, deadline: float = 10.0) -> Received:
        """The next request not yet asked for, waiting up to `deadline` seconds. Raises trio.TooSlowError."""
        with trio.fail_after(deadline):
            return await self._told.receive()

    async def _serve(self, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        (listener,) = await trio.open_tcp_listeners(self.port, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        self._closed = trio.Event()
        try:
            async with listener, trio.open_nursery() as nursery:
                task_status.started(nursery.cancel_scope)
                await trio.serve_listeners(self._connection, [listener], handler_nursery=nursery)
        finally:
            self._closed.set()

    async def _connection(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        connection = ServerConnection(stream, self.connections)
        async with stream:
            try:
                while await self._exchange(connection):
                    pass
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

    async def _exchange(self, connection: ServerConnection) -> bool:
        """One request and its answer; is there to be another on this connection?"""
        with trio.move_on_after(self._keep_alive):
            if not await connection.read_head():
                return False
        if not connection.head:
            return False
        script = self._scripts.popleft() if self._scripts else None
        if script == Reset("head"):
            self._record(connection, b"", 0, "reset")
            connection.reset()
            return False
        try:
            request, body = await connection.read_request()
        except h11.RemoteProtocolError as error:
            self._record(connection, b"", error.error_status_hint, str(error))
            await connection.answer(error.error_status_hint, str(error), close=True)
            return False
        status, error_text = (413, "payload too large") if body is None else self._judge(request, body, script)
        silent = isinstance(script, Hang)
        self._record(connection, body or b"", 0 if silent else status, error_text)
        match script:
            case Hang():
                await connection.wait_for_hangup()
                return False
            case Slow(seconds):
                await trio.sleep(seconds)
            case Reset():
                await connection.answer(status, error_text, cut=True)
                connection.reset()
                return False
        close = body is None or connection.wants_close()
        await connection.answer(status, error_text, close=close)
        if body is None:
            with trio.move_on_after(self._keep_alive):
                await connection.wait_for_hangup()
        return not close

    def _judge(self, request: h11.Request, body: bytes, script: Script | None) -> tuple[int, str]:
        if isinstance(script, Refuse) and script.status == 503:
            return script.status, script.error
        kind = next((value for name, value in request.headers if name == b"content-type"), b"")
        known_route = lemmy_checks.routed(request.target, only_shared=self._version == "1.0")
        if request.method != b"POST" or not kind.startswith(b"application/") or not known_route:
            return 404, "not found"
        if self.takes_rfc9421 and any(name == b"signature-input" for name, _ in request.headers):
            return 200, ""
        try:
            activity = lemmy_checks.check(
                request.method, request.target, list(request.headers), body, self._key_of, self._clock()
            )
        except lemmy_checks.Refused as refusal:
            return 400, str(refusal)
        if activity["id"] in self._seen:
            return 400, "duplicate activity"
        if isinstance(script, Refuse):
            if self._version == "1.0":
                self._seen.add(activity["id"])
            return script.status, script.error
        self._seen.add(activity["id"])
        return 200, ""

    def _record(self, connection: ServerConnection, body: bytes, status: int, error: str) -> None:
        request = connection.request
        received = Received(
            head=connection.head,
            body=body,
            method=request.method if request else b"",
            target=request.target if request else b"",
            headers=tuple(request.headers) if request else (),
            status=status,
            error=error,
            connection=connection.number,
        )
        self.received.append(received)
        self._tell.send_nowait(received)
