"""How often, and since when, a sender was asked to come again with an activity."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection

from relayfilter.ledger.digests import digest_of
from relayfilter.ledger.recent import Recent
from relayfilter.ledger.writes import Changes, Write

MAX_DEFERRALS: Final = 20_000
KEPT_SECONDS: Final = 86_400.0


class Attempts(msgspec.Struct, frozen=True, gc=False):
    """`first_at` is wall-clock seconds."""

    count: int
    first_at: float


class Deferrals:
    """At most `most` activities, each for a day from its first deferral."""

    def __init__(self, most: int = MAX_DEFERRALS) -> None:
        self._most = most
        self._recent: Recent[Attempts] = Recent(most)
        self._changes = Changes("deferrals", "INSERT OR REPLACE INTO deferrals (digest, count, first_at)")
        self._now = 0.0

    def load(self, connection: Connection, now: float) -> None:
        """Takes in what is on disk and not over."""
        connection.exec_driver_sql("DELETE FROM deferrals WHERE first_at <= ?", (now - KEPT_SECONDS,))
        newest = "SELECT digest, count, first_at FROM deferrals ORDER BY first_at DESC LIMIT ?"
        for digest, count, first_at in reversed(connection.exec_driver_sql(newest, (self._most,)).all()):
            self._recent.put(digest, Attempts(count, first_at))

    def note(self, activity_id: str, now: float) -> Attempts:
        """Counts one deferral more; returns how many there are, this one included."""
        self._now = max(self._now, now)
        digest = digest_of(activity_id)
        before = self._recent.get(digest)
        if before is None or before.first_at <= now - KEPT_SECONDS:
            before = Attempts(0, now)
        attempts = Attempts(before.count + 1, before.first_at)
        self._recent.put(digest, attempts)
        self._changes.put(digest, attempts.count, attempts.first_at)
        return attempts

    def forget(self, activity_id: str) -> None:
        """The activity was decided."""
        digest = digest_of(activity_id)
        if self._recent.get(digest) is not None:
            self._recent.remove(digest)
            self._changes.remove(digest)

    def drain(self) -> list[Write]:
        writes = self._changes.drain()
        over = Write("DELETE FROM deferrals WHERE first_at <= (", [(self._now - KEPT_SECONDS,)], ")")
        return [*writes, over] if writes and self._now else writes
