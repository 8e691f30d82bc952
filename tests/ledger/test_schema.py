from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import trio

from relayfilter.ledger.commands import release
from relayfilter.ledger.queries import LedgerReader
from relayfilter.ledger.schema import VERSION, create, open_engine
from relayfilter.ledger.store import Ledger, LedgerUnavailable
from tests.ledger.opened import NOW, with_ledger


async def nothing(_ledger: Ledger) -> None:
    await trio.lowlevel.checkpoint()


def test_a_ledger_of_another_version_is_refused_by_everybody(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with_ledger(path, nothing)
    for version in (0, VERSION + 1):
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        expected = rf"ledger\.sqlite: its tables have version {version}, this relayfilter reads version {VERSION}"
        with pytest.raises(LedgerUnavailable, match=expected):
            with_ledger(path, nothing)
        with pytest.raises(LedgerUnavailable, match=expected):
            LedgerReader(path)
        with pytest.raises(LedgerUnavailable, match=expected):
            release(path, 1, now=NOW, by="me")


def test_a_start_that_is_killed_halfway_leaves_no_tables(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    engine = open_engine(str(path))
    with engine.connect() as connection:
        create(connection)
        connection.rollback()
        assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0
    engine.dispose()
    with_ledger(path, nothing)
    LedgerReader(path)


def test_a_damaged_ledger_is_named_to_readers_and_commands(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(LedgerUnavailable, match=r"ledger\.sqlite"):
        LedgerReader(path)
    with pytest.raises(LedgerUnavailable, match=r"ledger\.sqlite"):
        release(path, 1, now=NOW, by="me")
