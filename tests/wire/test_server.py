from __future__ import annotations

import contextlib

import pytest
import trio
import trio.testing

from relayfilter.errors import MalformedRequest
from relayfilter.request import HeaderLine, InboxRequest, Response
from relayfilter.wire.limits import Limits
from relayfilter.wire.server import encode_response
from relayfilter.wire.stream import SocketStream
from tests.wire.conversation import NOW, Edge, by_bytes, run_with_clock, speak
from tests.wire.test_head import MALFORMED, request

HOST = HeaderLine(b"host", b"lemmy.example", b"Host: lemmy.example")
GET = b"GET /actor HTTP/1.1\r\nHost: lemmy.example\r\n\r\n"
POST = b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nContent-Length: 5\r\n\r\nhello"
CLOSE = b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"
OK_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def received(method: str, target: bytes, *headers: HeaderLine, body: bytes = b"") -> InboxRequest:
    return InboxRequest(method, target, (HOST, *headers), body, NOW, "peer")


LENGTH_5 = HeaderLine(b"content-length", b"5", b"Content-Length: 5")
CHUNKED = HeaderLine(b"transfer-encoding", b"chunked", b"Transfer-Encoding: chunked")
GOOD: dict[str, tuple[bytes, list[InboxRequest], bytes]] = {
    "no body": (GET, [received("GET", b"/actor")], OK),
    "length": (POST, [received("POST", b"/inbox", LENGTH_5, body=b"hello")], OK),
    "chunked": (
        b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        [received("POST", b"/inbox", CHUNKED, body=b"hello")],
        OK,
    ),
    "HTTP/1.0 as nginx sends it": (
        b"POST //inbox HTTP/1.0\r\nHost: lemmy.example\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        [
            received(
                "POST", b"//inbox", HeaderLine(b"connection", b"close", b"Connection: close"), LENGTH_5, body=b"hello"
            )
        ],
        OK_CLOSE,
    ),
    "pipelined": (
        POST + GET + POST,
        [
            received("POST", b"/inbox", LENGTH_5, body=b"hello"),
            received("GET", b"/actor"),
            received("POST", b"/inbox", LENGTH_5, body=b"hello"),
        ],
        OK * 3,
    ),
    "pipelined behind chunks": (
        b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET,
        [received("POST", b"/inbox", CHUNKED), received("GET", b"/actor")],
        OK * 2,
    ),
    "nothing is read behind the last request": (
        CLOSE + POST,
        [received("POST", b"/inbox", HeaderLine(b"connection", b"close", b"Connection: close"))],
        OK_CLOSE,
    ),
}


@pytest.mark.parametrize(("message", "requests", "answer"), GOOD.values(), ids=GOOD.keys())
def test_reads_requests_however_they_are_cut(message: bytes, requests: list[InboxRequest], answer: bytes) -> None:
    cuts = [[message], by_bytes(message), *([message[:at], message[at:]] for at in range(1, len(message)))]
    for pieces in cuts:
        spoken = speak(pieces)
        assert spoken.requests == requests
        assert spoken.answer == answer
        assert not spoken.malformed
        assert not spoken.crashes


