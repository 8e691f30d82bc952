"""The daemon as a service: reloads, stops, sockets, odd requests."""

from __future__ import annotations

import json

import trio

from relayfilter.media.testcard import render
from tests.support import world_activities as say
from tests.support import world_answers
from tests.support.lemmy import Slow
from tests.support.world import World
from tests.support.world_delivery import connected, exchange, signed_post

EVERYTHING = 'default = "reject"\non_uninspectable = "reject"\n'
NOTHING = 'default = "accept"\non_uninspectable = "reject"\n'


def test_sighup_takes_a_new_policy_and_keeps_the_old_one_when_the_new_one_is_wrong() -> None:
    async def main() -> None:
        async with World(policy=NOTHING) as world:
            alice = world.fediverse["alpha.example"].actor("alice")
            assert (await world.deliver(alice, say.mastodon_note(alice, "1"))).status == 200
            await world.reload(EVERYTHING)
            assert (await world.deliver(alice, say.mastodon_note(alice, "2"))).status == 403
            await world.reload(NOTHING + "[[rules]]\nname = 1\n")
            refused = await world.log_line(lambda line: line["event"] == "reload-refused")
            assert f"{world.policy_file}:4" in refused["detail"]
            assert (await world.deliver(alice, say.mastodon_note(alice, "3"))).status == 403

    trio.run(main)


def test_sigterm_lets_a_delivery_under_way_end_and_closes_idle_connections() -> None:
    async def main() -> None:
        async with World() as world:
            alice = world.fediverse["alpha.example"].actor("alice")
            statuses: list[int] = []

            async def send() -> None:
                statuses.append((await world.deliver(alice, say.mastodon_note(alice, "1"))).status)

            async with connected(world.port) as idle:
                await idle.exchange(signed_post(alice, say.mastodon_note(alice, "0")))
                await world.lemmy.next_received()
                world.lemmy.script(Slow(0.5))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(send)
                    await world.log_line(lambda line: line["event"] == "delivery")
                    await world.lemmy.next_received()
                    nursery.start_soon(world.stop)
                    await idle.closed()
            assert statuses == [200]

    trio.run(main)


def test_it_listens_by_itself_where_the_configuration_says() -> None:
    async def main() -> None:
        async with World(hand_over=False) as world:
            alice = world.fediverse["alpha.example"].actor("alice")
            assert (await world.deliver(alice, say.mastodon_note(alice, "1"))).status == 200

    trio.run(main)


def test_deliveries_share_a_connection_and_a_malformed_one_harms_no_other() -> None:
    async def main() -> None:
        async with World() as world:
            alice = world.fediverse["alpha.example"].actor("alice")
            async with connected(world.port) as connection:
                for _ in range(3):
                    answer = await connection.exchange(signed_post(alice, say.mastodon_note(alice, "1")))
                    assert answer.status == 200
                assert (await exchange(world.port, b"POST /inbox\r\n\r\n")).status == 400
                assert (await connection.exchange(signed_post(alice, say.mastodon_note(alice, "2")))).status == 200
                await world.log_line(lambda line: line["event"] == "malformed" and line["status"] == 400)

    trio.run(main)


def test_odd_spellings_of_the_inbox_are_deliveries_and_other_methods_are_not() -> None:
    async def main() -> None:
        async with World(lemmy_version="0.19") as world:
            alice = world.fediverse["alpha.example"].actor("alice")
            for target in ("/inbox", "//inbox", "/%69nbox", "/c/a%2Fb/inbox", "/u/bob/inbox?x=1", "/api/../inbox"):
                raw = signed_post(alice, say.mastodon_note(alice, "1"), target=target)
                await world.send(raw)
                received = await world.lemmy.next_received()
                assert received.target == target.encode()
                assert raw == received.head + received.body
            for raw, status in (
                (b"GET /inbox HTTP/1.1\r\nHost: lemmy.example\r\n\r\n", 405),
                (b"PUT /inbox HTTP/1.1\r\nHost: lemmy.example\r\nContent-Length: 0\r\n\r\n", 405),
                (b"GET /_relayfilter/health HTTP/1.1\r\nHost: x\r\n\r\n", 200),
                (b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nContent-Length: 300000\r\n\r\n", 413),
                (b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
                (b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nContent-Length: 2\r\n\r\n{}", 415),
            ):
                assert (await exchange(world.port, raw)).status == status

    trio.run(main)


def test_a_hostile_name_reaches_no_log_and_no_terminal_raw() -> None:
    async def main() -> None:
        async with World() as world:
            host = world.fediverse["alpha.example"]
            alice = host.actor("alice")
            card = say.document_attachment(host.add("/c\u202e.png", world_answers.reply(render("png"), "image/png")))
            note = say.mastodon_note(alice, "<p>Hi</p>", card)
            note["type"] = "Create\x1b[2J\nfake"
            answer = await world.deliver(alice, note)
            assert answer.status == 403
            line = await world.log_line(lambda line: line["event"] == "delivery")
            assert world.daemon.stray == []
            for command in (("log",), ("explain", line["id"]), ("log", "--json")):
                shown = (await world.run_cli(*command)).stdout
                assert b"\x1b" not in shown
                assert "\u202e" not in shown.decode() or "--json" in command
                assert b"\nfake" not in shown

    trio.run(main)


def test_it_says_who_it_is_to_servers_that_want_to_know() -> None:
    async def main() -> None:
        async with World() as world:
            account = "/.well-known/webfinger?resource=acct:relayfilter@lemmy.example"
            documents = []
            for target in ("/relayfilter/actor", account, account.replace(":relay", "%3Arelay").replace("@", "%40")):
                raw = f"GET {target} HTTP/1.1\r\nHost: lemmy.example\r\n\r\n".encode()
                answer = await exchange(world.port, raw)
                assert answer.status == 200
                documents.append(json.loads(answer.body))
            actor, *found = documents
            assert actor["publicKey"]["owner"] == actor["id"] == "https://lemmy.example/relayfilter/actor"
            assert all(word["links"][0]["href"] == actor["id"] for word in found)
            key = world.state / "instance-actor.pem"
            assert key.stat().st_mode & 0o077 == 0

    trio.run(main)
