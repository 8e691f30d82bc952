"""How the rows of every table get into the group commits: what has changed is gathered and drained with each group.

One statement takes many rows. executemany would hand the interpreter lock back and forth for every row, and each time
the event loop waits for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection

_STATEMENT_ROWS = 500


class Write(NamedTuple):
    """`{head} VALUES (...), (...) {tail}`, in as many statements as the rows need."""

    head: str
    rows: list[tuple[Any, ...]]
    tail: str = ""

    def run(self, connection: Connection) -> None:
        """Writes the rows."""
        for start in range(0, len(self.rows), _STATEMENT_ROWS):
            chunk = self.rows[start : start + _STATEMENT_ROWS]
            places = ", ".join([f"({', '.join('?' * len(chunk[0]))})"] * len(chunk))
            values = tuple(value for row in chunk for value in row)
            connection.exec_driver_sql(f"{self.head} VALUES {places} {self.tail}", values)


class Drained(Protocol):
    """A table with changes in memory."""

    def drain(self) -> list[Write]:
        """What has changed since the last group."""


class Changes:
    """Rows to be written and removed, by digest; the last word on each counts. `insert` is the statement's head, up to
    VALUES; each row begins with its digest."""

    def __init__(self, table: str, insert: str) -> None:
        self._insert = insert
        self._delete = f"DELETE FROM {table} WHERE digest IN ("  # noqa: S608 - our own table's name
        self._rows: dict[bytes, tuple[Any, ...]] = {}
        self._gone: set[bytes] = set()

    def put(self, digest: bytes, *values: object) -> None:
        self._rows[digest] = (digest, *values)

    def remove(self, digest: bytes) -> None:
        self._rows.pop(digest, None)
        self._gone.add(digest)

    def drain(self) -> list[Write]:
        """Removals first: what was removed and put again stays."""
        writes = []
        if self._gone:
            writes.append(Write(self._delete, [(digest,) for digest in self._gone], ")"))
        if self._rows:
            writes.append(Write(self._insert, list(self._rows.values())))
        self._rows, self._gone = {}, set()
        return writes
