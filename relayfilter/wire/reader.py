"""Bytes from a stream, taken in the pieces that HTTP/1.1 is made of.

What follows a piece stays in the buffer, so a pipelined request is never lost to the body before it. A search goes on
where the last one stopped: a peer who sends single bytes costs us linear work.
"""

from __future__ import annotations

import re

import trio

from relayfilter.errors import MalformedRequest

_RECEIVE_BYTES = 64 * 1024
_BARE_LF = re.compile(rb"(?<!\r)\n")


class Truncated(MalformedRequest):
    """The peer hung up in the middle of a message: there is nobody left to answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, reason)


class Reader:
    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._searched = 0

    @property
    def buffered(self) -> int:
        """How many received bytes nobody has taken yet."""
        return len(self._buffer)

    async def fill(self) -> bool:
        """Waits for more bytes; False at the end of the stream. Raises Truncated when the connection was reset."""
        try:
            data = await self._stream.receive_some(_RECEIVE_BYTES)
        except trio.BrokenResourceError:
            raise Truncated("connection reset") from None
        self._buffer += data
        return bool(data)

    def take_head(self, limit: int) -> bytes | None:
        """Everything up to and with the first empty line, if it is here already.

        Raises MalformedRequest 431 (414 when not even the first line fits) above `limit` bytes, and 400 at a bare LF,
        which would otherwise make us wait for an end that the peer believes it has sent.
        """
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            if len(self._buffer) >= limit:
                self._refuse_head(limit)
            if _BARE_LF.search(self._buffer, max(0, self._searched - 1)):
                raise MalformedRequest(400, "bare LF in the head")
            self._searched = len(self._buffer)
            return None
        if end + 4 > limit:
            self._refuse_head(limit)
        return self._take(end + 4)

    async def head(self, limit: int) -> bytes:
        """As take_head, waiting for it. Raises Truncated at the end of the stream."""
        while (head := self.take_head(limit)) is None:
            if not await self.fill():
                raise Truncated("connection closed in the head")
        return head

    async def line(self, limit: int) -> bytes:
        """One line without its CRLF. Raises MalformedRequest 400 above `limit` bytes; Truncated at the end."""
        while (end := self._buffer.find(b"\r\n", max(0, self._searched - 1), limit + 2)) < 0:
            if len(self._buffer) >= limit + 2:
                raise MalformedRequest(400, "line too long")
            self._searched = len(self._buffer)
            if not await self.fill():
                raise Truncated("connection closed in a line")
        return self._take(end + 2)[:-2]

    async def exactly(self, count: int) -> bytes:
        """The next `count` bytes. Raises Truncated when the stream ends before them."""
        while len(self._buffer) < count:
            if not await self.fill():
                raise Truncated(f"connection closed after {len(self._buffer)} of {count} bytes")
        return self._take(count)

    async def to_end(self, limit: int) -> bytes:
        """All bytes to the end of the stream. Raises MalformedRequest 413 above `limit` bytes."""
        while len(self._buffer) <= limit:
            if not await self.fill():
                return self._take(len(self._buffer))
        raise MalformedRequest(413, f"more than {limit} bytes of body")

    def _take(self, count: int) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[:count])
        del self._buffer[:count]
        self._searched = 0
        return taken

    def _refuse_head(self, limit: int) -> None:
        if self._buffer.find(b"\r\n", 0, limit) < 0:
            raise MalformedRequest(414, f"more than {limit} bytes of request line")
        raise MalformedRequest(431, f"more than {limit} bytes of head")
