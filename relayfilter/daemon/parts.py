"""What fetch and classify share as processes: the socket that they are given, and the life that they are tied to."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import trio

from relayfilter.daemon.notify import handed_over_sockets
from relayfilter.daemon.supervisor import LIFELINE_FD, LISTEN_FD, listen_on_unix


def part_listener(path: str) -> socket.socket:
    """The listening socket of this process: front's, systemd's, or a new one at `path`."""
    if fd := os.environ.get(LISTEN_FD):
        return socket.socket(fileno=int(fd))
    return next(iter(handed_over_sockets()), None) or listen_on_unix(Path(path))


def lifeline_fd() -> int | None:
    """The pipe that closes when the front that started this process is gone; None for a unit of its own."""
    fd = os.environ.get(LIFELINE_FD)
    return int(fd) if fd else None


async def until_told_to_stop() -> None:
    """Returns at SIGTERM, at SIGINT, or when front is gone."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_until_signal, nursery.cancel_scope)
        if (lifeline := lifeline_fd()) is not None:
            nursery.start_soon(_until_closed, lifeline, nursery.cancel_scope)


async def _until_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()


async def _until_closed(fd: int, scope: trio.CancelScope) -> None:
    await trio.lowlevel.wait_readable(fd)
    scope.cancel()