@pytest.mark.parametrize(("head", "status"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_requests_are_answered_and_end_the_connection(head: bytes, status: int) -> None:
    smuggled = head + POST
    for pieces in ([smuggled], [head[: len(head) // 2], head[len(head) // 2 :] + POST]):
        spoken = speak(pieces)
        assert spoken.requests == []
        assert spoken.statuses == [status]
        assert b"\r\nConnection: close\r\n" in spoken.answer
        assert [error.status for error in spoken.malformed] == [status]


def test_a_refusal_says_nothing_but_its_name() -> None:
    spoken = speak([request(b"POST /<script> HTTP/1.1", b"")])
    assert spoken.answer == (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 23\r\nConnection: close\r\n\r\n"
        b'{"error":"bad request"}'
    )


@pytest.mark.parametrize(
    ("message", "limits", "status"),
    [
        (b"POST /" + b"a" * 200, Limits(head_bytes=100), 414),
        (request(headers=b"Host: a\r\nX: " + b"a" * 100 + b"\r\n"), Limits(head_bytes=100), 431),
        (request(headers=b"Host: a\r\nX: " + b"a" * 1000), Limits(head_bytes=100), 431),
        (request(b"POST /12345 HTTP/1.1"), Limits(target_bytes=5), 414),
        (request(headers=b"Host: a\r\nX: y\r\n"), Limits(header_count=1), 431),
        (request(headers=b"Host: a\r\nContent-Length: 6\r\n") + b"123456", Limits(body_bytes=5), 413),
        (
            request(headers=b"Host: a\r\nTransfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n",
            Limits(body_bytes=5),
            413,
        ),
        (request(headers=b"Host: a\r\nTransfer-Encoding: chunked\r\n") + b"3 \r\nabc\r\n", Limits(), 400),
    ],
)
def test_limits(message: bytes, limits: Limits, status: int) -> None:
    for pieces in ([message], by_bytes(message)):
        spoken = speak(pieces, limits=limits)
        assert spoken.requests == []
        assert spoken.statuses == [status]
        assert [error.status for error in spoken.malformed] == [status]


@pytest.mark.parametrize("cut", range(1, len(POST)))
def test_a_hang_up_in_a_request_is_reported_and_not_answered(cut: int) -> None:
    spoken = speak([POST[:cut]])
    assert (spoken.answer, spoken.requests) == (b"", [])
    assert [error.status for error in spoken.malformed] == [400]


def test_a_hang_up_between_requests_is_nothing_to_report() -> None:
    for pieces in ([], [POST]):
        spoken = speak(pieces)
        assert len(spoken.requests) == len(pieces)
        assert not spoken.malformed


EXPECTS = b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


def test_a_peer_who_waits_for_a_continue_gets_one() -> None:
    assert speak([EXPECTS, b"hello"]).answer == b"HTTP/1.1 100 Continue\r\n\r\n" + OK


@pytest.mark.parametrize("pieces", [[EXPECTS + b"hello"], [EXPECTS + b"he", b"llo"]])
def test_a_peer_who_does_not_wait_gets_no_continue(pieces: list[bytes]) -> None:
    assert speak(pieces).answer == OK


def test_no_continue_for_a_body_that_is_too_large() -> None:
    assert speak([EXPECTS], limits=Limits(body_bytes=4)).statuses == [413]


@pytest.mark.parametrize(
    ("sent", "after", "status"),
    [
        (b"P", 10, 408),
        (POST[:60], 10, 408),
        (POST[:-5], 30, 408),
        (POST[:-1], 30, 408),
        (CLOSE.replace(b"Connection: close", b"Transfer-Encoding: chunked") + b"5\r\nhel", 30, 408),
    ],
)
def test_a_slow_request_is_given_up_at_its_deadline(sent: bytes, after: float, status: int) -> None:
    async def main() -> None:
        edge = Edge()
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.serve)
            await edge.client.send_all(sent)
            answer = await edge.read_to_end()
            assert trio.current_time() == pytest.approx(started + after)
            await edge.client.aclose()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert [error.status for error in edge.malformed] == [status]
        assert edge.requests == []

    run_with_clock(main)


def test_dripping_does_not_extend_a_deadline() -> None:
    async def main() -> None:
        edge = Edge()
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.serve)

            async def drip() -> None:
                for byte in by_bytes(b"POST /" + b"a" * 100):
                    await edge.client.send_all(byte)
                    await trio.sleep(0.9)

            nursery.start_soon(drip)
            answer = await edge.read_to_end()
            assert trio.current_time() - started == pytest.approx(10)
            nursery.cancel_scope.cancel()
        assert answer.startswith(b"HTTP/1.1 408 ")

    run_with_clock(main)


@pytest.mark.parametrize("before", [b"", POST])
def test_an_idle_connection_may_be_closed_without_a_word(before: bytes) -> None:
    async def main() -> None:
        edge = Edge()
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.serve)
            await edge.client.send_all(before)
            await trio.testing.wait_all_tasks_blocked()
            edge.idle.close(started + 74.9)
            assert await edge.read_to_end_or_block() == (OK if before else b"")
            edge.idle.close(started + 75)
            assert await edge.read_to_end() == b""
        assert not edge.malformed

    run_with_clock(main)


@pytest.mark.parametrize("begun", [b"P", POST[:-1]])
def test_a_connection_with_a_request_under_way_is_not_idle(begun: bytes) -> None:
    async def main() -> None:
        edge = Edge()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.serve)
            await edge.client.send_all(begun)
            await trio.testing.wait_all_tasks_blocked()
            edge.idle.close()
            await edge.client.send_all(POST[len(begun) :])
            assert await edge.read_until(b"ok") == OK
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_the_handler_has_no_deadline_of_ours_and_is_not_cancelled_by_a_hang_up() -> None:
    async def handler(request: InboxRequest) -> Response:
        await trio.sleep(1000)
        finished.append(request)
        return Response(200)

    finished: list[InboxRequest] = []

    async def main() -> None:
        edge = Edge(handler)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.serve)
            await edge.client.send_all(POST)
            await trio.testing.wait_all_tasks_blocked()
            await edge.client.aclose()
        assert len(finished) == 1
        assert not edge.crashes
        assert not edge.malformed

    run_with_clock(main)


def test_a_peer_who_does_not_take_its_answer_is_dropped() -> None:
    async def handler(request: InboxRequest) -> Response:
        return Response(200, body=b"a" * 20_000_000)

    async def main() -> None:
        edge = Edge(handler)
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener, await trio.testing.open_stream_to_socket_listener(listener) as client:
            edge.server = SocketStream(await listener.accept())
            await client.send_all(POST)
            started = trio.current_time()
            await edge.serve()
            assert trio.current_time() - started == pytest.approx(30)
        assert len(edge.requests) == 1
        assert not edge.crashes

    run_with_clock(main)


def test_pipelined_requests_let_other_connections_run() -> None:
    async def handler(request: InboxRequest) -> Response:
        turns.append("request")
        return Response(200)

    async def main() -> None:
        edge = Edge(handler)
        edge.server.send_now = lambda data: len(data)  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            await edge.client.send_all(GET * 5)
            await edge.client.send_eof()
            nursery.start_soon(edge.serve)
            for _ in range(10):
                turns.append("other")
                await trio.lowlevel.checkpoint()

    turns: list[str] = []
    trio.run(main)
    first, last = turns.index("request"), len(turns) - turns[::-1].index("request")
    assert turns[first:last].count("other") >= 3


def test_an_unexpected_exception_is_reported_and_answered_500() -> None:
    class Bug(Exception):
        pass

    async def handler(request: InboxRequest) -> Response:
        raise Bug("secret")

    spoken = speak([POST + POST], handler)
    assert spoken.statuses == [500]
    assert b"secret" not in spoken.answer
    assert [type(crash) for crash in spoken.crashes] == [Bug]
    assert len(spoken.requests) == 1


def test_a_broken_stream_inside_the_handler_is_a_crash_and_not_a_hang_up() -> None:
    async def handler(request: InboxRequest) -> Response:
        raise trio.BrokenResourceError

    spoken = speak([POST], handler)
    assert spoken.statuses == [500]
    assert len(spoken.crashes) == 1


def test_the_handler_may_find_a_request_malformed() -> None:
    async def handler(request: InboxRequest) -> Response:
        raise MalformedRequest(415, "not application/*")

    spoken = speak([POST], handler)
    assert spoken.statuses == [415]
    assert [error.reason for error in spoken.malformed] == ["not application/*"]


def test_cancelling_passes_through_and_closes() -> None:
    async def main() -> None:
        edge = Edge()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.serve)
            await edge.client.send_all(POST[:10])
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert await edge.client.receive_some() == b""
        assert not edge.crashes

    trio.run(main)


