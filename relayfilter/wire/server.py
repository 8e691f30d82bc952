"""One connection of the HTTP/1.1 edge: requests in, answers out, one after the other (RFC 9112 section 9).

- A request reaches the handler whole or not at all. What cannot be read is answered here, in short, and the connection
  ends, because nobody can tell where the next request would start.
- The handler is never cancelled by what its peer does: nothing is read from the connection while it works.
- No peer can hold a connection for nothing: waiting for a request, its head, its body and the acceptance of an answer
  have a deadline each. A request that comes in one piece, and an answer that goes at once, which are the usual cases,
  cost none.
- A connection that we end after an answer is closed in two steps (RFC 9112 section 9.6): an immediate close would reset
  it while the peer still sends, and the answer would be lost with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import TypeVar

import trio

from relayfilter.errors import MalformedRequest
from relayfilter.request import InboxRequest, Response
from relayfilter.wire.body import read_body
from relayfilter.wire.head import RequestHead, parse_request_head
from relayfilter.wire.idle import IdleStreams
from relayfilter.wire.limits import Limits
from relayfilter.wire.reader import Reader, Truncated
from relayfilter.wire.stream import Stream

Handler = Callable[[InboxRequest], Awaitable[Response]]
OnMalformed = Callable[[str, MalformedRequest], None]
OnCrash = Callable[[Exception], None]
T = TypeVar("T")

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1024 * 1024


async def serve_connection(
    stream: Stream,
    handler: Handler,
    limits: Limits,
    *,
    client: str,
    on_malformed: OnMalformed,
    on_crash: OnCrash,
    draining: trio.Event,
    idle: IdleStreams,
    clock: Callable[[], float],
) -> None:
    """Answers the requests on `stream` until either side ends it; closes it in any case.

    `stream` is in `idle` while it waits for a request, and who holds that closes it there when its time is over or
    draining begins. Once `draining` is set, every answer is the last one of its connection.
    `clock` gives wall-clock seconds, for `InboxRequest.received_at`. `client` names the peer for the log. The handler's
    answers need no `Content-Length` and no `Connection`: framing is done here. A MalformedRequest that it raises is
    answered like our own; any other exception is given to `on_crash`, answered 500, and ends this connection only.
    """
    connection = _Connection(stream, limits, draining, idle)
    try:
        try:
            while (received := await connection.receive()) is not None:
                head, body = received
                request = InboxRequest(head.method, head.target, head.headers, body, clock(), client)
                response = await handler(request)
                keep_alive = head.keep_alive and not draining.is_set()
                await connection.send(response, without_body=head.method == "HEAD", keep_alive=keep_alive)
                if not keep_alive:
                    await connection.linger()
                    return
        except Truncated as error:
            on_malformed(client, error)
        except MalformedRequest as error:
            on_malformed(client, error)
            await connection.refuse(error.status)
        except _PeerGone:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported and ends this connection only
            on_crash(error)
            await connection.refuse(500)
    except _PeerGone:
        pass
    finally:
        stream.close()


class _PeerGone(Exception):
    """The peer does not take its answer. What was decided is recorded, so there is nothing to report."""


class _Connection:
    def __init__(self, stream: Stream, limits: Limits, draining: trio.Event, idle: IdleStreams) -> None:
        self._stream = stream
        self._reader = Reader(stream)
        self._limits = limits
        self._draining = draining
        self._idle = idle

    async def receive(self) -> tuple[RequestHead, bytes] | None:
        """The next request, or None when the connection ended, or may end, between two requests."""
        reader, limits = self._reader, self._limits
        if reader.buffered:
            await trio.lowlevel.checkpoint()  # pipelined requests take turns with other connections
        elif not await self._first_bytes():
            return None
        raw_head = reader.take_head(limits.head_bytes)
        if raw_head is None:
            raw_head = await _within(limits.head_timeout, "head", partial(reader.head, limits.head_bytes))
        head = parse_request_head(raw_head, limits)
        if isinstance(head.framing, int) and head.framing <= reader.buffered:
            return head, await reader.exactly(head.framing)
        if head.expects_continue and not reader.buffered:
            await self._send(_CONTINUE)
        body = partial(read_body, reader, head.framing, limits.body_bytes)
        return head, await _within(limits.body_timeout, "body", body)

    async def send(self, response: Response, *, without_body: bool, keep_alive: bool) -> None:
        await self._send(encode_response(response, without_body=without_body, keep_alive=keep_alive))

    async def refuse(self, status: int) -> None:
        """Answers `status` with nothing but its name, and ends the connection."""
        error = b'{"error":"%s"}' % HTTPStatus(status).phrase.lower().encode()
        answer = Response(status, ((b"Content-Type", b"application/json"),), error)
        await self.send(answer, without_body=False, keep_alive=False)
        await self.linger()

    async def linger(self) -> None:
        """Lets the peer read the answer: ends our side, then discards what still comes, within bounds."""
        with trio.move_on_after(_LINGER_SECONDS), contextlib.suppress(trio.BrokenResourceError):
            await self._stream.send_eof()
            discarded = 0
            while discarded < _LINGER_BYTES and (chunk := await self._stream.receive_some()):
                discarded += len(chunk)

    async def _first_bytes(self) -> bool:
        if self._draining.is_set():
            return False
        self._idle.add(self._stream, trio.current_time() + self._limits.idle_timeout)
        try:
            return await self._reader.fill()
        except (Truncated, trio.ClosedResourceError):
            return False
        finally:
            self._idle.remove(self._stream)

    async def _send(self, data: bytes) -> None:
        try:
            sent = self._stream.send_now(data)
            if sent < len(data):
                with trio.fail_after(self._limits.write_timeout):
                    await self._stream.send_all(data[sent:])
        except (trio.BrokenResourceError, trio.TooSlowError):
            raise _PeerGone from None


def encode_response(response: Response, *, without_body: bool, keep_alive: bool) -> bytes:
    """The whole answer. Raises ValueError when a header would break out of its line."""
    parts = [_STATUS_LINES.get(response.status) or b"HTTP/1.1 %d \r\n" % response.status]
    parts += [b"%b: %b\r\n" % header for header in response.headers]
    if response.status >= 200 and response.status not in (204, 304):
        parts.append(b"Content-Length: %d\r\n" % len(response.body))
    else:
        without_body = True
    parts.append(b"Connection: keep-alive\r\n\r\n" if keep_alive else b"Connection: close\r\n\r\n")
    head = b"".join(parts)
    if head.count(b"\n") != len(parts) + 1 or head.count(b"\r") != len(parts) + 1:
        raise ValueError("line break in a response header")
    return head if without_body else head + response.body


async def _within(seconds: float, part: str, read: Callable[[], Awaitable[T]]) -> T:
    with trio.move_on_after(seconds):
        return await read()
    raise MalformedRequest(408, f"{part} not complete after {seconds:g} s")
