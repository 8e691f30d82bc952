"""The ledger: one writer thread at a time, commits in groups.

`record` returns when the row is on disk; `record_later` leaves it to the next group. While a group is being written the
next one gathers, so that a flood of durable writes costs one commit a group and not one each.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio
from sqlalchemy import Connection, Engine, delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from relayfilter.ledger.ids import IdSource
from relayfilter.ledger.records import DecisionRecord
from relayfilter.ledger.schema import actor_keys, decisions, metadata, open_engine
from relayfilter.signatures.result import ActorKey

LEDGER_FILE = "ledger.sqlite"
"""Its name in the state directory."""

_GATHER_SECONDS = 0.05
_GROUP_ROWS = 512
_BACKLOG_ROWS = 20_000
_STATEMENT_ROWS = 500

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class LedgerUnavailable(Exception):
    """The ledger could not be read or written; nothing that depended on it may be answered as decided."""


class _Waiter:
    """Somebody who needs the row on disk."""

    __slots__ = ("done", "error")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.error: str | None = None


class Ledger:
    """Decisions and actor keys in one SQLite file. Made by `open_ledger`."""

    def __init__(self, engine: Engine, last_id: int, on_trouble: Callable[[str], None]) -> None:
        self._engine = engine
        self._ids = IdSource(last_id)
        self._on_trouble = on_trouble
        self._rows: list[tuple[Any, ...]] = []
        self._waiters: list[_Waiter] = []
        self._wake = trio.Event()
        self._urgent = trio.Event()

    def next_id(self, now: float) -> int:
        """An id for a decision made at the wall-clock time `now`."""
        return self._ids.next(now)

    async def record(self, record: DecisionRecord) -> None:
        """Returns when `record` is on disk. Raises LedgerUnavailable."""
        waiter = _Waiter()
        self._rows.append(_row(record))
        self._waiters.append(waiter)
        self._wake.set()
        self._urgent.set()
        await waiter.done.wait()
        if waiter.error is not None:
            raise LedgerUnavailable(waiter.error)

    def record_later(self, record: DecisionRecord) -> None:
        """Puts `record` into the next group. Past a backlog of 20,000 rows it is dropped, and that is told."""
        if len(self._rows) >= _BACKLOG_ROWS:
            self._on_trouble("backlog full: the record of a forwarded delivery was dropped")
            return
        self._rows.append(_row(record))
        self._wake.set()
        if len(self._rows) >= _GROUP_ROWS:
            self._urgent.set()

    async def load_key(self, key_id: str) -> ActorKey | None:
        """The key cached under `key_id`. Raises LedgerUnavailable."""

        def read(connection: Connection) -> ActorKey | None:
            row = connection.execute(select(actor_keys).where(actor_keys.c.key_id == key_id)).one_or_none()
            return None if row is None else ActorKey(row.key_id, row.actor, row.pem, row.fetched_at)

        return await self._in_thread(read)

    async def store_key(self, key: ActorKey) -> None:
        """Caches `key`, replacing what was known under its id. Raises LedgerUnavailable."""
        values = {"key_id": key.key_id, "actor": key.actor, "pem": key.pem, "fetched_at": key.fetched_at}
        statement = insert(actor_keys).values(values).on_conflict_do_update(index_elements=["key_id"], set_=values)
        await self._in_thread(lambda connection: connection.execute(statement))

    async def forget_key(self, key_id: str) -> None:
        """Drops what is cached under `key_id`. Raises LedgerUnavailable."""
        await self._in_thread(
            lambda connection: connection.execute(delete(actor_keys).where(actor_keys.c.key_id == key_id))
        )

    async def _in_thread(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        try:
            return await trio.to_thread.run_sync(run)
        except SQLAlchemyError as error:
            raise LedgerUnavailable(_describe(error)) from error

    async def _write_groups(self) -> None:
        while True:
            await self._wake.wait()
            with trio.move_on_after(_GATHER_SECONDS):
                await self._urgent.wait()
            await self._write_group()

    async def _write_group(self) -> None:
        self._wake, self._urgent = trio.Event(), trio.Event()
        rows, self._rows = self._rows, []
        waiters, self._waiters = self._waiters, []
        with trio.CancelScope(shield=True):
            error = await self._write(rows) if rows else None
        for waiter in waiters:
            waiter.error = error
            waiter.done.set()

    async def _write(self, rows: list[tuple[Any, ...]]) -> str | None:
        try:
            await self._in_thread(lambda connection: _insert(connection, rows))
        except LedgerUnavailable as unavailable:
            self._on_trouble(f"{len(rows)} records were not written: {unavailable}")
            return str(unavailable)
        return None


@contextlib.asynccontextmanager
async def open_ledger(path: Path, *, on_trouble: Callable[[str], None]) -> AsyncIterator[Ledger]:
    """The ledger at `path`, made when it is not there; what was recorded is written before the context ends.

    `on_trouble` hears of writes that failed. Raises LedgerUnavailable when the file cannot be opened or is damaged.
    """
    engine = open_engine(str(path))
    try:
        last_id = await trio.to_thread.run_sync(_prepare, engine)
    except SQLAlchemyError as error:
        raise LedgerUnavailable(f"{path}: {_describe(error)}") from error
    ledger = Ledger(engine, last_id, on_trouble)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ledger._write_groups)
            yield ledger
            nursery.cancel_scope.cancel()
    finally:
        await ledger._write_group()
        engine.dispose()


def _prepare(engine: Engine) -> int:
    metadata.create_all(engine)
    with engine.connect() as connection:
        return connection.execute(select(func.max(decisions.c.id))).scalar() or 0


def _insert(connection: Connection, rows: list[tuple[Any, ...]]) -> None:
    """One statement for many rows. executemany would hand the interpreter lock back and forth for every row, and each
    time the event loop waits for it."""
    row = f"({', '.join('?' * len(decisions.columns))})"
    for start in range(0, len(rows), _STATEMENT_ROWS):
        chunk = rows[start : start + _STATEMENT_ROWS]
        values = tuple(value for values in chunk for value in values)
        connection.exec_driver_sql(f"INSERT INTO {decisions.name} VALUES {', '.join([row] * len(chunk))}", values)  # noqa: S608 - no value is in the text


def _row(record: DecisionRecord) -> tuple[Any, ...]:
    """The columns of `decisions`, in their order."""
    rule = record.decision.rule if record.decision else None
    return (
        record.id,
        record.verdict,
        record.instance,
        record.actor,
        rule,
        record.activity_id,
        _encode(record),
    )


def _describe(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error)
