"""Load over kept connections on loopback: prepared requests out, answers in, as fast as the other side takes them.

One thread and one selector, so that the load costs little of the machine that it measures. Every connection has one
request under way.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Sequence

import msgspec

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)


class LoadFailed(Exception):
    """An answer was not 200, a connection was closed, or time was up. The message holds what was received."""


class LoadResult(msgspec.Struct, frozen=True):
    deliveries: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.deliveries / self.seconds


def run_load(port: int, requests: Sequence[bytes], *, connections: int = 16, timeout: float = 60.0) -> LoadResult:
    """Sends each of `requests` once and waits for its answer, all within `timeout` seconds. Raises LoadFailed."""
    waiting = iter(requests)
    answered = 0
    with selectors.DefaultSelector() as selector:
        peers = [_Peer(port) for _ in range(min(connections, len(requests)))]
        try:
            started = time.perf_counter()
            for peer in peers:
                selector.register(peer.socket, selectors.EVENT_READ, peer)
                peer.send(next(waiting))
            while answered < len(requests):
                if time.perf_counter() - started > timeout:
                    raise LoadFailed(f"{answered} of {len(requests)} answers after {timeout:g} s")
                for key, _ in selector.select(1.0):
                    peer = key.data
                    if peer.answered():
                        answered += 1
                        if (request := next(waiting, None)) is not None:
                            peer.send(request)
            return LoadResult(answered, time.perf_counter() - started)
        finally:
            for peer in peers:
                peer.socket.close()


class _Peer:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def send(self, request: bytes) -> None:
        self.socket.sendall(request)

    def answered(self) -> bool:
        """Takes what has come; True when that completes a 200."""
        data = self.socket.recv(65536)
        self._received += data
        if not data or not b"HTTP/1.1 200 ".startswith(self._received[:13]):
            raise LoadFailed(repr(self._received[:2000]))
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        length = _LENGTH.search(self._received, 0, end)
        if length is None:
            raise LoadFailed(f"no Content-Length: {self._received[:2000]!r}")
        if len(self._received) < end + 4 + int(length[1]):
            return False
        self._received = b""
        return True
