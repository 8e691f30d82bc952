"""Objects that were withheld, and those that an operator released.

What was rejected must not come in by reference either: Lemmy would fetch it. So the ids of a rejected delivery are
kept, with the decision that caused it, until they expire or are released. A release is an exemption from then on: the
id is not withheld again, and whoever judges may ask `is_released`.

A million ids in a dict would take 250 MB; in a table in memory they take 75, and a look-up 3 microseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import Connection

from relayfilter.ledger.digests import digest_of_any_spelling
from relayfilter.ledger.releases import Released
from relayfilter.ledger.writes import Changes, Write

MAX_WITHHELD: Final = 1_000_000
_AT_ONCE = 500
_TABLE = "CREATE TABLE held (digest BLOB PRIMARY KEY, cause INTEGER NOT NULL, until REAL) WITHOUT ROWID"
_INDEX = "CREATE INDEX held_until ON held (until) WHERE until IS NOT NULL"


class Withheld(msgspec.Struct, frozen=True):
    """An id that was asked about, and the id of the decision that withheld it."""

    object_id: str
    cause: int


class WithheldObjects:
    """Past `most` ids the ones that would expire first are dropped, but none that is withheld for good. Times are
    wall-clock seconds."""

    def __init__(self, most: int = MAX_WITHHELD) -> None:
        self._most = most
        self._count = 0
        self._memory = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._memory.execute(_TABLE)
        self._memory.execute(_INDEX)
        self._released: set[bytes] = set()
        self._changes = Changes("withheld", "INSERT OR REPLACE INTO withheld (digest, object_id, cause, until)")

    def load(self, connection: Connection, now: float) -> None:
        """Takes in what is on disk and has not expired."""
        connection.exec_driver_sql("DELETE FROM withheld WHERE until <= ?", (now,))
        rows = connection.exec_driver_sql("SELECT digest, cause, until FROM withheld ORDER BY digest")
        self._memory.execute("BEGIN")
        self._memory.execute("DROP INDEX held_until")
        self._memory.executemany("INSERT INTO held VALUES (?, ?, ?)", map(tuple, rows))
        self._memory.execute(_INDEX)
        self._memory.execute("COMMIT")
        (self._count,) = self._memory.execute("SELECT count(*) FROM held").fetchone()

    def withhold(self, ids: Iterable[str], cause: int, until: float | None) -> None:
        """Withholds `ids` until then (None: for good); never for a shorter time than they are withheld already."""
        for object_id in ids:
            digest = digest_of_any_spelling(object_id)
            if digest in self._released:
                continue
            already = self._find(digest)
            ends = until
            if already is None:
                self._count += 1
            elif ends is not None:
                ends = None if already[1] is None else max(already[1], ends)
            self._memory.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", (digest, cause, ends))
            self._changes.put(digest, object_id, cause, ends)

    def lift(self, ids: Iterable[str]) -> None:
        """Ends it for objects that Lemmy has got since, in a delivery that was accepted."""
        for object_id in ids:
            if self._find(digest := digest_of_any_spelling(object_id)):
                self._drop([digest])
                self._changes.remove(digest)

    def cause_of(self, ids: Iterable[str], now: float) -> Withheld | None:
        """The first of `ids` that is withheld, in whatever spelling, with its cause. An id with a fragment leads to the
        document without it, so that is looked for too."""
        if not self._count:
            return None
        for object_id in ids:
            for spelling in (object_id, object_id.partition("#")[0]) if "#" in object_id else (object_id,):
                held = self._find(digest_of_any_spelling(spelling))
                if held and (held[1] is None or held[1] > now):
                    return Withheld(object_id, held[0])
        return None

    def is_released(self, object_id: str) -> bool:
        """Did an operator release this id? (In whatever spelling; what only shares its document is not released.)"""
        return bool(self._released) and digest_of_any_spelling(object_id) in self._released

    def release(self, released: Iterable[Released]) -> None:
        """Takes in what an operator released; the disk has it already."""
        digests = [one.digest for one in released]
        self._released.update(digests)
        self._drop(digests)

    def drop_expired(self, now: float) -> None:
        """Drops some of what has expired, and what is too much; to be called now and then."""
        expired = self._memory.execute("SELECT digest FROM held WHERE until <= ? LIMIT ?", (now, _AT_ONCE)).fetchall()
        if (over := self._count - len(expired) - self._most) > 0:
            soonest = "SELECT digest FROM held WHERE until > ? ORDER BY until LIMIT ?"
            expired += self._memory.execute(soonest, (now, over)).fetchall()
        self._drop([digest for (digest,) in expired])
        for (digest,) in expired:
            self._changes.remove(digest)

    def drain(self) -> list[Write]:
        return self._changes.drain()

    def _find(self, digest: bytes) -> tuple[int, float | None] | None:
        found: tuple[int, float | None] | None = self._memory.execute(
            "SELECT cause, until FROM held WHERE digest = ?", (digest,)
        ).fetchone()
        return found

    def _drop(self, digests: list[bytes]) -> None:
        for digest in digests:
            self._count -= self._memory.execute("DELETE FROM held WHERE digest = ?", (digest,)).rowcount
