"""Bytes over a socket at the price of the system calls.

Every operation of trio.SocketStream is a checkpoint: what could be done at once is done, and then the task queues up
behind all others. With one small message each way, that is most of what a connection costs. Here, sending waits only
when the kernel takes no more. Receiving always waits for the kernel's word first, which is where a connection spends
its time anyway; so every exchange still lets the others run.
"""

from __future__ import annotations

import socket
from abc import abstractmethod

import trio

_RECEIVE_BYTES = 64 * 1024


class Stream(trio.abc.HalfCloseableStream):
    """A stream of which some operations need no waiting."""

    @abstractmethod
    def send_now(self, data: bytes | memoryview) -> int:
        """How many bytes of `data`, from its start, were sent at once. Raises trio.BrokenResourceError."""

    @abstractmethod
    def close(self) -> None:
        """Closes at once. A task that waits for this stream gets trio.ClosedResourceError."""


class SocketStream(Stream):
    """As trio.SocketStream, but `send_all` is a checkpoint only when it has to wait."""

    def __init__(self, stream: trio.SocketStream) -> None:
        """Takes over the socket of `stream`, which is of no use afterwards."""
        family, kind = stream.socket.family, stream.socket.type
        self.socket = socket.socket(family, kind, 0, fileno=stream.socket.detach())
        self.socket.setblocking(False)

    def send_now(self, data: bytes | memoryview) -> int:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._failure() from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with memoryview(data) as view:
            sent = self.send_now(view)
            while sent < len(view):
                await trio.lowlevel.wait_writable(self.socket)
                with view[sent:] as rest:
                    sent += self.send_now(rest)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.wait_writable(self.socket)

    async def send_eof(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise self._failure() from error

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        while self.socket.fileno() >= 0:
            await trio.lowlevel.wait_readable(self.socket)
            try:
                return self.socket.recv(max_bytes or _RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._failure() from error
        raise trio.ClosedResourceError

    def close(self) -> None:
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def _failure(self) -> Exception:
        return trio.ClosedResourceError() if self.socket.fileno() < 0 else trio.BrokenResourceError()
