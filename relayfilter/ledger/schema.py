"""The ledger's tables, in SQLAlchemy Core so that PostgreSQL can serve them later. A `digest` is digests.py's."""

from __future__ import annotations

import sqlite3
from urllib.parse import quote

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

VERSION = 1
"""Goes up with every change of a table."""

metadata = MetaData()

# SQLite makes only an INTEGER primary key its row id.
_RowId = BigInteger().with_variant(Integer, "sqlite")

decisions = Table(
    "decisions",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=False),
    Column("verdict", String, nullable=False),
    Column("instance", String),
    Column("actor", String),
    Column("rule", String),
    Column("activity_id", String),
    Column("record", LargeBinary, nullable=False),
)
Index("decisions_by_verdict", decisions.c.verdict, decisions.c.id)
Index("decisions_by_instance", decisions.c.instance, decisions.c.id)
Index("decisions_by_actor", decisions.c.actor, decisions.c.id)
Index("decisions_by_rule", decisions.c.rule, decisions.c.id)
Index("decisions_by_activity", decisions.c.activity_id)

actor_keys = Table(
    "actor_keys",
    metadata,
    Column("key_id", String, primary_key=True),
    Column("actor", String, nullable=False),
    Column("pem", String, nullable=False),
    Column("fetched_at", Float, nullable=False),
)

withheld = Table(
    "withheld",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("object_id", String, nullable=False),
    Column("cause", BigInteger, nullable=False),
    Column("until", Float),
    sqlite_with_rowid=False,
)

releases = Table(
    "releases",
    metadata,
    Column("number", _RowId, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("object_id", String, nullable=False),
    Column("cause", BigInteger, nullable=False),
    Column("released_at", Float, nullable=False),
    Column("released_by", String, nullable=False),
    sqlite_autoincrement=True,
)

# Without an index by digest: rows are only added at the end, and read when the ledger is opened.
known_objects = Table(
    "known_objects",
    metadata,
    Column("number", _RowId, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
)

deferrals = Table(
    "deferrals",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("first_at", Float, nullable=False),
    sqlite_with_rowid=False,
)
Index("deferrals_by_time", deferrals.c.first_at)

accounts = Table(
    "accounts",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("first_seen", Float),
    Column("last_seen", Float, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("published", Float),
    sqlite_with_rowid=False,
)


def open_engine(path: str, *, read_only: bool = False) -> Engine:
    """An engine on the SQLite file `path`: write-ahead log, every commit on disk before it is acknowledged."""
    mode = "ro" if read_only else "rwc"
    url = URL.create("sqlite", database=f"file:{quote(path)}", query={"mode": mode, "uri": "true"})
    engine = create_engine(url, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        assert isinstance(connection, sqlite3.Connection)
        connection.execute("PRAGMA busy_timeout = 5000")
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")

    return engine


def create(connection: Connection) -> None:
    """Makes the tables in a file that has none: all of them or, when we are killed meanwhile, none."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0:
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")


def other_version(connection: Connection) -> str | None:
    """What is wrong when the file's tables are not those of this version."""
    found = connection.exec_driver_sql("PRAGMA user_version").scalar()
    if found == VERSION:
        return None
    return f"its tables have version {found}, this relayfilter reads version {VERSION}: move the file away or go back"
