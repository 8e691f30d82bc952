"""`release` and `withheld`, run as commands beside a ledger that is open, as the daemon has it."""

from __future__ import annotations

import json

import trio

from relayfilter.ledger import ids
from relayfilter.ledger.store import LEDGER_FILE, open_ledger
from tests.ledger.opened import a_record, fail_test
from tests.support.world import World

CREATE, POST, COMMENT = "https://a.example/create/1", "https://a.example/post/1", "https://a.example/comment/2"


def test_what_was_withheld_is_listed_and_released() -> None:
    async def main() -> None:
        async with World(start=False) as world:
            missing = await world.run_cli("release", POST)
            assert (missing.returncode, b"no ledger yet" in missing.stderr) == (1, True)

            async with open_ledger(world.state / LEDGER_FILE, on_trouble=fail_test) as ledger:
                assert (await world.run_cli("withheld")).stdout == b"nothing\n"
                record = a_record(ledger, verdict="rejected", activity_id=CREATE)
                await ledger.record(record, withhold=[CREATE, POST])
                await ledger.record(a_record(ledger, verdict="rejected"), withhold=[COMMENT], until=2**33)

                listed = await world.run_cli("withheld", "--json", "-n", "1")
                assert json.loads(listed.stdout)["object_id"] == COMMENT
                assert json.loads(listed.stdout)["until"] == 2**33
                shown = (await world.run_cli("withheld")).stdout.decode().splitlines()
                for_good = [line.split() for line in shown if "for good" in line]
                assert sorted(for_good) == [[ids.show(record.id), "for", "good", one] for one in (CREATE, POST)]
                assert COMMENT in shown[1]

                for wrong, status in (("https://a.example/post/3", 1), ("0000000000000", 1), ("what?", 2)):
                    assert (await world.run_cli("release", wrong)).returncode == status
                released = await world.run_cli("release", ids.show(record.id))
                assert released.returncode == 0
                assert sorted(released.stdout.decode().splitlines()) == [f"released {CREATE}", f"released {POST}"]
                with trio.fail_after(5):
                    while not ledger.withheld.is_released(POST):  # noqa: ASYNC110 - the command made it true
                        await trio.sleep(0.02)
                assert (await world.run_cli("release", COMMENT)).returncode == 0
                assert (await world.run_cli("withheld")).stdout == b"nothing\n"
                listed = await world.run_cli("withheld", "--released", "--json")
                noted = [json.loads(line) for line in listed.stdout.splitlines()]
                assert {one["object_id"] for one in noted} == {CREATE, POST, COMMENT}
                assert noted[-1]["cause"] == ids.show(record.id)
                assert all(one["released_by"] and one["released_at"] > 0 for one in noted)
                assert b" by " in (await world.run_cli("withheld", "--released")).stdout

    trio.run(main)


def test_a_hostile_id_cannot_steer_the_terminal() -> None:
    async def main() -> None:
        async with World(start=False) as world:
            hostile = "https://a.example/\x1b[2J\u202e"
            async with open_ledger(world.state / LEDGER_FILE, on_trouble=fail_test) as ledger:
                record = a_record(ledger, verdict="rejected")
                await ledger.record(record, withhold=[hostile])
                for arguments in (("withheld",), ("release", ids.show(record.id))):
                    printed = (await world.run_cli(*arguments)).stdout
                    assert b"https://a.example/\\x1b[2J\\u202e" in printed

    trio.run(main)


def test_their_help_fits() -> None:
    async def main() -> None:
        async with World(start=False) as world:
            for command in ("release", "withheld"):
                told = await world.run_cli(command, "--help")
                assert told.returncode == 0
                assert all(len(line) <= 80 for line in told.stdout.decode().splitlines())

    trio.run(main)
