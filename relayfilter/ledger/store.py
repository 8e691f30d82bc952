"""The ledger: one writer thread at a time, commits in groups.

`record` returns when the row is on disk; `record_later` leaves it to the next group. While a group is being written the
next one gathers, so that a flood of durable writes costs one commit a group and not one each. What is remembered beside
the decisions (`withheld`, `known`, `deferrals`, `accounts`) is asked and changed in memory, and its changes are written
with the next group of decisions, in the same transaction.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio
from sqlalchemy import Connection, Engine, delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from relayfilter.ledger.accounts import Accounts
from relayfilter.ledger.decided import DecidedActivities
from relayfilter.ledger.deferrals import Deferrals
from relayfilter.ledger.ids import IdSource
from relayfilter.ledger.known import KnownObjects
from relayfilter.ledger.records import DecisionRecord
from relayfilter.ledger.releases import Released, releases_after
from relayfilter.ledger.schema import actor_keys, create, decisions, open_engine, other_version
from relayfilter.ledger.withheld import WithheldObjects
from relayfilter.ledger.writes import Drained, Write
from relayfilter.signatures.result import ActorKey

LEDGER_FILE = "ledger.sqlite"
"""Its name in the state directory."""

_GATHER_SECONDS = 0.05
_GROUP_ROWS = 512
_BACKLOG_ROWS = 20_000
_FOLLOW_SECONDS = 0.5

T = TypeVar("T")

_INSERT = f"INSERT INTO {decisions.name} ({', '.join(decisions.columns.keys())})"

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
    """Decisions, actor keys, and what is remembered beside them, in one SQLite file. Made by `open_ledger`."""

    def __init__(self, engine: Engine, on_trouble: Callable[[str], None], clock: Callable[[], float]) -> None:
        self.withheld = WithheldObjects()
        self.known = KnownObjects()
        self.decided = DecidedActivities()
        self.deferrals = Deferrals()
        self.accounts = Accounts()
        self._drained: tuple[Drained, ...] = (self.withheld, self.known, self.deferrals, self.accounts)
        self._engine = engine
        self._on_trouble = on_trouble
        self._clock = clock
        self._last_release = 0
        self._rows: list[tuple[Any, ...]] = []
        self._waiters: list[_Waiter] = []
        self._wake = trio.Event()
        self._urgent = trio.Event()

    def next_id(self, now: float) -> int:
        """An id for a decision made at the wall-clock time `now`."""
        return self._ids.next(now)

    async def record(self, record: DecisionRecord, *, withhold: Sequence[str] = (), until: float | None = None) -> None:
        """Returns when `record` is on disk, and with it that the ids `withhold` are withheld because of it until then
        (wall-clock seconds; None: for good). They are at once. Raises LedgerUnavailable."""
        self.withheld.withhold(withhold, record.id, until)
        waiter = _Waiter()
        self._rows.append(_row(record))
        self._waiters.append(waiter)
        self._wake.set()
        self._urgent.set()
        await waiter.done.wait()
        if waiter.error is not None:
            raise LedgerUnavailable(waiter.error)
        self.decided.note(record)

    def record_later(self, record: DecisionRecord) -> None:
        """Puts `record` into the next group. Past a backlog of 20,000 rows it is dropped, and that is told."""
        self.decided.note(record)
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
            raise LedgerUnavailable(describe_error(error)) from error

    def _load(self) -> None:
        """Makes the tables or reads them. Raises LedgerUnavailable when they are another version's."""
        now = self._clock()
        with self._engine.begin() as connection:
            create(connection)
            if trouble := other_version(connection):
                raise LedgerUnavailable(trouble)
            self._ids = IdSource(connection.execute(select(func.max(decisions.c.id))).scalar() or 0)
            self.withheld.load(connection, now)
            self.known.load(connection)
            self.decided.load(connection, now)
            self.deferrals.load(connection, now)
            self.accounts.load(connection, now)
            self._take_in(releases_after(connection, 0))

    async def _follow_releases(self) -> None:
        """Takes in what operators release meanwhile, from processes of their own, within about a second."""
        trouble = None
        while True:
            await trio.sleep(_FOLLOW_SECONDS)
            self.withheld.drop_expired(self._clock())
            try:
                self._take_in(await self._in_thread(lambda connection: releases_after(connection, self._last_release)))
            except LedgerUnavailable as unavailable:
                if trouble != (trouble := str(unavailable)):
                    self._on_trouble(f"releases were not read: {trouble}")
            else:
                trouble = None

    def _take_in(self, released: Sequence[Released]) -> None:
        if released:
            self._last_release = released[-1].number
            self.withheld.release(released)
            self.decided.annul({one.cause for one in released})

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
        writes = [Write(_INSERT, rows)] if rows else []
        for table in self._drained:
            writes += table.drain()
        with trio.CancelScope(shield=True):
            error = await self._write(writes) if writes else None
        for waiter in waiters:
            waiter.error = error
            waiter.done.set()

    async def _write(self, writes: list[Write]) -> str | None:
        def run(connection: Connection) -> None:
            for write in writes:
                write.run(connection)

        try:
            await self._in_thread(run)
        except LedgerUnavailable as unavailable:
            self._on_trouble(f"{len(writes[0].rows)} records were not written: {unavailable}")
            return str(unavailable)
        return None


@contextlib.asynccontextmanager
async def open_ledger(
    path: Path, *, on_trouble: Callable[[str], None], clock: Callable[[], float] = time.time
) -> AsyncIterator[Ledger]:
    """The ledger at `path`, made when it is not there; what was recorded is written before the context ends.

    `on_trouble` hears of writes that failed, `clock` gives wall-clock seconds. Raises LedgerUnavailable when the file
    cannot be opened, is damaged or belongs to another version.
    """
    engine = open_engine(str(path))
    ledger = Ledger(engine, on_trouble, clock)
    try:
        await _open(ledger, path)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ledger._write_groups)
                nursery.start_soon(ledger._follow_releases)
                yield ledger
                nursery.cancel_scope.cancel()
        finally:
            await ledger._write_group()
    finally:
        engine.dispose()


async def _open(ledger: Ledger, path: Path) -> None:
    try:
        await trio.to_thread.run_sync(ledger._load)
    except SQLAlchemyError as error:
        raise LedgerUnavailable(f"{path}: {describe_error(error)}") from error
    except LedgerUnavailable as unavailable:
        raise LedgerUnavailable(f"{path}: {unavailable}") from None


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


def describe_error(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error)
