from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from relayfilter.ledger.queries import LedgerReader, Wanted
from relayfilter.ledger.records import DecisionRecord
from relayfilter.ledger.store import Ledger, LedgerUnavailable, open_ledger
from relayfilter.signatures.result import ActorKey
from tests.ledger.opened import NOW, a_record, fail_test, with_ledger


def test_a_recorded_decision_is_on_disk_when_record_returns(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def main() -> None:
        async with open_ledger(path, on_trouble=fail_test) as ledger:
            record = a_record(ledger, verdict="rejected")
            await ledger.record(record)
            assert LedgerReader(path).get(record.id) == record

    trio.run(main)


def test_what_was_left_for_later_is_written_before_the_ledger_closes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def main() -> list[DecisionRecord]:
        async with open_ledger(path, on_trouble=fail_test) as ledger:
            records = [a_record(ledger) for _ in range(1200)]
            for record in records:
                ledger.record_later(record)
            return records

    records = trio.run(main)
    assert list(LedgerReader(path).newest(Wanted())) == records[::-1]


def test_rows_left_for_later_survive_a_cancelled_daemon(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with open_ledger(path, on_trouble=fail_test) as ledger:
                ledger.record_later(a_record(ledger))
                scope.cancel()
                await trio.sleep_forever()

    trio.run(main)
    assert len(list(LedgerReader(path).newest(Wanted()))) == 1


def test_ids_go_on_after_a_restart_even_when_the_clock_went_back(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def one(at: float) -> int:
        async with open_ledger(path, on_trouble=fail_test) as ledger:
            record = a_record(ledger, at=at)
            await ledger.record(record)
            return record.id

    assert trio.run(one, NOW) < trio.run(one, NOW - 3600)


def test_queries_find_by_every_column(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def main() -> None:
        async with open_ledger(path, on_trouble=fail_test) as ledger:
            await ledger.record(a_record(ledger, at=NOW - 100))
            await ledger.record(a_record(ledger, verdict="rejected", instance="b.example"))

    trio.run(main)
    reader = LedgerReader(path)
    for wanted, expected in [
        (Wanted(), 2),
        (Wanted(since=NOW - 50), 1),
        (Wanted(verdict="rejected"), 1),
        (Wanted(verdict="deferred"), 0),
        (Wanted(instance="a.example"), 1),
        (Wanted(actor="https://b.example/u/alice"), 1),
        (Wanted(rule="none"), 0),
        (Wanted(activity_id=f"https://b.example/activities/{NOW}"), 1),
    ]:
        assert len(list(reader.newest(wanted))) == expected, wanted
    assert len(list(reader.newest(Wanted(), limit=1))) == 1
    assert [record.instance for record in reader.after(Wanted(), 0)] == ["a.example", "b.example"]


def test_actor_keys_are_cached_replaced_and_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_ledger(tmp_path / "ledger.sqlite", on_trouble=fail_test) as ledger:
            assert await ledger.load_key("k") is None
            await ledger.store_key(ActorKey("k", "a", "old", 1.0))
            await ledger.store_key(ActorKey("k", "a", "new", 2.0))
            assert await ledger.load_key("k") == ActorKey("k", "a", "new", 2.0)
            await ledger.forget_key("k")
            assert await ledger.load_key("k") is None

    trio.run(main)


def test_a_damaged_file_is_named_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database" * 100)

    async def main() -> None:
        async with open_ledger(path, on_trouble=fail_test):
            raise AssertionError("opened")

    with pytest.raises(LedgerUnavailable, match=r"ledger\.sqlite"):
        trio.run(main)


def test_a_write_that_fails_reaches_who_waits_for_it(tmp_path: Path) -> None:
    troubles: list[str] = []

    async def main() -> None:
        async with open_ledger(tmp_path / "ledger.sqlite", on_trouble=troubles.append) as ledger:
            record = a_record(ledger)
            await ledger.record(record)
            with pytest.raises(LedgerUnavailable):
                await ledger.record(record)
            await ledger.record(a_record(ledger))

    trio.run(main)
    assert len(troubles) == 1


WRITER = """
import sys, trio
from pathlib import Path
from relayfilter.ledger.store import open_ledger
from tests.ledger.opened import a_record

async def main():
    async with open_ledger(Path(sys.argv[1]), on_trouble=print) as ledger, trio.open_nursery() as nursery:
        async def keep_writing():
            while True:
                record = a_record(ledger, verdict="rejected")
                await ledger.record(record, withhold=[f"https://a.example/post/{record.id}"])
                print(record.id, flush=True)
        for _ in range(8):
            nursery.start_soon(keep_writing)
trio.run(main)
"""


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(200)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        process.wait()
        process.stdout.close()
        kept = {record.id for record in LedgerReader(path).newest(Wanted())}
        assert set(acknowledged) <= kept
        assert with_ledger(path, partial(causes, acknowledged)) == acknowledged


async def causes(numbers: list[int], ledger: Ledger) -> list[int | None]:
    """For each decision of WRITER, the decision that withholds its object."""
    held = [ledger.withheld.cause_of([f"https://a.example/post/{number}"], NOW) for number in numbers]
    return [found.cause if found else None for found in held]


def test_the_objects_of_a_decision_that_could_not_be_written_are_not_withheld_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def main() -> None:
        async with open_ledger(path, on_trouble=lambda trouble: None) as ledger:
            record = a_record(ledger, verdict="rejected")
            await ledger.record(record)
            with pytest.raises(LedgerUnavailable):
                await ledger.record(record, withhold=["https://a.example/post/1"])
            assert ledger.withheld.cause_of(["https://a.example/post/1"], NOW)

    trio.run(main)
    assert LedgerReader(path).withheld(NOW, 10) == []