def test_a_connection_that_was_accepted_while_draining_is_closed() -> None:
    async def main() -> None:
        edge = Edge()
        edge.draining.set()
        with trio.fail_after(5):
            await edge.serve()
        assert await edge.read_to_end() == b""

    trio.run(main)


def test_draining_lets_a_request_that_has_begun_end() -> None:
    async def main() -> None:
        edge = Edge()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.serve)
            await edge.client.send_all(POST[:10])
            await trio.testing.wait_all_tasks_blocked()
            edge.draining.set()
            await trio.testing.wait_all_tasks_blocked()
            await edge.client.send_all(POST[10:] + POST)
            assert await edge.read_to_end() == OK_CLOSE
            await edge.client.aclose()
        assert len(edge.requests) == 1

    trio.run(main)


@pytest.mark.parametrize(
    ("message", "answer"), [(POST.replace(b": 5", b": 999999"), b"HTTP/1.1 413 "), (CLOSE, b"HTTP/1.1 200 ")]
)
def test_a_peer_still_sending_can_read_its_last_answer(message: bytes, answer: bytes) -> None:
    """An immediate close would reset the connection and take the answer with it."""

    async def main() -> None:
        edge = Edge()
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener, await trio.testing.open_stream_to_socket_listener(listener) as client:
            edge.server = SocketStream(await listener.accept())
            with trio.fail_after(10):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(edge.serve)
                    await client.send_all(message)
                    await trio.testing.wait_all_tasks_blocked()
                    for _ in range(10):
                        await client.send_all(b"a" * 65536)
                    await client.send_eof()
                    received = b""
                    while chunk := await client.receive_some():
                        received += chunk
        assert received.startswith(answer)

    trio.run(main)


