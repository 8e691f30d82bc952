"""A sending instance: a signed POST as bytes, and bytes to an HTTP server on loopback and its answer back, without a
library's opinion of what may be sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import h11
import outcome
import trio

from tests.support.signing import SENDERS, Keypair, cavage, rfc9421
from tests.support.world_actors import Actor

INSTANCE = "lemmy.example"


class Answer(NamedTuple):
    """Header names are lower-cased."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def encode(activity: dict[str, Any]) -> bytes:
    """A body as senders write it: compact, UTF-8, not escaped."""
    return json.dumps(activity, ensure_ascii=False, separators=(",", ":")).encode()


def signed_post(
    actor: Actor,
    activity: dict[str, Any] | bytes,
    *,
    shape: str = "mastodon",
    host: str = INSTANCE,
    target: str = "/inbox",
    key: Keypair | None = None,
    **changes: Any,
) -> bytes:
    """The delivery that `actor`'s server sends to `host`: the whole HTTP request.

    `shape` is one of signing.SENDERS or `rfc9421`; `key` signs in place of the actor's own; `changes` go to
    signing.cavage or signing.rfc9421 and say what is wrong with it.
    """
    body = activity if isinstance(activity, bytes) else encode(activity)
    sign, arguments = (rfc9421, {}) if shape == "rfc9421" else (cavage, SENDERS[shape])
    signed = sign(key or actor.key, actor.key_id, body, **{"host": host, "target": target, **arguments, **changes})
    return signed.on_the_wire(target)


class Connection:
    """One connection, for as many requests as the server keeps it open."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._rest = b""

    async def exchange(self, raw: bytes, *, one_byte: bool = False, deadline: float = 30.0) -> Answer:
        """Send `raw`, or as many of its bytes as the server takes before it answers, and read one answer.

        `one_byte` sends it in single bytes. Raises h11.RemoteProtocolError when the server hangs up without a whole
        answer, trio.BrokenResourceError when it resets the connection, trio.TooSlowError after `deadline` seconds.
        """
        with trio.fail_after(deadline):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, raw, one_byte)
                answer = await outcome.acapture(self._read_answer)
                nursery.cancel_scope.cancel()
            return answer.unwrap()

    async def closed(self, deadline: float = 10.0) -> None:
        """Return once the server has closed the connection without a further byte."""
        with trio.fail_after(deadline):
            assert self._rest + await self.stream.receive_some() == b""

    async def _send(self, raw: bytes, one_byte: bool) -> None:
        pieces = (raw[at : at + 1] for at in range(len(raw))) if one_byte else (raw,)
        try:
            for piece in pieces:
                await self.stream.send_all(piece)
        except trio.BrokenResourceError:
            pass  # The server has heard enough; what it answered may still be read.

    async def _read_answer(self) -> Answer:
        http = h11.Connection(h11.CLIENT)
        http.send(h11.Request(method="POST", target="/", headers=[("host", "-"), ("content-length", "0")]))
        http.send(h11.EndOfMessage())
        if self._rest:
            http.receive_data(self._rest)
        head: h11.Response | None = None
        body = b""
        while True:
            match http.next_event():
                case h11.NEED_DATA:
                    http.receive_data(await self.stream.receive_some(65536))
                case h11.Response() as head:
                    pass
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage():
                    break
                case h11.ConnectionClosed():
                    raise h11.RemoteProtocolError("the server hung up without an answer")
        self._rest = http.trailing_data[0]
        assert head is not None
        return Answer(head.status_code, tuple(head.headers), body)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """A connection to 127.0.0.1:`port`."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        yield Connection(stream)


async def exchange(port: int, raw: bytes, *, one_byte: bool = False, deadline: float = 30.0) -> Answer:
    """One request on a connection of its own: see Connection.exchange."""
    async with connected(port) as connection:
        return await connection.exchange(raw, one_byte=one_byte, deadline=deadline)
