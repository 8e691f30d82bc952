"""What was seen of an account: since when, how many of its deliveries were accepted, when it was made."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection

from relayfilter.ledger.digests import digest_of
from relayfilter.ledger.recent import Recent
from relayfilter.ledger.writes import Write

MAX_ACCOUNTS: Final = 200_000
KEPT_SECONDS: Final = 400 * 86_400.0
_UPSERT = "INSERT INTO accounts (digest, first_seen, last_seen, accepted, published)"
_MERGE = """ON CONFLICT (digest) DO UPDATE SET first_seen = coalesce(first_seen, excluded.first_seen),
last_seen = max(last_seen, excluded.last_seen), accepted = accepted + excluded.accepted,
published = coalesce(excluded.published, published)"""


class Account(msgspec.Struct, frozen=True, gc=False):
    """`first_seen` is when its first delivery was accepted, `published` what the actor's own document says; both in
    wall-clock seconds."""

    first_seen: float | None = None
    accepted: int = 0
    published: float | None = None


_UNSEEN = Account()


class Accounts:
    """Memory holds the `most` accounts that were used last; what falls out counts as unseen until the next start,
    while the table goes on counting. Accounts not seen for 400 days are dropped at the start."""

    def __init__(self, most: int = MAX_ACCOUNTS) -> None:
        self._most = most
        self._recent: Recent[Account] = Recent(most)
        self._since: dict[bytes, tuple[bytes, float | None, float, int, float | None]] = {}
        self._now = 0.0

    def load(self, connection: Connection, now: float) -> None:
        """Takes in what is on disk."""
        connection.exec_driver_sql("DELETE FROM accounts WHERE last_seen <= ?", (now - KEPT_SECONDS,))
        newest = "SELECT digest, first_seen, accepted, published FROM accounts ORDER BY last_seen DESC LIMIT ?"
        for digest, *seen in reversed(connection.exec_driver_sql(newest, (self._most,)).all()):
            self._recent.put(digest, Account(*seen))

    def get(self, actor: str) -> Account | None:
        """What is known of `actor`."""
        return self._recent.get(digest_of(actor))

    def observe(self, actor: str, now: float) -> None:
        """Counts one accepted delivery."""
        self._now = max(self._now, now)
        digest = digest_of(actor)
        before = self._recent.get(digest) or _UNSEEN
        first_seen = now if before.first_seen is None else before.first_seen
        self._recent.put(digest, Account(first_seen, before.accepted + 1, before.published))
        self._change(digest, now, 1, None)

    def set_published(self, actor: str, published: float) -> None:
        """Keeps when the account was made, as its document says."""
        digest = digest_of(actor)
        before = self._recent.get(digest) or _UNSEEN
        if before.published != published:
            self._recent.put(digest, Account(before.first_seen, before.accepted, published))
            self._change(digest, self._now, 0, published)

    def drain(self) -> list[Write]:
        rows, self._since = list(self._since.values()), {}
        return [Write(_UPSERT, rows, _MERGE)] if rows else []

    def _change(self, digest: bytes, now: float, accepted: int, published: float | None) -> None:
        _, first_seen, _, count, made = self._since.get(digest, (digest, None, now, 0, None))
        if first_seen is None and accepted:
            first_seen = now
        self._since[digest] = (digest, first_seen, now, count + accepted, published or made)
