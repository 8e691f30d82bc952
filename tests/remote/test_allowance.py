from __future__ import annotations

import trio
from trio.testing import MockClock

from relayfilter.remote.allowance import Allowance


def test_a_bucket_for_each_host_that_fills_up_again() -> None:
    async def story() -> None:
        allowance = Allowance(4, 8.0, 100)
        assert [allowance.take("a.test") for _ in range(6)] == [True] * 4 + [False] * 2
        assert allowance.take("b.test")
        await trio.sleep(2)
        assert [allowance.take("a.test") for _ in range(2)] == [True, False]
        await trio.sleep(3600)
        assert [allowance.take("a.test") for _ in range(5)] == [True] * 4 + [False]

    trio.run(story, clock=MockClock(autojump_threshold=0))


def test_hosts_are_bounded() -> None:
    async def story() -> None:
        allowance = Allowance(1, 8.0, 2)
        assert [allowance.take(host) for host in ("a.test", "a.test", "b.test", "c.test")] == [True, False, True, True]
        assert allowance.take("a.test")

    trio.run(story, clock=MockClock())
