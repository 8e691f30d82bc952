from __future__ import annotations

import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from relayfilter.errors import UpstreamUnavailable
from relayfilter.request import HeaderLine, InboxRequest, Response
from relayfilter.upstream.lemmy import ForwardOutcome, LemmyUpstream, UpstreamSettings
from tests.upstream.recorder import OK, Connection, Recorder, Script, answering


def line(raw: bytes) -> HeaderLine:
    name, _, value = raw.partition(b":")
    return HeaderLine(name.lower(), value.strip(b" \t"), raw)


def request(*headers: bytes, target: bytes = b"/inbox", body: bytes = b"hello") -> InboxRequest:
    return InboxRequest("POST", target, tuple(line(raw) for raw in headers), body, 1.0, "peer")


DELIVERY = request(b"Host: lemmy.example", b"Content-Length: 5")
ON_THE_WIRE = b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nContent-Length: 5\r\n\r\nhello"


def settings(url: str, **values: Any) -> UpstreamSettings:
    return msgspec.convert({"url": url, "connect_timeout": 5, "answer_timeout": 5, **values}, UpstreamSettings)


def with_upstream(recorder: Recorder, use: Callable[[LemmyUpstream], Awaitable[None]], **values: Any) -> None:
    async def main() -> None:
        async with recorder.running() as url:
            upstream = LemmyUpstream(settings(url, **values))
            await use(upstream)
            await upstream.aclose()

    trio.run(main)


def forward_to(script: Script, delivery: InboxRequest = DELIVERY, **values: Any) -> tuple[ForwardOutcome, bytes]:
    """The outcome of one delivery, and the bytes that arrived."""
    recorder = Recorder(script)
    outcomes: list[ForwardOutcome] = []

    async def use(upstream: LemmyUpstream) -> None:
        outcomes.append(await upstream.forward(delivery))

    with_upstream(recorder, use, **values)
    ((received,),) = recorder.requests
    return outcomes[0], received


def test_forwards_the_bytes_and_brings_the_answer_back() -> None:
    answer = (
        b"HTTP/1.1 400 Nope\r\nContent-TYPE: application/json\r\nContent-Length: 13\r\nKeep-Alive: 5\r\n\r\n"
        b'{"error":"x"}'
    )
    outcome, received = forward_to(answering(answer))
    assert received == ON_THE_WIRE
    assert outcome.response == Response(400, ((b"Content-TYPE", b"application/json"),), b'{"error":"x"}')
    assert 0 < outcome.millis < 5000


@pytest.mark.parametrize(
    "target", [b"//inbox", b"/%69nbox", b"/c/a%2Fb/inbox", b"/api/../inbox", b"/inbox?a=%00&b", b"/"]
)
def test_keeps_odd_targets(target: bytes) -> None:
    _, received = forward_to(answering(OK), request(b"Host: lemmy.example", b"Content-Length: 5", target=target))
    assert received.startswith(b"POST " + target + b" HTTP/1.1\r\n")


def test_keeps_odd_header_lines_in_their_order() -> None:
    headers = [
        b"hOST:\tlemmy.example ",
        b"X-Twice: 1",
        b"content-LENGTH:5",
        b"x-empty:",
        b"X-Latin: caf\xe9\xff",
        b"X-Twice:  2  ,,  ",
        b'Signature: keyId="a",  headers="(request-target) host"',
    ]
    _, received = forward_to(answering(OK), request(*headers))
    assert received == b"POST /inbox HTTP/1.1\r\n" + b"\r\n".join(headers) + b"\r\n\r\nhello"


def test_leaves_out_what_concerned_the_connection_it_came_by() -> None:
    headers = [
        b"Host: lemmy.example",
        b"Connection: close, X-Private",
        b"X-Private: a",
        b"x-PRIVATE: b",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"TE: trailers",
        b"Trailer: X",
        b"Upgrade: h2c",
        b"Expect: 100-continue",
        b"Content-Length: 5",
    ]
    assert forward_to(answering(OK), request(*headers))[1] == ON_THE_WIRE


def test_a_chunked_body_goes_on_with_its_length() -> None:
    assert forward_to(answering(OK), request(b"Host: lemmy.example", b"Transfer-Encoding: chunked"))[1] == ON_THE_WIRE


