"""Bytes over a socket at the price of the system calls.

`trio.SocketStream` makes every operation a checkpoint: what could be done at once is done, and then the task queues up
again behind all others. At one small message each way that is most of the cost of a connection. Here sending waits only
when the kernel takes no more, and receiving always waits for the kernel's word first, because that is where a connection
spends its time anyway. So each exchange still lets the others run, once.
"""

from __future__ import annotations

import socket
from abc import abstractmethod

import trio

_RECEIVE_BYTES = 64 * 1024


class Stream(trio.abc.HalfCloseableStream):
    """A stream that can be asked what goes without waiting."""

    @abstractmethod
    def send_now(self, data: bytes) -> int:
        """How many bytes of `data`, from its start, were sent at once. Raises trio.BrokenResourceError."""


class SocketStream(Stream):
    """`send_all` is a checkpoint only when it has to wait; otherwise this behaves like trio.SocketStream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        """Takes over the socket of `stream`, which cannot be used any more."""
        family, kind = stream.socket.family, stream.socket.type
        self.socket = socket.socket(family, kind, 0, fileno=stream.socket.detach())

    def send_now(self, data: bytes) -> int:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._failure() from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with memoryview(data) as left:
            sent = self.send_now(left)
            while sent < len(left):
                await trio.lowlevel.wait_writable(self.socket)
                sent += self.send_now(left[sent:])

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.wait_writable(self.socket)

    async def send_eof(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise self._failure() from error

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        while True:
            if self.socket.fileno() < 0:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self.socket)
            try:
                return self.socket.recv(max_bytes or _RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._failure() from error

    def close(self) -> None:
        """Closes at once. A task that waits on this stream gets trio.ClosedResourceError."""
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def _failure(self) -> Exception:
        return trio.ClosedResourceError() if self.socket.fileno() < 0 else trio.BrokenResourceError()
