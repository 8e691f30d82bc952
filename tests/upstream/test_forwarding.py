"""From the wire to Lemmy, through the edge and the upstream together: what was sent is what arrives."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from relayfilter.errors import MalformedRequest
from relayfilter.request import InboxRequest, Response
from relayfilter.upstream.lemmy import LemmyUpstream, UpstreamSettings
from relayfilter.wire.idle import IdleStreams
from relayfilter.wire.limits import Limits
from relayfilter.wire.server import serve_connection
from tests.upstream.recorder import OK, Recorder, answering
from tests.wire.conversation import memory_pair

END = b"--end"


@contextlib.asynccontextmanager
async def gate(url: str) -> AsyncIterator[trio.abc.Stream]:
    """A peer's connection to an edge that forwards everything to `url`."""
    upstream = LemmyUpstream(UpstreamSettings(url=url))
    peer, edge = memory_pair()

    async def handler(request: InboxRequest) -> Response:
        return (await upstream.forward(request)).response

    def fail(*report: object) -> None:
        raise AssertionError(report)

    def on_malformed(client: str, error: MalformedRequest) -> None:
        fail(client, error.reason)

    async def serve() -> None:
        await serve_connection(
            edge,
            handler,
            Limits(),
            client="peer",
            on_malformed=on_malformed,
            on_crash=fail,
            draining=trio.Event(),
            idle=IdleStreams(),
            clock=lambda: 1.0,
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield peer
        nursery.cancel_scope.cancel()
    await upstream.aclose()


def arrives(message: bytes) -> bytes:
    recorder = Recorder(answering(OK, end=END))

    async def main() -> None:
        async with recorder.running() as url, gate(url) as peer:
            await peer.send_all(message)
            received = b""
            while not received.endswith(b"ok"):
                received += await peer.receive_some()
            assert received.startswith(b"HTTP/1.1 200 OK\r\n")

    trio.run(main)
    ((arrived,),) = recorder.requests
    return arrived


_BLANKS = st.text(" \t", max_size=3).map(str.encode)
_NAMES = st.text("abcXYZ019-_.!#$%&'*+^`|~", min_size=1, max_size=12).map(lambda name: b"x" + name.encode())
_VALUES = st.binary(max_size=40).map(lambda value: bytes(byte for byte in value if byte == 9 or 32 <= byte != 127))
_LINES = st.builds(lambda *parts: b"%b:%b%b%b" % parts, _NAMES, _BLANKS, _VALUES, _BLANKS)
_TARGETS = st.text([chr(code) for code in range(33, 127) if chr(code) != "#"], max_size=60).map(str.encode)


@given(
    method=st.sampled_from([b"POST", b"PUT", b"PATCH", b"DELETE", b"GET"]),
    target=_TARGETS,
    before=st.lists(_LINES, max_size=6),
    after=st.lists(_LINES, max_size=6),
    body=st.binary(max_size=200),
)
@settings(max_examples=60, deadline=None)
def test_what_was_sent_is_what_arrives(
    method: bytes, target: bytes, before: list[bytes], after: list[bytes], body: bytes
) -> None:
    lines = [*before, b"hOst:lemmy.example", b"Content-Length: %d" % len(body + END), *after]
    message = b"%b /%b HTTP/1.1\r\n%b\r\n\r\n%b" % (method, target, b"\r\n".join(lines), body + END)
    assert arrives(message) == message


@pytest.mark.parametrize("target", [b"//inbox", b"/%69nbox", b"/c/a%2Fb/inbox", b"/api/../inbox", b"/./inbox?"])
def test_every_spelling_of_an_inbox_arrives_as_it_was_sent(target: bytes) -> None:
    message = b"POST %b HTTP/1.1\r\nHost: lemmy.example\r\nContent-Length: 5\r\n\r\n%b" % (target, END)
    assert arrives(message) == message


def test_http_1_0_from_a_web_server_arrives_as_http_1_1() -> None:
    message = b"POST /inbox HTTP/1.0\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n" + END
    expected = b"POST /inbox HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n" + END
    assert arrives(message) == expected


def test_chunks_arrive_as_one_body() -> None:
    head = b"POST /inbox HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
    expected = b"POST /inbox HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: 5\r\n\r\n" + END
    assert arrives(head + b"2;z\r\n--\r\n3\r\nend\r\n0\r\n\r\n") == expected
