"""How often a host may be asked: a bucket of questions for each, which fills up again with time."""

from __future__ import annotations

import msgspec
import trio

from relayfilter.remote.recent import Recent


class _Bucket(msgspec.Struct, frozen=True):
    tokens: float
    at: float


class Allowance:
    """`questions` to each host at once, and as many again within `period` seconds. The last `hosts` are remembered."""

    def __init__(self, questions: int, period: float, hosts: int) -> None:
        self._questions = float(questions)
        self._period = period
        self._buckets: Recent[str, _Bucket] = Recent(hosts)

    def take(self, host: str) -> bool:
        """May `host` be asked once more now?"""
        now = trio.current_time()
        bucket = self._buckets.get(host) or _Bucket(self._questions, now)
        tokens = min(self._questions, bucket.tokens + (now - bucket.at) * self._questions / self._period)
        self._buckets.put(host, _Bucket(tokens - 1 if tokens >= 1 else tokens, now))
        return tokens >= 1
