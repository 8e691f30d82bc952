from __future__ import annotations

from collections.abc import Awaitable, Callable

import h11
import pytest
import trio

from tests.support import servers
from tests.support.signing import cavage
from tests.support.world_actors import Actor
from tests.support.world_delivery import Answer, connected, encode, exchange, signed_post

ALICE = Actor("alpha.example", "alice")
REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"


def served(script: servers.Script, client: Callable[[servers.Server], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(10):
            async with servers.serving(script) as server:
                await client(server)

    trio.run(main)


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (servers.answer(b"{}", "application/json"), Answer(200, (), b"{}")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, (), b"")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", Answer(202, (), b"")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", Answer(200, (), b"a")),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", Answer(200, (), b"until the end")),
    ],
)
def test_reads_every_kind_of_answer(raw: bytes, answer: Answer) -> None:
    async def client(server: servers.Server) -> None:
        got = await exchange(server.port, REQUEST)
        assert (got.status, got.body) == (answer.status, answer.body)

    served(servers.says(raw), client)


def test_one_byte_mode_sends_the_same_bytes() -> None:
    async def client(server: servers.Server) -> None:
        head = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
        await exchange(server.port, head, one_byte=True)
        assert server.heads == [head]

    served(servers.says(servers.answer(b"")), client)


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Len", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"]
)
def test_half_an_answer_is_none(raw: bytes) -> None:
    async def client(server: servers.Server) -> None:
        with pytest.raises(h11.RemoteProtocolError):
            await exchange(server.port, REQUEST)

    served(servers.says(raw), client)


def test_an_answer_before_the_request_is_whole_is_read() -> None:
    async def client(server: servers.Server) -> None:
        endless = b"POST / HTTP/1.1\r\nContent-Length: 90000000\r\n\r\n" + bytes(90_000_000)
        assert (await exchange(server.port, endless)).status == 413

    served(servers.hangs(servers.answer(b"", status="413 Payload Too Large")), client)


def test_gives_up_at_the_deadline() -> None:
    async def client(server: servers.Server) -> None:
        with pytest.raises(trio.TooSlowError):
            await exchange(server.port, REQUEST, deadline=0.1)

    served(servers.hangs(), client)


def test_tells_a_closed_connection_from_one_with_more_to_say() -> None:
    async def client(server: servers.Server) -> None:
        async with connected(server.port) as connection:
            assert (await connection.exchange(REQUEST)).status == 200
            with pytest.raises(AssertionError):
                await connection.closed()

    served(servers.says(servers.answer(b""), b"more"), client)


def test_signs_as_the_shape_says_with_the_changes_that_are_asked_for() -> None:
    body = encode({"name": "é"})
    assert body == '{"name":"é"}'.encode()
    expected = cavage(
        ALICE.key,
        ALICE.key_id,
        body,
        host="lemmy.example",
        now=1e9,
        algorithm="hs2019",
        covered=("(request-target)", "content-type", "date", "digest", "host"),
    ).on_the_wire("/inbox")
    assert signed_post(ALICE, {"name": "é"}, shape="lemmy", now=1e9) == expected
    assert signed_post(ALICE, body, shape="lemmy", now=1e9, host="other.example") != expected
    other = Actor("alpha.example", "mallory")
    assert signed_post(ALICE, body, shape="lemmy", now=1e9, key=other.key) != expected