def test_a_request_without_a_body_gets_no_length() -> None:
    outcome, received = forward_to(answering(OK, end=b"\r\n\r\n"), request(b"Host: lemmy.example", body=b""))
    assert received == b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\n\r\n"
    assert outcome.response.body == b"ok"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + b"a" * 1048576, 200, b"a" * 1048576),
    ],
)
def test_reads_every_kind_of_answer(answer: bytes, status: int, body: bytes) -> None:
    outcome, _ = forward_to(answering(answer))
    assert (outcome.response.status, outcome.response.body) == (status, body)


def test_an_answer_to_head_has_no_body() -> None:
    delivery = msgspec.structs.replace(request(b"Host: lemmy.example", body=b""), method="HEAD")
    outcome, _ = forward_to(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", end=b"\r\n\r\n"), delivery)
    assert outcome.response == Response(200)


async def silent(connection: Connection) -> None:
    await connection.receive_until(b"never")


def resetting(part: bytes) -> Script:
    async def script(connection: Connection) -> None:
        await connection.receive_until(b"hello")
        await connection.send(part)
        await trio.testing.wait_all_tasks_blocked()
        connection.reset()

    return script


@pytest.mark.parametrize(
    "script",
    [
        answering(b""),
        answering(OK[:10]),
        answering(OK[:-1]),
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
        resetting(b""),
        resetting(OK[:-1]),
        resetting(b"HTTP/1.1 200 OK\r\n\r\nnot the end"),
        answering(b"nonsense\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
        answering(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n"),
        answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 1048577),
        answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + OK),
        answering(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    ],
)
def test_no_valid_answer_is_unavailable_and_never_tried_again(script: Script) -> None:
    recorder = Recorder(script)

    async def use(upstream: LemmyUpstream) -> None:
        with pytest.raises(UpstreamUnavailable, match="no valid answer") as failure:
            await upstream.forward(DELIVERY)
        assert failure.value.sent

    with_upstream(recorder, use)
    assert recorder.requests == [[ON_THE_WIRE]]


def test_a_lemmy_that_hangs_is_given_up_at_the_deadline() -> None:
    recorder = Recorder(silent)

    async def use(upstream: LemmyUpstream) -> None:
        with pytest.raises(UpstreamUnavailable, match=r"no answer within 0\.05 s") as failure:
            await upstream.forward(DELIVERY)
        assert failure.value.sent
        await recorder.hung_up.wait()

    with_upstream(recorder, use, answer_timeout=0.05)
    assert recorder.requests == [[ON_THE_WIRE]]


def test_an_answer_that_drips_is_given_up_at_the_deadline() -> None:
    async def drip(connection: Connection) -> None:
        await connection.receive_until(b"hello")
        while True:
            await connection.send(b"H")

    async def use(upstream: LemmyUpstream) -> None:
        with pytest.raises(UpstreamUnavailable) as failure:
            await upstream.forward(DELIVERY)
        assert failure.value.sent

    with_upstream(Recorder(drip), use, answer_timeout=0.05)


def test_nobody_listens() -> None:
    async def main() -> None:
        with socket.socket() as placeholder:
            placeholder.bind(("127.0.0.1", 0))
            upstream = LemmyUpstream(settings(f"http://127.0.0.1:{placeholder.getsockname()[1]}"))
            with pytest.raises(UpstreamUnavailable, match=r"cannot connect: .*refused") as failure:
                await upstream.forward(DELIVERY)
            assert not failure.value.sent

    trio.run(main)


def test_a_full_backlog_is_given_up_at_the_connect_deadline() -> None:
    async def main() -> None:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for _ in range(3):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            upstream = LemmyUpstream(settings(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout=0.05))
            with pytest.raises(UpstreamUnavailable, match=r"no connection within 0\.05 s") as failure:
                await upstream.forward(DELIVERY)
            assert not failure.value.sent

    trio.run(main)


def test_a_connection_is_used_again() -> None:
    recorder = Recorder(answering(OK, OK, OK))

    async def use(upstream: LemmyUpstream) -> None:
        for _ in range(3):
            assert (await upstream.forward(DELIVERY)).response.status == 200

    with_upstream(recorder, use)
    assert recorder.requests == [[ON_THE_WIRE] * 3]


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfor others",
    ],
)
def test_a_connection_that_cannot_be_trusted_is_not_used_again(answer: bytes) -> None:
    async def script(connection: Connection) -> None:
        await connection.receive_until(b"hello")
        await connection.send(answer)
        await connection.receive_until(b"hello")

    recorder = Recorder(script)

    async def use(upstream: LemmyUpstream) -> None:
        for _ in range(2):
            outcome = await upstream.forward(DELIVERY)
            assert outcome.response.body == b"ok"

    with_upstream(recorder, use)
    assert len(recorder.connections) == 2


