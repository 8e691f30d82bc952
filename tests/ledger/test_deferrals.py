from __future__ import annotations

import sqlite3
from pathlib import Path

from relayfilter.ledger.deferrals import KEPT_SECONDS, Attempts, Deferrals
from relayfilter.ledger.store import Ledger
from tests.ledger.opened import NOW, a_record, with_ledger

LIKE, OTHER = "https://a.example/like/1", "https://a.example/like/2"


def rows(path: Path) -> int:
    connection = sqlite3.connect(path)
    (count,) = connection.execute("SELECT count(*) FROM deferrals").fetchone()
    connection.close()
    assert isinstance(count, int)
    return count


def test_deferrals_are_counted_across_restarts_until_the_activity_is_decided(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def first(ledger: Ledger) -> None:
        assert ledger.deferrals.note(LIKE, NOW) == Attempts(1, NOW)
        await ledger.record(a_record(ledger, verdict="deferred"))
        assert ledger.deferrals.note(LIKE, NOW + 5) == Attempts(2, NOW)
        assert ledger.deferrals.note(OTHER, NOW + 6) == Attempts(1, NOW + 6)

    async def second(ledger: Ledger) -> None:
        assert ledger.deferrals.note(LIKE, NOW + 70) == Attempts(3, NOW)
        ledger.deferrals.forget(LIKE)
        ledger.deferrals.forget("https://a.example/never")
        assert ledger.deferrals.note(OTHER, NOW + 70) == Attempts(2, NOW + 6)

    async def third(ledger: Ledger) -> None:
        assert ledger.deferrals.note(LIKE, NOW + 80) == Attempts(1, NOW + 80)

    with_ledger(path, first)
    with_ledger(path, second)
    assert rows(path) == 1
    with_ledger(path, third)
    assert rows(path) == 2


def test_after_a_day_it_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def first(ledger: Ledger) -> None:
        ledger.deferrals.note(LIKE, NOW)
        await ledger.record(a_record(ledger))
        ledger.deferrals.note(OTHER, NOW + KEPT_SECONDS)

    async def second(ledger: Ledger) -> None:
        assert ledger.deferrals.note(OTHER, NOW + KEPT_SECONDS) == Attempts(2, NOW + KEPT_SECONDS)

    with_ledger(path, first)
    assert rows(path) == 1
    with_ledger(path, second, now=NOW + KEPT_SECONDS)

    deferrals = Deferrals()
    deferrals.note(LIKE, NOW)
    assert deferrals.note(LIKE, NOW + KEPT_SECONDS - 1).count == 2
    assert deferrals.note(LIKE, NOW + KEPT_SECONDS) == Attempts(1, NOW + KEPT_SECONDS)


def test_a_flood_of_ids_stays_within_its_bound() -> None:
    deferrals = Deferrals(most=100)
    for number in range(1000):
        deferrals.note(f"https://a.example/{number}", NOW)
    assert len(deferrals._recent) <= 100
