"""Who may fetch now: so many at a time in all, and so many from one host.

A task waits for its host first and overall second, both first come first served. So the questions for a slow host queue
among themselves and hold no more than `per_host` of the places that all share.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import trio


class Slots:
    def __init__(self, overall: int, per_host: int) -> None:
        self._overall = trio.Semaphore(overall)
        self._per_host = per_host
        self._hosts: dict[str, tuple[trio.Semaphore, int]] = {}

    @asynccontextmanager
    async def taken(self, host: str, until: float) -> AsyncIterator[None]:
        """Holds a place for `host` while the block runs. Raises trio.TooSlowError when there is none until then (in the
        time of trio's clock)."""
        semaphore, users = self._hosts.get(host, (trio.Semaphore(self._per_host), 0))
        self._hosts[host] = (semaphore, users + 1)
        try:
            async with AsyncExitStack() as held:
                with trio.fail_at(until):
                    await held.enter_async_context(semaphore)
                    await held.enter_async_context(self._overall)
                yield
        finally:
            semaphore, users = self._hosts.pop(host)
            if users > 1:
                self._hosts[host] = (semaphore, users - 1)
