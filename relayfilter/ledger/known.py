"""Objects that Lemmy has or may have: they came in a delivery that was passed, or were looked ahead and found clean.

Memory holds the last half million; the table on disk is a log of the same length, read when the ledger is opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection

from relayfilter.ledger.digests import digest_of
from relayfilter.ledger.recent import Recent
from relayfilter.ledger.writes import Changes, Write

MAX_KNOWN: Final = 500_000
_TRIM = "DELETE FROM known_objects WHERE number <= (SELECT max(number) FROM known_objects) - ("


class KnownObjects:
    """At most `most` ids, each in the spelling in which it was remembered; what was not used for longest goes first."""

    def __init__(self, most: int = MAX_KNOWN) -> None:
        self._most = most
        self._digests: Recent[bool] = Recent(most)
        self._changes = Changes("known_objects", "INSERT INTO known_objects (digest)")

    def load(self, connection: Connection) -> None:
        """Takes in what is on disk."""
        for (digest,) in connection.exec_driver_sql("SELECT digest FROM known_objects ORDER BY number"):
            self._digests.put(digest, True)

    def seen(self, object_id: str) -> bool:
        """Is it known?"""
        return self._digests.get(digest_of(object_id)) is not None

    def remember(self, ids: Iterable[str]) -> None:
        """These are known from now on."""
        for object_id in ids:
            digest = digest_of(object_id)
            if self._digests.get(digest) is None:
                self._digests.put(digest, True)
                self._changes.put(digest)

    def forget(self, ids: Iterable[str]) -> None:
        """These are not known any more. On disk that searches the whole log."""
        for object_id in ids:
            digest = digest_of(object_id)
            self._digests.remove(digest)
            self._changes.remove(digest)

    def drain(self) -> list[Write]:
        writes = self._changes.drain()
        return [*writes, Write(_TRIM, [(self._most,)], ")")] if writes else []
