from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from relayfilter.ledger.commands import release
from relayfilter.ledger.decided import Decided
from relayfilter.ledger.queries import LedgerReader, ReleasedObject
from relayfilter.ledger.records import DecisionRecord
from relayfilter.ledger.store import Ledger, open_ledger
from tests.ledger.opened import NOW, a_record, fail_test, with_ledger

CREATE, POST, OTHER = "https://a.example/create/1", "https://a.example/post/1", "https://a.example/post/2"


async def becomes_true(question: Callable[[], bool]) -> None:
    with trio.fail_after(5):
        while not question():  # noqa: ASYNC110 - it is another process that makes it true
            await trio.sleep(0.02)


async def rejected(ledger: Ledger, *ids: str) -> DecisionRecord:
    record = a_record(ledger, verdict="rejected", status=403, activity_id=ids[0])
    await ledger.record(record, withhold=ids)
    return record


def test_a_release_reaches_the_daemon_that_has_the_ledger_open(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def main(ledger: Ledger) -> None:
        record = await rejected(ledger, CREATE, POST)
        other = await rejected(ledger, OTHER)
        assert record.actor is not None
        assert ledger.decided.get(CREATE, record.actor)
        assert sorted(release(path, record.id, now=NOW, by="root")) == [CREATE, POST]
        await becomes_true(lambda: ledger.withheld.is_released(POST))
        assert ledger.withheld.is_released(CREATE)
        assert ledger.withheld.cause_of([CREATE, POST], NOW) is None
        assert ledger.decided.get(CREATE, record.actor) is None
        assert not ledger.withheld.is_released(OTHER)
        assert ledger.withheld.cause_of([OTHER], NOW)
        assert ledger.decided.get(OTHER, record.actor)

        assert release(path, "https://A.example:443/post/2", now=NOW + 1, by="root") == [OTHER]
        await becomes_true(lambda: ledger.withheld.is_released(OTHER))
        assert LedgerReader(path).released(10) == [
            ReleasedObject(OTHER, other.id, NOW + 1, "root"),
            *(ReleasedObject(object_id, record.id, NOW, "root") for object_id in last_first(path, record.id)),
        ]

    with_ledger(path, main)


def last_first(path: Path, cause: int) -> list[str]:
    return [one.object_id for one in LedgerReader(path).released(10) if one.cause == cause]


def test_a_release_outlasts_a_restart_and_a_second_rejection(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    record = with_ledger(path, lambda ledger: rejected(ledger, CREATE, POST))
    assert record.actor is not None
    actor = record.actor
    release(path, POST, now=NOW, by="root")

    async def again(ledger: Ledger) -> None:
        assert ledger.withheld.is_released(POST)
        assert not ledger.withheld.is_released(CREATE)
        assert ledger.withheld.cause_of([CREATE], NOW)
        assert ledger.decided.get(CREATE, actor) is None
        await rejected(ledger, "https://a.example/create/3", POST)
        assert ledger.withheld.cause_of([POST], NOW) is None

    with_ledger(path, again)


def test_what_was_accepted_after_its_release_stays_accepted_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    before = with_ledger(path, lambda ledger: rejected(ledger, CREATE, POST))
    assert before.actor is not None
    actor = before.actor
    release(path, before.id, now=NOW, by="root")

    async def delivered_again(ledger: Ledger) -> int:
        record = a_record(ledger, activity_id=CREATE)
        ledger.record_later(record)
        return record.id

    async def after(ledger: Ledger) -> Decided | None:
        return ledger.decided.get(CREATE, actor)

    number = with_ledger(path, delivered_again)
    assert with_ledger(path, after) == Decided(200, "accepted", number)


def test_what_is_not_withheld_cannot_be_released(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(FileNotFoundError):
        release(path, POST, now=NOW, by="root")
    record = with_ledger(path, lambda ledger: rejected(ledger, POST))
    assert release(path, OTHER, now=NOW, by="root") == []
    assert release(path, record.id + 1, now=NOW, by="root") == []
    assert release(path, record.id, now=NOW, by="root") == [POST]
    assert release(path, record.id, now=NOW, by="root") == []


def test_a_release_while_the_daemon_writes_waits_and_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def main() -> None:
        async with open_ledger(path, on_trouble=fail_test) as ledger, trio.open_nursery() as nursery:

            async def keep_writing() -> None:
                while True:
                    await rejected(ledger, f"https://a.example/{ledger.next_id(NOW)}")

            first = await rejected(ledger, POST)
            for _ in range(8):
                nursery.start_soon(keep_writing)
            assert await trio.to_thread.run_sync(lambda: release(path, first.id, now=NOW, by="root")) == [POST]
            await becomes_true(lambda: ledger.withheld.is_released(POST))
            nursery.cancel_scope.cancel()

    trio.run(main)
