"""Lemmy, reached over kept connections: the same bytes go on, and its answer comes back.

Method, target, header lines and body go on as they were received, in their order and spelling, as HTTP/1.1. Nothing is
added, with one exception: a body that came in chunks gets a `Content-Length`. Left out is only what concerned the
connection that it came by (RFC 9110 section 7.6.1).

A delivery is never sent twice. Lemmy may have acted on a request, or recorded its activity id, as soon as a single byte
of it could have arrived, so every failure says whether one could. An idle connection is therefore looked at before it
is used: it must not be older than `keepalive`, and there must be nothing to read from it, neither bytes nor an end.
"""

from __future__ import annotations

import contextlib
import select
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import trio

from relayfilter.errors import MalformedRequest, UpstreamUnavailable
from relayfilter.request import InboxRequest, Response
from relayfilter.wire.body import read_body
from relayfilter.wire.head import HOP_BY_HOP, connection_options, parse_response_head
from relayfilter.wire.reader import Reader
from relayfilter.wire.stream import SocketStream

_HEAD_BYTES = 64 * 1024
_BODY_BYTES = 1024 * 1024
_INTERIM_ANSWERS = 8

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Connect = Callable[[], Awaitable[trio.SocketStream]]


class UpstreamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[upstream]` table.

    url             `http://host:port` or `unix:/path` of Lemmy itself, not of the web server before it
    connect_timeout seconds to find a free connection or make one
    answer_timeout  seconds from sending the request to the end of the answer; Lemmy gives up on a delivery after 9
    max_connections how many deliveries Lemmy works on at once; the next ones wait up to `connect_timeout`
    keepalive       seconds that an unused connection is kept; Lemmy closes it after 5
    """

    url: str = "http://127.0.0.1:8536"
    connect_timeout: Seconds = 2.0
    answer_timeout: Seconds = 10.0
    max_connections: Annotated[int, msgspec.Meta(ge=1)] = 64
    keepalive: Seconds = 3.0

    def __post_init__(self) -> None:
        _connector(self.url)


class ForwardOutcome(msgspec.Struct, frozen=True):
    """What Lemmy answered, and after how many milliseconds. The response has no hop-by-hop and no framing headers."""

    response: Response
    millis: float


class LemmyUpstream:
    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._connect = _connector(settings.url)
        self._free = trio.Semaphore(settings.max_connections)
        self._idle: deque[_Connection] = deque()
        self._closed = False

    async def forward(self, request: InboxRequest) -> ForwardOutcome:
        """Sends `request` once and waits for the answer.

        Raises UpstreamUnavailable when there is none. Cancelling has no effect from the first byte that was sent until
        the answer or `answer_timeout`: what Lemmy said to a delivery must be known.
        """
        started = trio.current_time()
        connect_by = started + self._settings.connect_timeout
        await self._wait_for_turn(connect_by)
        try:
            connection = self._reuse() or await self._open(connect_by)
            response = await self._exchange(connection, request)
        finally:
            self._free.release()
        return ForwardOutcome(response, (trio.current_time() - started) * 1000)

    async def aclose(self) -> None:
        """Closes the idle connections now and the others after their answer."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        await trio.lowlevel.checkpoint()

    async def _wait_for_turn(self, deadline: float) -> None:
        try:
            self._free.acquire_nowait()
        except trio.WouldBlock:
            with trio.CancelScope(deadline=deadline) as scope:
                await self._free.acquire()
            if scope.cancelled_caught:
                raise UpstreamUnavailable("all connections are busy", sent=False) from None

    def _reuse(self) -> _Connection | None:
        oldest = trio.current_time() - self._settings.keepalive
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().close()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_quiet():
                return connection
            connection.close()
        return None

    async def _open(self, deadline: float) -> _Connection:
        with trio.CancelScope(deadline=deadline):
            try:
                return _Connection(await self._connect())
            except OSError as error:
                attempts = error.__cause__  # Trio tries every address of a name
                reason = attempts.exceptions[0] if isinstance(attempts, ExceptionGroup) else error
                raise UpstreamUnavailable(f"cannot connect: {reason}", sent=False) from None
        raise UpstreamUnavailable(f"no connection within {self._settings.connect_timeout:g} s", sent=False)

    async def _exchange(self, connection: _Connection, request: InboxRequest) -> Response:
        reusable = False
        try:
            with trio.move_on_after(self._settings.answer_timeout, shield=True):
                response, reusable = await connection.exchange(encode_request(request), request.method)
                return response
            raise UpstreamUnavailable(f"no answer within {self._settings.answer_timeout:g} s", sent=True)
        except MalformedRequest as error:
            raise UpstreamUnavailable(f"no valid answer: {error.reason}", sent=True) from None
        finally:
            if reusable and not self._closed:
                connection.idle_since = trio.current_time()
                self._idle.append(connection)
            else:
                connection.close()


class _Connection:
    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = SocketStream(stream)
        self._reader = Reader(self._stream)
        self._poll = select.poll()
        self._poll.register(self._stream.socket, select.POLLIN)
        self.idle_since = 0.0

    def is_quiet(self) -> bool:
        """Open, and nothing to read: between two requests anything else is an end or a breach of the protocol."""
        return not self._poll.poll(0)

    def close(self) -> None:
        self._stream.close()

    async def exchange(self, message: bytes, method: str) -> tuple[Response, bool]:
        """The answer to `message`, and whether the connection can be used again."""
        # Lemmy may answer and hang up before it has read everything; what it answered still counts.
        with contextlib.suppress(trio.BrokenResourceError):
            await self._stream.send_all(message)
        for _ in range(_INTERIM_ANSWERS + 1):
            raw_head = await self._reader.head(_HEAD_BYTES)
            head = parse_response_head(raw_head, method=method, body_bytes=_BODY_BYTES)
            if head.status >= 200:
                body = await read_body(self._reader, head.framing, _BODY_BYTES)
                return Response(head.status, head.headers, body), head.keep_alive and not self._reader.buffered
        raise MalformedRequest(400, f"more than {_INTERIM_ANSWERS} interim answers")


def encode_request(request: InboxRequest) -> bytes:
    """`request` as it goes to the next hop."""
    names = {line.name for line in request.headers}
    dropped = HOP_BY_HOP | connection_options(request.values(b"connection"))
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.target)]
    lines += [line.raw for line in request.headers if line.name not in dropped]
    if b"transfer-encoding" in names:
        lines.append(b"Content-Length: %d" % len(request.body))
    lines += [b"", request.body]
    return b"\r\n".join(lines)


def _connector(url: str) -> Connect:
    """How to connect to `url`. Raises ValueError when it is neither http nor unix."""
    if url.startswith("unix:/"):
        return partial(trio.open_unix_socket, url.removeprefix("unix:"))
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("expected http://host:port or unix:/path")
    if parts.username is not None:
        raise ValueError("expected no user name in the address")
    return partial(trio.open_tcp_stream, parts.hostname, parts.port or 80)
