"""What breaks around a delivery, and what the sender hears: never "accept", never a 4xx for trouble of our own."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

import trio

from relayfilter.media.testcard import render
from tests.support import patterns, world_answers
from tests.support import world_activities as say
from tests.support.lemmy import Hang, Reset
from tests.support.world import World
from tests.support.world_actors import Actor

QUICK = {"upstream": {"answer_timeout": 0.5, "connect_timeout": 0.5}, "deliveries": {"deadline": 2.0}}


async def _note(world: World, who: Actor, *attachments: say.Document) -> int:
    return (await world.deliver(who, say.mastodon_note(who, "<p>Hi</p>", *attachments))).status


def test_lemmy_down_hanging_or_resetting_is_503_and_is_over_when_it_is_back() -> None:
    async def main() -> None:
        async with World(settings=QUICK) as world:
            alice = world.fediverse["alpha.example"].actor("alice")
            assert await _note(world, alice) == 200
            world.lemmy.script(Hang(), Reset("head"), Reset("answer"))
            for _ in range(3):
                answer = await world.deliver(alice, say.mastodon_note(alice, "<p>Hi</p>"))
                assert answer.status == 503
                assert dict(answer.headers)[b"retry-after"].isdigit()
            received = len(world.lemmy.received)
            await world.lemmy.down()
            assert await _note(world, alice) == 503
            await world.lemmy.up()
            assert await _note(world, alice) == 200
            assert len(world.lemmy.received) == received + 1
            await world.stop()
            reasons = [line["reason"] for line in world.daemon.log.items if line.get("status") == 503]
            assert reasons == ["upstream-unavailable"] * 4

    trio.run(main)


def test_fetch_killed_withholds_pictures_passes_words_and_comes_back() -> None:
    async def main() -> None:
        async with World(settings=QUICK) as world:
            host = world.fediverse["alpha.example"]
            alice = host.actor("alice")
            picture = say.document_attachment(host.add_image("/a.png", patterns.file(patterns.ordinary()["rings"])))
            assert await _note(world, alice, picture) == 200
            os.kill(_process(world, "fetch"), signal.SIGKILL)
            await world.log_line(lambda line: line["event"] == "process")
            assert await _note(world, alice) == 200
            with trio.fail_after(20):
                while (status := await _note(world, alice, picture)) != 200:
                    assert status == 403

    trio.run(main)


def test_classify_killed_withholds_pictures_and_comes_back() -> None:
    async def main() -> None:
        async with World(settings=QUICK) as world:
            host = world.fediverse["alpha.example"]
            alice = host.actor("alice")
            picture = say.document_attachment(host.add_image("/a.png", patterns.file(patterns.ordinary()["rings"])))
            card = say.document_attachment(host.add_image("/card.png", render("png")))
            for pid in _classify(world):
                os.kill(pid, signal.SIGKILL)
            assert await _note(world, alice, card) == 403
            with trio.fail_after(20):
                while (status := await _note(world, alice, picture)) != 200:
                    assert status == 403
            assert await _note(world, alice, card) == 403

    trio.run(main)


def test_a_slow_picture_does_not_hold_up_words_and_ends_at_the_deadline() -> None:
    async def main() -> None:
        async with World(settings=QUICK) as world:
            host = world.fediverse["alpha.example"]
            alice = host.actor("alice")
            slow = say.document_attachment(host.add("/slow.png", world_answers.hang()))
            async with trio.open_nursery() as nursery:
                statuses: list[int] = []

                async def send_slow() -> None:
                    statuses.append(await _note(world, alice, slow))

                nursery.start_soon(send_slow)
                await host.wait_for("/slow.png")
                assert await _note(world, alice) == 200
                assert statuses == []
            assert statuses == [503]

    trio.run(main)


def test_the_ledger_gone_is_503_for_what_would_be_withheld() -> None:
    async def main() -> None:
        async with World(settings=QUICK) as world:
            host = world.fediverse["alpha.example"]
            alice = host.actor("alice")
            card = say.document_attachment(host.add_image("/card.png", render("png")))
            assert await _note(world, alice, card) == 403
            _break(world.state / "ledger.sqlite")
            assert await _note(world, alice, card) == 503
            line = await world.log_line(lambda line: line.get("reason") == "ledger-unavailable")
            assert line["status"] == 503

    trio.run(main)


def test_a_killed_front_leaves_nobody_behind_and_deliveries_wait_for_the_next() -> None:
    async def main() -> None:
        async with World() as world:
            alice = world.fediverse["alpha.example"].actor("alice")
            assert await _note(world, alice) == 200
            await world.kill()
            assert world.daemon.left_behind == []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(world.start)
                assert await _note(world, alice) == 200

    trio.run(main)


def _process(world: World, part: str) -> int:
    (pid,) = (pid for pid in world.daemon.processes() if f"--only\0{part}" in _command(pid))
    return pid


def _classify(world: World) -> list[int]:
    return [pid for pid in world.daemon.processes() if "inspection.zygote" in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _break(ledger: Path) -> None:
    """Takes the table away under the daemon, as damage to the file would."""
    with sqlite3.connect(ledger) as connection:
        connection.execute("DROP TABLE decisions")
    connection.close()
