from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import create_engine

from relayfilter.ledger.known import KnownObjects
from relayfilter.ledger.schema import create
from relayfilter.ledger.store import Ledger
from tests.ledger.opened import a_record, with_ledger

POST, COMMENT = "https://alpha.example/post/1", "https://alpha.example/comment/2"


def test_what_was_passed_is_known_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def first(ledger: Ledger) -> None:
        assert not ledger.known.seen(POST)
        ledger.known.remember([POST, COMMENT])
        assert ledger.known.seen(POST)
        await ledger.record(a_record(ledger))
        ledger.known.forget([COMMENT])
        assert not ledger.known.seen(COMMENT)
        ledger.known.remember([POST])

    async def second(ledger: Ledger) -> None:
        assert ledger.known.seen(POST)
        assert not ledger.known.seen(COMMENT)

    with_ledger(path, first)
    with_ledger(path, second)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM known_objects").fetchone() == (1,)
    connection.close()


def test_another_spelling_is_not_known_and_will_be_looked_at() -> None:
    known = KnownObjects()
    known.remember([POST])
    assert not known.seen(f"{POST}#x")
    assert not known.seen(POST.replace("alpha", "ALPHA"))


def test_memory_and_table_keep_the_last_ones_only() -> None:
    with create_engine("sqlite://").begin() as connection:
        create(connection)
        known = KnownObjects(most=100)
        for number in range(1000):
            known.remember([f"https://a.example/{number}"])
            if number % 30 == 0:
                for write in known.drain():
                    write.run(connection)
        for write in known.drain():
            write.run(connection)
        assert connection.exec_driver_sql("SELECT count(*) FROM known_objects").scalar() == 100

        again = KnownObjects(most=100)
        again.load(connection)
        for one in (known, again):
            assert all(one.seen(f"https://a.example/{number}") for number in range(951, 1000))
            assert not any(one.seen(f"https://a.example/{number}") for number in range(900))
