from __future__ import annotations

import pytest
from sqlalchemy import Connection, create_engine

from relayfilter.ledger.writes import Changes


def changes() -> Changes:
    return Changes("t", "INSERT OR REPLACE INTO t (digest, x)")


def kept(connection: Connection, *drained: Changes) -> list[tuple[bytes, int]]:
    for one in drained:
        for write in one.drain():
            write.run(connection)
    return [(row[0], row[1]) for row in connection.exec_driver_sql("SELECT digest, x FROM t ORDER BY digest")]


@pytest.mark.parametrize("rows", [0, 1, 499, 500, 501, 1700])
def test_as_many_rows_as_there_are_get_written_and_removed(rows: int) -> None:
    with create_engine("sqlite://").begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (digest BLOB PRIMARY KEY, x INTEGER)")
        digests = [number.to_bytes(2, "big") for number in range(rows)]
        put, removed = changes(), changes()
        for number, digest in enumerate(digests):
            put.put(digest, number)
            removed.remove(digest)
        assert kept(connection, put) == [(digest, number) for number, digest in enumerate(digests)]
        assert kept(connection, put) == [(digest, number) for number, digest in enumerate(digests)]
        assert kept(connection, removed) == []


def test_the_last_word_on_a_row_counts() -> None:
    with create_engine("sqlite://").begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (digest BLOB PRIMARY KEY, x INTEGER)")
        one = changes()
        one.put(b"a", 1)
        one.put(b"a", 2)
        one.put(b"b", 1)
        one.remove(b"b")
        one.remove(b"c")
        one.put(b"c", 3)
        assert kept(connection, one) == [(b"a", 2), (b"c", 3)]
        one.remove(b"a")
        one.put(b"a", 4)
        assert kept(connection, one) == [(b"a", 4), (b"c", 3)]
