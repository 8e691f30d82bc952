from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import h11
import pytest
import trio

from tests.support import world_activities as activities
from tests.support.lemmy import Hang, Lemmy, Refuse, Reset, Slow
from tests.support.lemmy_http import BODY_LIMIT
from tests.support.signing import digest_header
from tests.support.world_actors import Actor
from tests.support.world_delivery import Answer, connected, encode, exchange, signed_post

ALICE = Actor("alpha.example", "alice")
MALLORY = Actor("alpha.example", "mallory")
KNOWN = {actor.id: actor.public_key for actor in (ALICE, MALLORY)}


def run(scenario: Callable[[Lemmy], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        with trio.fail_after(20):
            async with Lemmy(KNOWN.get, **options) as lemmy:
                await scenario(lemmy)

    trio.run(main)


def error_of(answer: Answer) -> str:
    document = json.loads(answer.body)
    assert list(document) == ["error"]
    return str(document["error"])


def note() -> dict[str, Any]:
    return activities.mastodon_note(ALICE, "<p>Hello</p>")


@pytest.mark.parametrize("shape", ["mastodon", "lemmy", "gotosocial", "misskey", "hs2019-created", "without-algorithm"])
@pytest.mark.parametrize("one_byte", [False, True])
def test_accepts_what_real_software_sends(shape: str, one_byte: bool) -> None:
    async def scenario(lemmy: Lemmy) -> None:
        raw = signed_post(ALICE, note(), shape=shape)
        assert await exchange(lemmy.port, raw, one_byte=one_byte) == (200, ((b"content-length", b"0"),), b"")
        received = await lemmy.next_received()
        assert received.head + received.body == raw
        assert (received.status, received.target, received.values(b"host")) == (200, b"/inbox", [b"lemmy.example"])

    run(scenario)


def test_the_key_is_that_of_the_bodys_actor_whatever_key_id_says() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        borrowed = signed_post(ALICE, note()).replace(b'keyId="https://alpha', b'keyId="https://omega')
        assert (await exchange(lemmy.port, borrowed)).status == 200
        forged = signed_post(MALLORY, note())
        assert error_of(await exchange(lemmy.port, forged)) == "Incoming activity has invalid signature"

    run(scenario)


BROKEN: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "changed body": (lambda: signed_post(ALICE, note(), sent_body=encode(note())), 400, "invalid digest"),
    "no digest": (lambda: signed_post(ALICE, note(), omit=("digest",)), 400, "invalid digest"),
    "digest not signed": (
        lambda: signed_post(ALICE, note(), covered=("(request-target)", "host", "date")),
        400,
        "not signed: digest",
    ),
    "host not signed": (
        lambda: signed_post(ALICE, note(), covered=("(request-target)", "digest", "date")),
        400,
        "not signed: host",
    ),
    "target not signed": (
        lambda: signed_post(ALICE, note(), covered=("host", "digest", "date")),
        400,
        "not signed: (request-target)",
    ),
    "no date signed": (
        lambda: signed_post(ALICE, note(), covered=("(request-target)", "host", "digest")),
        400,
        "neither date nor (created)",
    ),
    "old": (lambda: signed_post(ALICE, note(), date_offset=-3700), 400, "expired"),
    "from the future": (lambda: signed_post(ALICE, note(), date_offset=3700), 400, "expired"),
    "expired": (lambda: signed_post(ALICE, note(), shape="hs2019-created", created=-10, expires=-5), 400, "expired"),
    "created too long ago": (
        lambda: signed_post(ALICE, note(), shape="hs2019-created", created=-3700, expires=300),
        400,
        "expired",
    ),
    "signature with a blank in its base64": (
        lambda: signed_post(ALICE, note()).replace(b'signature="', b'signature=" '),
        400,
        "invalid signature",
    ),
    "created in the future": (
        lambda: signed_post(ALICE, note(), shape="hs2019-created", created=60),
        400,
        "from the future",
    ),
    "no signature": (lambda: signed_post(ALICE, note(), omit=("signature",)), 400, "header is missing"),
    "host changed on the way": (
        lambda: signed_post(ALICE, note(), replace={"host": "lemmy.test"}),
        400,
        "invalid signature",
    ),
    "signed for another target": (
        lambda: signed_post(ALICE, note(), signed_target="/u/bob/inbox"),
        400,
        "invalid signature",
    ),
    "query added on the way": (
        lambda: signed_post(ALICE, note(), target="/inbox?x", signed_target="/inbox"),
        400,
        "invalid signature",
    ),
    "RFC 9421": (lambda: signed_post(ALICE, note(), shape="rfc9421"), 400, "invalid digest"),
    "RFC 9421 and a Digest": (
        lambda: signed_post(ALICE, body := encode(note()), shape="rfc9421", extra=[("Digest", digest_header(body))]),
        400,
        "does not parse",
    ),
    "two Date lines": (
        lambda: signed_post(ALICE, note(), extra=[("Date", "Thu, 01 Jan 2026 00:00:00 GMT")]),
        400,
        "given twice: date",
    ),
    "unknown actor": (
        lambda: signed_post(ALICE, note() | {"actor": "https://alpha.example/users/nobody"}),
        400,
        "failed to fetch actor",
    ),
    "id of another host": (
        lambda: signed_post(ALICE, note() | {"id": "https://beta.example/1"}),
        400,
        "not that of its actor",
    ),
    "wrong content type": (lambda: signed_post(ALICE, note(), content_type="text/plain"), 404, "not found"),
    "no content type": (
        lambda: signed_post(ALICE, note(), omit=("content-type",), shape="gotosocial"),
        404,
        "not found",
    ),
    "another method": (lambda: b"PUT" + signed_post(ALICE, note()).removeprefix(b"POST"), 404, "not found"),
    "a user's inbox": (lambda: signed_post(ALICE, note(), target="/u/bob/inbox"), 404, "not found"),
    "no inbox": (lambda: signed_post(ALICE, note(), target="/nodeinfo/2.0.json"), 404, "not found"),
    "too large": (lambda: signed_post(ALICE, b"{" + b" " * BODY_LIMIT), 413, "too large"),
    "not HTTP": (lambda: b"POST /inbox\r\nHost lemmy\r\n\r\n", 400, "illegal request line"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_refuses(case: str) -> None:
    async def scenario(lemmy: Lemmy) -> None:
        make, status, error = BROKEN[case]
        answer = await exchange(lemmy.port, make())
        assert (answer.status, (await lemmy.next_received()).status) == (status, status)
        assert error_of(answer) == lemmy.received[0].error
        assert error in error_of(answer)
        assert (await exchange(lemmy.port, signed_post(ALICE, note()))).status == 200

    run(scenario)


def test_takes_a_body_of_the_largest_size() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        body = encode(note())
        largest = body + b" " * (BODY_LIMIT - len(body))
        assert (await exchange(lemmy.port, signed_post(ALICE, largest))).status == 200

    run(scenario)


@pytest.mark.parametrize("target", ["/inbox", "/%69nbox", "/inbox?a=b", "/u/bob/inbox", "/c/a%2Fb/inbox"])
def test_the_inboxes_of_0_19_in_every_spelling(target: str) -> None:
    async def scenario(lemmy: Lemmy) -> None:
        assert (await exchange(lemmy.port, signed_post(ALICE, note(), target=target))).status == 200
        assert lemmy.received[0].target == target.encode()

    run(scenario, version="0.19")


@pytest.mark.parametrize(("version", "second"), [("1.0", 400), ("0.19", 200)])
def test_an_activity_that_failed_can_be_sent_again_only_to_0_19(version: str, second: int) -> None:
    async def scenario(lemmy: Lemmy) -> None:
        raw = signed_post(ALICE, note())
        lemmy.script(Refuse(400, "plugin says no"))
        assert error_of(await exchange(lemmy.port, raw)) == "plugin says no"
        assert (await exchange(lemmy.port, raw)).status == second
        assert error_of(await exchange(lemmy.port, raw)) == "duplicate activity"

    run(scenario, version=version)


def test_a_forgery_does_not_use_the_id_up() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        activity = note()
        assert (await exchange(lemmy.port, signed_post(MALLORY, activity))).status == 400
        assert (await exchange(lemmy.port, signed_post(ALICE, activity))).status == 200

    run(scenario)


def test_starting_is_503_and_a_broken_database_500() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        lemmy.script(Refuse(503, "Lemmy is currently starting"), Refuse(500, "database"))
        assert (await exchange(lemmy.port, signed_post(ALICE, note()))).status == 503
        assert error_of(await exchange(lemmy.port, signed_post(ALICE, note()))) == "database"

    run(scenario)


def test_keeps_connections_alive_and_reads_what_is_pipelined() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        async with connected(lemmy.port) as connection:
            both = signed_post(ALICE, note()) + signed_post(ALICE, note())
            assert (await connection.exchange(both)).status == 200
            assert (await connection.exchange(b"")).status == 200
            assert (await connection.exchange(signed_post(ALICE, note()))).status == 200
        assert [received.connection for received in lemmy.received] == [1, 1, 1]

    run(scenario)


def test_reads_chunked_bodies() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        head, blank, body = signed_post(ALICE, note()).partition(b"\r\n\r\n")
        head = head.replace(b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked")
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        assert (await exchange(lemmy.port, head + blank + chunked)).status == 200
        assert lemmy.received[0].body == body

    run(scenario)


def test_closes_an_idle_connection() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        async with connected(lemmy.port) as connection:
            assert (await connection.exchange(signed_post(ALICE, note()))).status == 200
            await connection.closed()

    run(scenario, keep_alive=0.05)


def test_closes_when_asked_to() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        async with connected(lemmy.port) as connection:
            last = signed_post(ALICE, note(), extra=[("Connection", "close")])
            assert (await connection.exchange(last)).status == 200
            await connection.closed()

    run(scenario)


@pytest.mark.parametrize("at", ["head", "answer"])
def test_resets(at: Any) -> None:
    async def scenario(lemmy: Lemmy) -> None:
        lemmy.script(Reset(at))
        raw = signed_post(ALICE, note())
        with pytest.raises((trio.BrokenResourceError, h11.RemoteProtocolError)):
            await exchange(lemmy.port, raw)
        assert raw.startswith((await lemmy.next_received()).head)

    run(scenario)


def test_hangs_but_has_the_request() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        lemmy.script(Hang())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange, lemmy.port, signed_post(ALICE, note()))
            assert (await lemmy.next_received()).status == 0
            nursery.cancel_scope.cancel()

    run(scenario)


def test_answers_late() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        lemmy.script(Slow(0.2))
        before = trio.current_time()
        assert (await exchange(lemmy.port, signed_post(ALICE, note()))).status == 200
        assert trio.current_time() - before >= 0.2

    run(scenario)


def test_goes_down_and_comes_up_on_the_same_port() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        async with connected(lemmy.port) as connection:
            assert (await connection.exchange(signed_post(ALICE, note()))).status == 200
            await lemmy.down()
            await connection.closed()
        with pytest.raises(OSError, match="all attempts to connect"):
            await exchange(lemmy.port, signed_post(ALICE, note()))
        port = lemmy.port
        await lemmy.up()
        assert lemmy.port == port
        assert (await exchange(lemmy.port, signed_post(ALICE, note()))).status == 200

    run(scenario)


def test_nothing_received_is_told_in_time() -> None:
    async def scenario(lemmy: Lemmy) -> None:
        with pytest.raises(trio.TooSlowError):
            await lemmy.next_received(0.05)

    run(scenario)
