from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import trio

from relayfilter.ledger.decided import SEED_SECONDS, Decided
from relayfilter.ledger.records import Verdict
from relayfilter.ledger.store import Ledger, LedgerUnavailable, open_ledger
from tests.ledger.opened import NOW, a_record, with_ledger

LIKE, ALICE, MALLORY = "https://a.example/like/1", "https://a.example/u/alice", "https://a.example/u/mallory"


@pytest.mark.parametrize(
    ("verdict", "status", "is_kept"),
    [
        ("accepted", 200, True),
        ("accepted", 400, True),
        ("accepted", 503, False),
        ("accepted", 429, False),
        ("accepted", 408, False),
        ("rejected", 403, True),
        ("rejected", 200, True),
        ("refused", 401, False),
        ("deferred", 503, False),
        ("dropped", 202, False),
        ("failed", 500, False),
    ],
)
def test_only_what_the_sender_took_as_final_is_answered_again(
    tmp_path: Path, verdict: Verdict, status: int, is_kept: bool
) -> None:
    path = tmp_path / "ledger.sqlite"

    async def first(ledger: Ledger) -> int:
        record = a_record(ledger, verdict=verdict, status=status, activity_id=LIKE)
        ledger.record_later(record) if verdict == "accepted" else await ledger.record(record)
        assert ledger.decided.get(LIKE, ALICE) == (Decided(status, verdict, record.id) if is_kept else None)
        assert ledger.decided.get(LIKE, MALLORY) is None
        return record.id

    number = with_ledger(path, first)

    async def second(ledger: Ledger) -> None:
        assert ledger.decided.get(LIKE, ALICE) == (Decided(status, verdict, number) if is_kept else None)
        assert ledger.decided.get(LIKE, MALLORY) is None

    with_ledger(path, second, now=NOW + SEED_SECONDS - 1)


def test_at_the_start_only_the_last_two_hours_are_known(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def first(ledger: Ledger) -> None:
        await ledger.record(a_record(ledger, activity_id=LIKE))

    async def second(ledger: Ledger) -> Decided | None:
        return ledger.decided.get(LIKE, ALICE)

    with_ledger(path, first)
    assert with_ledger(path, second, now=NOW + SEED_SECONDS - 1) is not None
    assert with_ledger(path, second, now=NOW + SEED_SECONDS + 1) is None


def test_the_first_decision_stands(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def first(ledger: Ledger) -> int:
        records = [a_record(ledger, verdict="rejected", status=403, activity_id=LIKE) for _ in range(2)]
        for record in records:
            await ledger.record(record)
        decided = ledger.decided.get(LIKE, ALICE)
        assert decided == Decided(403, "rejected", records[0].id)
        return decided.decision_id

    async def second(ledger: Ledger) -> int:
        decided = ledger.decided.get(LIKE, ALICE)
        assert decided is not None
        return decided.decision_id

    assert with_ledger(path, first) == with_ledger(path, second)


def test_what_could_not_be_recorded_is_not_decided(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_ledger(tmp_path / "ledger.sqlite", on_trouble=lambda trouble: None) as ledger:
            record = a_record(ledger, verdict="refused", activity_id=LIKE)
            await ledger.record(record)
            same_number = msgspec.structs.replace(record, verdict="rejected")
            with pytest.raises(LedgerUnavailable):
                await ledger.record(same_number)
            assert ledger.decided.get(LIKE, ALICE) is None

    trio.run(main)
