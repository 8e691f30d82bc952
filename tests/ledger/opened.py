"""A ledger, opened and closed again around something to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import trio

from relayfilter.ledger.records import DecisionRecord, Sender, Verdict
from relayfilter.ledger.store import Ledger, open_ledger

NOW = 1_790_000_000.0

T = TypeVar("T")


def a_record(
    ledger: Ledger,
    *,
    verdict: Verdict = "accepted",
    instance: str = "a.example",
    at: float = NOW,
    status: int = 200,
    activity_id: str | None = None,
) -> DecisionRecord:
    """A decision of that moment, about an activity with the same id unless it is given."""
    return DecisionRecord(
        id=ledger.next_id(at),
        at=at,
        gate="inbox",
        verdict=verdict,
        status=status,
        reason="nothing-wrong",
        client="127.0.0.1",
        target="/inbox",
        body_bytes=2,
        body_sha256="00",
        actor=f"https://{instance}/u/alice",
        instance=instance,
        activity_id=activity_id or f"https://{instance}/activities/{at}",
        sender=Sender("verified", "cavage", "key"),
    )


def fail_test(trouble: str) -> None:
    raise AssertionError(trouble)


def with_ledger(path: Path, work: Callable[[Ledger], Awaitable[T]], *, now: float = NOW) -> T:
    """What `work` returns; the ledger is opened at the wall-clock time `now` and has been closed again."""

    async def main() -> T:
        async with open_ledger(path, on_trouble=fail_test, clock=lambda: now) as ledger:
            return await work(ledger)

    return trio.run(main)
