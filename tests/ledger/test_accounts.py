from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine

from relayfilter.ledger.accounts import KEPT_SECONDS, Account, Accounts
from relayfilter.ledger.schema import create
from relayfilter.ledger.store import Ledger
from tests.ledger.opened import NOW, a_record, with_ledger

ALICE, BOB = "https://a.example/u/alice", "https://b.example/u/bob"


def test_accounts_are_counted_across_restarts(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def first(ledger: Ledger) -> None:
        assert ledger.accounts.get(ALICE) is None
        ledger.accounts.set_published(ALICE, NOW - 1000)
        assert ledger.accounts.get(ALICE) == Account(None, 0, NOW - 1000)
        ledger.accounts.observe(ALICE, NOW)
        ledger.accounts.observe(ALICE, NOW + 1)
        await ledger.record(a_record(ledger))
        ledger.accounts.observe(ALICE, NOW + 2)
        ledger.accounts.observe(BOB, NOW + 3)
        assert ledger.accounts.get(ALICE) == Account(NOW, 3, NOW - 1000)

    async def second(ledger: Ledger) -> None:
        assert ledger.accounts.get(ALICE) == Account(NOW, 3, NOW - 1000)
        assert ledger.accounts.get(BOB) == Account(NOW + 3, 1, None)
        ledger.accounts.observe(BOB, NOW + 4)
        ledger.accounts.set_published(BOB, NOW - 5)

    async def third(ledger: Ledger) -> None:
        assert ledger.accounts.get(BOB) == Account(NOW + 3, 2, NOW - 5)

    for work in (first, second, third):
        with_ledger(path, work)


def test_accounts_not_seen_for_long_are_dropped_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def first(ledger: Ledger) -> None:
        ledger.accounts.observe(ALICE, NOW)

    async def second(ledger: Ledger) -> Account | None:
        return ledger.accounts.get(ALICE)

    with_ledger(path, first)
    assert with_ledger(path, second, now=NOW + KEPT_SECONDS - 1) == Account(NOW, 1, None)
    assert with_ledger(path, second, now=NOW + KEPT_SECONDS) is None


def test_what_fell_out_of_memory_is_counted_on_in_the_table() -> None:
    with create_engine("sqlite://").begin() as connection:
        create(connection)
        accounts = Accounts(most=10)
        for moment in range(3):
            for number in range(40):
                accounts.observe(f"https://a.example/{number}", NOW + moment)
            for write in accounts.drain():
                write.run(connection)
        assert accounts.get("https://a.example/0") is None
        again = Accounts(most=100)
        again.load(connection, NOW)
        assert again.get("https://a.example/0") == Account(NOW, 3, None)
        assert again.get("https://a.example/39") == Account(NOW, 3, None)
