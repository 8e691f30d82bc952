from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from relayfilter.remote.slots import Slots


def run(test: Callable[[], Awaitable[None]]) -> None:
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))


async def hold(slots: Slots, host: str, log: list[str], seconds: float = 1.0) -> None:
    async with slots.taken(host, trio.current_time() + 60):
        log.append(host)
        await trio.sleep(seconds)


def test_bounded_in_all_and_by_host() -> None:
    async def test() -> None:
        slots, log = Slots(overall=3, per_host=2), list[str]()
        async with trio.open_nursery() as nursery:
            for host in "aaaabbcc":
                nursery.start_soon(hold, slots, host, log)
                await trio.testing.wait_all_tasks_blocked()
            assert log == ["a", "a", "b"]
            await trio.sleep(1.5)
            assert len(log) == 6

    run(test)


def test_one_slow_host_leaves_room_for_the_others() -> None:
    async def test() -> None:
        slots, log = Slots(overall=4, per_host=2), list[str]()
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(hold, slots, "slow", log, 50.0)
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(1):
                await hold(slots, "quick", log, 0.0)
            nursery.cancel_scope.cancel()

    run(test)


def test_waiting_ends_at_its_time() -> None:
    async def test() -> None:
        for slots in (Slots(overall=1, per_host=9), Slots(overall=9, per_host=1)):
            async with slots.taken("a", trio.current_time() + 1):
                with pytest.raises(trio.TooSlowError):
                    async with slots.taken("a", trio.current_time() + 1):
                        raise AssertionError
                await trio.sleep(5)
            async with slots.taken("a", trio.current_time() + 1):
                pass

    run(test)


def test_nothing_is_kept_of_a_host_that_has_gone() -> None:
    async def test() -> None:
        slots = Slots(overall=2, per_host=1)
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(hold, slots, str(number % 3), [])
        with trio.move_on_after(0.1):
            await hold(slots, "cancelled", [])
        assert slots._hosts == {}

    run(test)
