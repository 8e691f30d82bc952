from __future__ import annotations

import pytest
import trio
import trio.testing

from relayfilter.remote.frames import BrokenFrame, receive_frame, send_frame


def receive(sent: bytes, max_bytes: int, size: int = 4096) -> bytes:
    async def converse() -> bytes:
        sender, receiver = trio.testing.memory_stream_one_way_pair()
        for start in range(0, len(sent), size):
            await sender.send_all(sent[start : start + size])
        await sender.aclose()
        return await receive_frame(receiver, max_bytes)

    return trio.run(converse)


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 70_000])
def test_what_is_sent_is_received(data: bytes) -> None:
    async def converse() -> None:
        sender, receiver = trio.testing.memory_stream_one_way_pair()
        await send_frame(sender, data)
        await send_frame(sender, b"next")
        assert await receive_frame(receiver, 70_000) == data
        assert await receive_frame(receiver, 4) == b"next"

    trio.run(converse)


def test_byte_by_byte() -> None:
    assert receive(b"\0\0\0\5hello", 5, size=1) == b"hello"


@pytest.mark.parametrize("sent", [b"", b"\0\0\0", b"\0\0\0\5", b"\0\0\0\5hell"])
def test_broken_off(sent: bytes) -> None:
    with pytest.raises(BrokenFrame):
        receive(sent, 100)


@pytest.mark.parametrize("sent", [b"\0\0\0\6hello!", b"\xff\xff\xff\xff"])
def test_longer_than_agreed(sent: bytes) -> None:
    with pytest.raises(BrokenFrame):
        receive(sent, 5)
