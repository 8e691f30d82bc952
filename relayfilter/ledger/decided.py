"""Activities that were decided: the same one again gets the same answer without being judged again.

Only what a sender took as final is kept: not what he was asked to send again, by us or by Lemmy.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
from sqlalchemy import Connection

from relayfilter.ledger.digests import digest_of
from relayfilter.ledger.ids import first_at
from relayfilter.ledger.recent import Recent
from relayfilter.ledger.records import DecisionRecord, Verdict

MAX_DECIDED: Final = 100_000
SEED_SECONDS: Final = 2 * 3600.0
_COME_AGAIN = (408, 429)
_SEED = """
SELECT id, verdict, activity_id, actor, record FROM decisions
WHERE id >= ? AND verdict IN ('accepted', 'rejected') AND activity_id IS NOT NULL AND actor IS NOT NULL
AND id NOT IN (SELECT cause FROM releases)
ORDER BY id DESC LIMIT ?
"""


class Decided(msgspec.Struct, frozen=True, gc=False):
    """What the sender was told, and the decision that explains it."""

    status: int
    verdict: Verdict
    decision_id: int


class _Status(msgspec.Struct):
    status: int


_decode_status = msgspec.json.Decoder(_Status).decode


class DecidedActivities:
    """The last `most` activities that were accepted or rejected."""

    def __init__(self, most: int = MAX_DECIDED) -> None:
        self._most = most
        self._recent: Recent[Decided] = Recent(most)

    def load(self, connection: Connection, now: float) -> None:
        """Takes in the decisions of the last two hours."""
        rows = connection.exec_driver_sql(_SEED, (first_at(now - SEED_SECONDS), self._most)).all()
        for number, verdict, activity_id, actor, record in reversed(rows):
            self._put(activity_id, actor, Decided(_decode_status(record).status, verdict, number))

    def get(self, activity_id: str, actor: str) -> Decided | None:
        """What was decided about this activity of this actor."""
        return self._recent.get(_digest(activity_id, actor))

    def note(self, record: DecisionRecord) -> None:
        """Keeps the decision unless an earlier one about the same activity stands, which explains more."""
        if record.verdict in ("accepted", "rejected") and record.activity_id and record.actor:
            self._put(record.activity_id, record.actor, Decided(record.status, record.verdict, record.id))

    def annul(self, decision_ids: Collection[int]) -> None:
        """What these decisions were about is to be judged afresh."""
        for digest, decided in self._recent.items():
            if decided.decision_id in decision_ids:
                self._recent.remove(digest)

    def _put(self, activity_id: str, actor: str, decided: Decided) -> None:
        if decided.status >= 500 or decided.status in _COME_AGAIN:
            return
        digest = _digest(activity_id, actor)
        if self._recent.get(digest) is None:
            self._recent.put(digest, decided)


def _digest(activity_id: str, actor: str) -> bytes:
    return digest_of(f"{activity_id}\n{actor}")