def test_a_pooled_connection_that_lemmy_closed_is_noticed_before_a_byte_is_sent() -> None:
    recorder = Recorder(answering(OK))

    async def use(upstream: LemmyUpstream) -> None:
        for _ in range(3):
            recorder.hung_up = trio.Event()
            assert (await upstream.forward(DELIVERY)).response.status == 200
            await recorder.hung_up.wait()

    with_upstream(recorder, use)
    assert recorder.requests == [[ON_THE_WIRE]] * 3


def test_an_answer_nobody_asked_for_is_not_given_to_the_next_delivery() -> None:
    unasked = trio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive_until(b"hello")
        await connection.send(OK)
        await trio.testing.wait_all_tasks_blocked()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        unasked.set()
        await silent(connection)

    recorder = Recorder(script, answering(OK))

    async def use(upstream: LemmyUpstream) -> None:
        await upstream.forward(DELIVERY)
        await unasked.wait()
        assert (await upstream.forward(DELIVERY)).response.body == b"ok"

    with_upstream(recorder, use)
    assert len(recorder.connections) == 2


def test_a_connection_closed_under_a_delivery_is_not_tried_again() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive_until(b"hello")
        await connection.send(OK)
        await connection.receive_until(b"hello")

    recorder = Recorder(script)

    async def use(upstream: LemmyUpstream) -> None:
        await upstream.forward(DELIVERY)
        with pytest.raises(UpstreamUnavailable) as failure:
            await upstream.forward(DELIVERY)
        assert failure.value.sent

    with_upstream(recorder, use)
    assert recorder.requests == [[ON_THE_WIRE] * 2]


def test_a_connection_is_not_kept_longer_than_keepalive() -> None:
    recorder = Recorder(answering(*[OK] * 5))

    async def main() -> None:
        async with recorder.running() as url:
            upstream = LemmyUpstream(settings(url, keepalive=3))
            for pause in (2.9, 3.1, 0):
                await upstream.forward(DELIVERY)
                clock.jump(pause)
            await upstream.aclose()

    clock = trio.testing.MockClock()
    trio.run(main, clock=clock)
    assert recorder.requests == [[ON_THE_WIRE] * 2, [ON_THE_WIRE]]


def test_the_connection_used_last_is_used_first() -> None:
    gate = trio.Event()

    async def script(connection: Connection) -> None:
        while True:
            await connection.receive_until(b"hello")
            await gate.wait()
            await connection.send(OK)

    recorder = Recorder(script)

    async def use(upstream: LemmyUpstream) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(upstream.forward, DELIVERY)
            await trio.testing.wait_all_tasks_blocked(0.01)
            gate.set()
        for _ in range(5):
            await upstream.forward(DELIVERY)

    with_upstream(recorder, use)
    assert sorted(len(requests) for requests in recorder.requests) == [1, 1, 6]


def test_above_the_bound_deliveries_wait_and_are_given_up_unsent() -> None:
    recorder = Recorder(silent)

    async def use(upstream: LemmyUpstream) -> None:
        async def occupy() -> None:
            with pytest.raises(UpstreamUnavailable, match="no answer"):
                await upstream.forward(DELIVERY)

        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(occupy)
            await trio.testing.wait_all_tasks_blocked(0.01)
            with pytest.raises(UpstreamUnavailable, match="busy") as failure:
                await upstream.forward(DELIVERY)
            assert not failure.value.sent

    with_upstream(recorder, use, max_connections=2, connect_timeout=0.05, answer_timeout=0.2)
    assert len(recorder.connections) == 2


