"""The ledger's tables, in SQLAlchemy Core so that PostgreSQL can serve them later."""

from __future__ import annotations

import sqlite3
from urllib.parse import quote

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
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
