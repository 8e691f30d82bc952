"""What operators released: a table that only grows, written by the command and followed by the daemon.

A release takes the ids out of `withheld` and notes who did it and when, in one transaction.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select

from relayfilter.ledger.digests import digest_of_any_spelling
from relayfilter.ledger.schema import releases, withheld


class Released(msgspec.Struct, frozen=True):
    """One released id. `number` rises with each; `cause` is the decision that had withheld it."""

    number: int
    digest: bytes
    object_id: str
    cause: int
    released_at: float
    released_by: str


def releases_after(connection: Connection, number: int) -> list[Released]:
    """The releases above `number`, in their order."""
    rows = connection.execute(select(releases).where(releases.c.number > number).order_by(releases.c.number))
    return [Released(**row._mapping) for row in rows]


def release_caused_by(connection: Connection, cause: int, *, now: float, by: str) -> list[str]:
    """Releases everything that the decision `cause` withheld; returns the ids."""
    return _release(connection, withheld.c.cause == cause, now, by)


def release_object(connection: Connection, object_id: str, *, now: float, by: str) -> list[str]:
    """Releases that object, in whatever spelling; returns the ids: none when it is not withheld."""
    return _release(connection, withheld.c.digest == digest_of_any_spelling(object_id), now, by)


def _release(connection: Connection, which: ColumnElement[bool], now: float, by: str) -> list[str]:
    rows = connection.execute(delete(withheld).where(which).returning(withheld)).all()
    if rows:
        noted = [
            {
                "digest": row.digest,
                "object_id": row.object_id,
                "cause": row.cause,
                "released_at": now,
                "released_by": by,
            }
            for row in rows
        ]
        connection.execute(insert(releases), noted)
    return [row.object_id for row in rows]
