from __future__ import annotations

import pytest
import trio
import trio.testing

from relayfilter.wire.idle import IdleStreams
from tests.wire.conversation import MemoryStream, memory_pair


async def is_closed(stream: MemoryStream) -> bool:
    try:
        await stream.wait_send_all_might_not_block()
    except trio.ClosedResourceError:
        return True
    return False


def test_closes_those_whose_time_is_over_and_only_those() -> None:
    async def main() -> None:
        idle = IdleStreams()
        early, late, busy = streams = [memory_pair()[0] for _ in range(3)]
        idle.add(early, 10)
        idle.add(late, 20)
        idle.add(busy, 10)
        idle.remove(busy)
        idle.close(9.9)
        assert [await is_closed(stream) for stream in streams] == [False, False, False]
        idle.close(10)
        assert [await is_closed(stream) for stream in streams] == [True, False, False]
        idle.close()
        assert [await is_closed(stream) for stream in streams] == [True, True, False]

    trio.run(main)


def test_a_task_that_waits_on_a_closed_stream_is_told() -> None:
    async def main() -> None:
        idle = IdleStreams()
        stream, _ = memory_pair()
        idle.add(stream, 10)

        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await stream.receive_some()
            idle.remove(stream)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            idle.close()

    trio.run(main)
