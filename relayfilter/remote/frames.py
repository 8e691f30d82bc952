"""Frames between our own processes: four bytes of length, big-endian, and that many bytes."""

from __future__ import annotations

import trio


class BrokenFrame(Exception):
    """The other side hung up in the middle, or announced more than was agreed."""


async def send_frame(stream: trio.abc.SendStream, data: bytes) -> None:
    """Raises trio.BrokenResourceError when nobody listens any more."""
    await stream.send_all(len(data).to_bytes(4, "big") + data)


async def receive_frame(stream: trio.abc.ReceiveStream, max_bytes: int) -> bytes:
    """The next frame. Raises BrokenFrame, and trio.BrokenResourceError when the connection is reset."""
    length = int.from_bytes(await _receive_exactly(stream, 4), "big")
    if length > max_bytes:
        raise BrokenFrame(f"a frame of {length} bytes, where at most {max_bytes} were agreed")
    return await _receive_exactly(stream, length)


async def _receive_exactly(stream: trio.abc.ReceiveStream, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = await stream.receive_some(min(length - len(data), 64 * 1024))
        if not part:
            raise BrokenFrame(f"hung up after {len(data)} of {length} bytes")
        data += part
    return bytes(data)
