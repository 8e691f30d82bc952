from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import trio

from relayfilter.ledger.digests import digest_of
from relayfilter.ledger.queries import HeldObject, LedgerReader
from relayfilter.ledger.store import Ledger
from relayfilter.ledger.withheld import Withheld, WithheldObjects
from tests.ledger.opened import NOW, a_record, with_ledger

POST, COMMENT = "https://alpha.example/post/1", "https://alpha.example/comment/2"


async def nothing(_ledger: Ledger) -> None:
    await trio.lowlevel.checkpoint()


def test_a_reference_to_what_was_withheld_is_found_with_its_cause() -> None:
    withheld = WithheldObjects()
    withheld.withhold([POST], 7, None)
    assert withheld.cause_of([COMMENT, POST], NOW) == Withheld(POST, 7)
    assert withheld.cause_of([COMMENT], NOW) is None
    assert withheld.cause_of([], NOW) is None


def test_another_spelling_is_no_way_round() -> None:
    withheld = WithheldObjects()
    withheld.withhold([POST, "https://m.example/a#updates/1"], 7, None)
    for spelling in ("https://ALPHA.example:443/x/../post/1", f"{POST}#comments", f"{POST}#"):
        assert withheld.cause_of([spelling], NOW) == Withheld(spelling, 7)
    assert withheld.cause_of(["https://m.example/a"], NOW) is None
    assert withheld.cause_of(["https://m.example/a#updates/1"], NOW)


def test_it_ends_at_its_time_and_is_dropped_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def main(ledger: Ledger) -> None:
        await ledger.record(a_record(ledger, verdict="rejected"), withhold=[POST], until=NOW + 10)
        await ledger.record(a_record(ledger, verdict="rejected"), withhold=[COMMENT])
        assert ledger.withheld.cause_of([POST], NOW + 9.9)
        assert ledger.withheld.cause_of([POST], NOW + 10) is None
        assert ledger.withheld.cause_of([COMMENT], NOW + 1e9)
        ledger.withheld.drop_expired(NOW + 10)
        assert ledger.withheld.cause_of([POST], NOW) is None

    with_ledger(path, main)
    assert [held.object_id for held in LedgerReader(path).withheld(NOW, 10)] == [COMMENT]


def test_what_expired_while_nobody_looked_is_gone_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def main(ledger: Ledger) -> None:
        await ledger.record(a_record(ledger, verdict="rejected"), withhold=[POST, COMMENT], until=NOW + 10)

    with_ledger(path, main)
    assert len(LedgerReader(path).withheld(NOW, 10)) == 2
    assert LedgerReader(path).withheld(NOW + 11, 10) == []
    with_ledger(path, nothing, now=NOW + 11)
    assert LedgerReader(path).withheld(NOW, 10) == []


def test_the_longest_time_and_the_newest_cause_count(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    times = [(NOW + 10, NOW + 10), (NOW + 5, NOW + 10), (NOW + 20, NOW + 20), (None, None), (NOW + 30, None)]

    async def main(ledger: Ledger) -> list[int]:
        numbers = []
        for until, expected in times:
            record = a_record(ledger, verdict="rejected")
            await ledger.record(record, withhold=[POST], until=until)
            assert LedgerReader(path).withheld(NOW, 10) == [HeldObject(POST, record.id, expected)]
            assert ledger.withheld.cause_of([POST], NOW) == Withheld(POST, record.id)
            numbers.append(record.id)
        return numbers

    numbers = with_ledger(path, main)

    async def again(ledger: Ledger) -> None:
        assert ledger.withheld.cause_of([POST], NOW + 1e9) == Withheld(POST, numbers[-1])

    with_ledger(path, again)


def test_what_lemmy_has_got_since_is_not_withheld_any_more(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def main(ledger: Ledger) -> None:
        await ledger.record(a_record(ledger, verdict="rejected"), withhold=[POST, COMMENT])
        ledger.withheld.lift([POST, "https://alpha.example/never"])
        assert ledger.withheld.cause_of([POST], NOW) is None
        ledger.record_later(a_record(ledger))

    with_ledger(path, main)
    assert [held.object_id for held in LedgerReader(path).withheld(NOW, 10)] == [COMMENT]


def test_past_its_bound_what_would_end_first_goes_first() -> None:
    withheld = WithheldObjects(most=100)
    withheld.withhold(["https://a.example/for-good"], 1, None)
    for number in range(300):
        withheld.withhold([f"https://a.example/{number}"], number, NOW + number)
    withheld.drop_expired(NOW - 1)
    kept = [number for number in range(300) if withheld.cause_of([f"https://a.example/{number}"], NOW - 1)]
    assert kept == list(range(201, 300))
    assert withheld.cause_of(["https://a.example/for-good"], NOW)


def test_a_hundred_thousand_are_loaded_quickly_into_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with_ledger(path, nothing)
    rows = (
        (digest_of(f"https://a.example/{number}"), f"https://a.example/{number}", number, NOW + 1 + number)
        for number in range(100_000)
    )
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO withheld VALUES (?, ?, ?, ?)", rows)
    connection.close()

    async def main(ledger: Ledger) -> None:
        assert time.process_time() - began < 3
        assert ledger.withheld.cause_of(["https://a.example/99999"], NOW) == Withheld("https://a.example/99999", 99999)
        pages = ledger.withheld._memory.execute("PRAGMA page_count").fetchone()[0]
        size = ledger.withheld._memory.execute("PRAGMA page_size").fetchone()[0]
        assert pages * size < 10_000_000

    began = time.process_time()
    with_ledger(path, main)