def test_lingering_ends_by_time() -> None:
    async def main() -> None:
        edge = Edge()
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.serve)
            await edge.client.send_all(b"nonsense\r\n\r\n")
        assert trio.current_time() - started == pytest.approx(2)

    run_with_clock(main)


def test_lingering_ends_by_bytes() -> None:
    async def main() -> None:
        edge = Edge()
        sent = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.serve)
            await edge.client.send_all(b"nonsense\r\n\r\n")
            with contextlib.suppress(trio.BrokenResourceError):
                while sent < 100 * 1024 * 1024:
                    await edge.client.send_all(b"a" * 65536)
                    await trio.testing.wait_all_tasks_blocked()
                    sent += 65536
        assert sent <= 1024 * 1024 + 65536

    trio.run(main)


@pytest.mark.parametrize(
    ("response", "without_body", "expected"),
    [
        (Response(200, ((b"X-One", b"a"),), b"hi"), False, b"200 OK\r\nX-One: a\r\nContent-Length: 2\r\n{}hi"),
        (Response(200, (), b"hi"), True, b"200 OK\r\nContent-Length: 2\r\n{}"),
        (Response(204), False, b"204 No Content\r\n{}"),
        (Response(304), False, b"304 Not Modified\r\n{}"),
        (Response(799, (), b"hi"), False, b"799 \r\nContent-Length: 2\r\n{}hi"),
    ],
)
def test_answers_on_the_wire(response: Response, without_body: bool, expected: bytes) -> None:
    for keep_alive, connection in ((True, b"keep-alive"), (False, b"close")):
        encoded = encode_response(response, without_body=without_body, keep_alive=keep_alive)
        assert encoded == b"HTTP/1.1 " + expected.replace(b"{}", b"Connection: %b\r\n\r\n" % connection)


@pytest.mark.parametrize("header", [(b"X", b"a\r\nY: b"), (b"X", b"a\nb"), (b"X\r", b"a")])
def test_an_answer_cannot_be_split(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="line break"):
        encode_response(Response(200, (header,)), without_body=False, keep_alive=True)
