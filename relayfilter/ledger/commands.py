"""What the commands change in a ledger that a running daemon has open: synchronous, one short transaction."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from relayfilter.ledger.releases import release_caused_by, release_object
from relayfilter.ledger.schema import open_engine, other_version
from relayfilter.ledger.store import LedgerUnavailable, describe_error


def release(path: Path, which: int | str, *, now: float, by: str) -> list[str]:
    """Releases an object by its id, or everything that a decision withheld by the decision's number; returns the ids of
    what was released. `now` is wall-clock seconds, `by` who does it.

    The daemon takes it in within about a second. Raises FileNotFoundError, LedgerUnavailable.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    engine = open_engine(str(path))
    try:
        with engine.begin() as connection:
            if trouble := other_version(connection):
                raise LedgerUnavailable(f"{path}: {trouble}")
            if isinstance(which, int):
                return release_caused_by(connection, which, now=now, by=by)
            return release_object(connection, which, now=now, by=by)
    except SQLAlchemyError as error:
        raise LedgerUnavailable(f"{path}: {describe_error(error)}") from error
    finally:
        engine.dispose()