def test_a_place_is_free_again_after_every_failure() -> None:
    recorder = Recorder(answering(b"nonsense\r\n\r\n"), silent, answering(OK))

    async def use(upstream: LemmyUpstream) -> None:
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable, match="answer"):
                await upstream.forward(DELIVERY)
        assert (await upstream.forward(DELIVERY)).response.status == 200

    with_upstream(recorder, use, max_connections=1, answer_timeout=0.05)


def test_cancelling_waits_for_the_answer_to_what_was_sent() -> None:
    sent = trio.Event()
    go_on = trio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive_until(b"hello")
        sent.set()
        await go_on.wait()
        await connection.send(OK)

    outcomes: list[ForwardOutcome] = []

    async def use(upstream: LemmyUpstream) -> None:
        async def forward() -> None:
            outcomes.append(await upstream.forward(DELIVERY))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(forward)
            await sent.wait()
            nursery.cancel_scope.cancel()
            go_on.set()

    with_upstream(Recorder(script), use)
    assert [outcome.response.body for outcome in outcomes] == [b"ok"]


def test_cancelling_before_a_byte_was_sent_gives_the_place_back() -> None:
    recorder = Recorder(silent, answering(OK))

    async def use(upstream: LemmyUpstream) -> None:
        async def occupy() -> None:
            with pytest.raises(UpstreamUnavailable):
                await upstream.forward(DELIVERY)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(occupy)
            await trio.testing.wait_all_tasks_blocked(0.01)
            with trio.move_on_after(0.01) as scope:
                await upstream.forward(DELIVERY)
            assert scope.cancelled_caught
        assert (await upstream.forward(DELIVERY)).response.status == 200

    with_upstream(recorder, use, max_connections=1, answer_timeout=0.1)


def test_an_answer_before_the_whole_request_was_read_counts() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive_until(b"")
        await connection.send(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n")

    body = b"a" * 8_000_000
    recorder = Recorder(script)

    async def use(upstream: LemmyUpstream) -> None:
        delivery = request(b"Host: lemmy.example", b"Content-Length: %d" % len(body), body=body)
        assert (await upstream.forward(delivery)).response.status == 413

    with_upstream(recorder, use)


def test_aclose_closes_idle_connections_and_keeps_none_after() -> None:
    recorder = Recorder(answering(*[OK] * 5))

    async def use(upstream: LemmyUpstream) -> None:
        await upstream.forward(DELIVERY)
        await upstream.aclose()
        await recorder.hung_up.wait()
        recorder.hung_up = trio.Event()
        await upstream.forward(DELIVERY)
        await recorder.hung_up.wait()

    with_upstream(recorder, use)
    assert len(recorder.connections) == 2


def test_a_unix_socket(tmp_path: Path) -> None:
    async def main() -> None:
        listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        await listening.bind(str(tmp_path / "lemmy"))
        listening.listen()
        recorder = Recorder(answering(OK))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, recorder._serve, [trio.SocketListener(listening)])
            upstream = LemmyUpstream(settings(f"unix:{tmp_path}/lemmy"))
            assert (await upstream.forward(DELIVERY)).response.body == b"ok"
            await upstream.aclose()
            nursery.cancel_scope.cancel()
        assert recorder.requests == [[ON_THE_WIRE]]

    trio.run(main)


@pytest.mark.parametrize(
    "table",
    [
        {"url": "https://127.0.0.1"},
        {"url": "lemmy:8536"},
        {"url": "http://"},
        {"url": "http://lemmy:8536/api"},
        {"url": "http://lemmy:8536?x"},
        {"url": "http://lemmy:port"},
        {"url": "http://me@lemmy:8536"},
        {"url": "unix:relative"},
        {"max_connections": 0},
        {"answer_timeout": 0},
        {"timeout": 1},
    ],
)
def test_refuses_settings(table: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, UpstreamSettings)


@pytest.mark.parametrize("url", ["http://lemmy:8536", "http://lemmy/", "http://[::1]:8536", "unix:/run/lemmy.sock"])
def test_accepts_addresses(url: str) -> None:
    assert msgspec.convert({"url": url}, UpstreamSettings).url == url
