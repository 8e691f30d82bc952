"""Reading the ledger, for the commands: synchronous, on a connection that cannot write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from sqlalchemy import Engine, Select, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from relayfilter.ledger.ids import first_at
from relayfilter.ledger.records import DecisionRecord, Verdict
from relayfilter.ledger.schema import decisions, open_engine, other_version, releases, withheld
from relayfilter.ledger.store import LedgerUnavailable, describe_error

_decode = msgspec.json.Decoder(DecisionRecord).decode
_PAGE = 500


class Wanted(msgspec.Struct, frozen=True):
    """Which decisions to show. `since` is wall-clock seconds; None leaves a thing open."""

    since: float | None = None
    verdict: Verdict | None = None
    instance: str | None = None
    actor: str | None = None
    rule: str | None = None
    activity_id: str | None = None


class HeldObject(msgspec.Struct, frozen=True):
    """An object that is withheld, the id of the decision that caused it, and until when (None: for good)."""

    object_id: str
    cause: int
    until: float | None


class ReleasedObject(msgspec.Struct, frozen=True):
    """An object that was withheld until an operator released it."""

    object_id: str
    cause: int
    released_at: float
    released_by: str


class LedgerReader:
    """The ledger at `path`. Raises FileNotFoundError when there is none yet, LedgerUnavailable when it is damaged or
    another version's."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise FileNotFoundError(path)
        self._engine: Engine = open_engine(str(path), read_only=True)
        try:
            with self._engine.connect() as connection:
                trouble = other_version(connection)
        except SQLAlchemyError as error:
            trouble = describe_error(error)
        if trouble:
            raise LedgerUnavailable(f"{path}: {trouble}")

    def newest(self, wanted: Wanted, limit: int | None = None) -> Iterator[DecisionRecord]:
        """Matching decisions, newest first."""
        below: int | None = None
        left = limit
        while left is None or left > 0:
            page = _PAGE if left is None else min(_PAGE, left)
            statement = _matching(wanted).order_by(decisions.c.id.desc()).limit(page)
            if below is not None:
                statement = statement.where(decisions.c.id < below)
            rows = self._run(statement)
            for row in rows:
                yield _decode(row[1])
            if len(rows) < page:
                return
            below = rows[-1][0]
            left = None if left is None else left - len(rows)

    def after(self, wanted: Wanted, last_id: int) -> list[DecisionRecord]:
        """Matching decisions with an id above `last_id`, oldest first."""
        statement = _matching(wanted).where(decisions.c.id > last_id).order_by(decisions.c.id).limit(_PAGE)
        return [_decode(row[1]) for row in self._run(statement)]

    def last_id(self) -> int:
        """The newest id; 0 when the ledger is empty."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.max(decisions.c.id))).scalar() or 0

    def get(self, number: int) -> DecisionRecord | None:
        """The decision with that id."""
        rows = self._run(select(decisions.c.id, decisions.c.record).where(decisions.c.id == number))
        return _decode(rows[0][1]) if rows else None

    def withheld(self, now: float, limit: int) -> list[HeldObject]:
        """What is withheld at the wall-clock time `now`, the latest decision's first."""
        columns = (withheld.c.object_id, withheld.c.cause, withheld.c.until)
        lasting = or_(withheld.c.until.is_(None), withheld.c.until > now)
        with self._engine.connect() as connection:
            rows = connection.execute(select(*columns).where(lasting).order_by(withheld.c.cause.desc()).limit(limit))
            return [HeldObject(*row) for row in rows]

    def released(self, limit: int) -> list[ReleasedObject]:
        """What operators released, the last first."""
        columns = (releases.c.object_id, releases.c.cause, releases.c.released_at, releases.c.released_by)
        with self._engine.connect() as connection:
            rows = connection.execute(select(*columns).order_by(releases.c.number.desc()).limit(limit))
            return [ReleasedObject(*row) for row in rows]

    def _run(self, statement: Select[int, bytes]) -> list[tuple[int, bytes]]:
        with self._engine.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(statement)]


def _matching(wanted: Wanted) -> Select[int, bytes]:
    statement = select(decisions.c.id, decisions.c.record)
    if wanted.since is not None:
        statement = statement.where(decisions.c.id >= first_at(wanted.since))
    for column in ("verdict", "instance", "actor", "rule", "activity_id"):
        value = getattr(wanted, column)
        if value is not None:
            statement = statement.where(decisions.c[column] == value)
    return statement
