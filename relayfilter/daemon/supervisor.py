"""`serve` without separate units: front starts fetch and classify itself and keeps them running.

Both children are exec'ed, never forked from the Trio process. Front makes their listening sockets and keeps them, so
that questions queue while a child is being restarted. Each child holds the reading end of a pipe whose other end only
front has: when front is gone, however it went, the pipe closes and the child ends itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import trio

from relayfilter.errors import RemoteUnavailable
from relayfilter.remote.documents import FetchProcess

LISTEN_FD = "RELAYFILTER_LISTEN_FD"
LIFELINE_FD = "RELAYFILTER_LIFELINE_FD"
CLASSIFY_SOCKET = "RELAYFILTER_CLASSIFY_SOCKET"
_BACKLOG = 256
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_STEADY_SECONDS = 30.0
_TERM_SECONDS = 5.0
_READY_SECONDS = 60.0
_PING_SECONDS = 5.0


class Sockets(msgspec.Struct, frozen=True):
    """Where fetch and classify listen."""

    fetch: Path
    classify: Path


@contextlib.asynccontextmanager
async def inspection_processes(config_file: Path, tell: Callable[..., None]) -> AsyncIterator[Sockets]:
    """Fetch and classify, running while the context lasts. `tell(part=, change=, detail=)` hears when one ends."""
    with socket_directory() as directory:
        sockets = Sockets(directory / "fetch.sock", directory / "classify.sock")
        with listen_on_unix(sockets.fetch) as fetch, listen_on_unix(sockets.classify) as classify:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_running, "classify", config_file, classify, {}, tell)
                environment = {CLASSIFY_SOCKET: str(sockets.classify)}
                nursery.start_soon(keep_running, "fetch", config_file, fetch, environment, tell)
                yield sockets
                nursery.cancel_scope.cancel()


async def until_healthy(fetch: FetchProcess) -> None:
    """Returns when a picture went through a worker. Raises RemoteUnavailable after a minute."""
    detail = "no answer"
    with trio.move_on_after(_READY_SECONDS):
        while True:
            try:
                pong = await fetch.ping(deadline=_PING_SECONDS)
            except RemoteUnavailable as unavailable:
                detail = str(unavailable)
            else:
                if pong.healthy:
                    return
                detail = pong.detail
            await trio.sleep(0.1)
    raise RemoteUnavailable(f"fetch and classify did not get ready within {_READY_SECONDS:g} s: {detail}")


@contextlib.contextmanager
def socket_directory() -> Iterator[Path]:
    """A private directory for Unix sockets: the unit's RuntimeDirectory, else one of our own, removed afterwards."""
    if runtime := os.environ.get("RUNTIME_DIRECTORY"):
        yield Path(runtime.split(":", 1)[0])
    else:
        with tempfile.TemporaryDirectory(prefix="relayfilter-") as directory:
            yield Path(directory)


def listen_on_unix(path: Path) -> socket.socket:
    """A listening Unix socket at `path` that only our own user may connect to."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(_BACKLOG)
    return listener


async def keep_running(
    part: str, config_file: Path, listener: socket.socket, environment: dict[str, str], tell: Callable[..., None]
) -> None:
    """Runs `relayfilter serve --only PART` until cancelled, and again when it ends."""
    lifeline, front_end = os.pipe()
    command = [sys.executable, "-m", "relayfilter", "serve", "--only", part, "--config", str(config_file)]
    given = {**os.environ, **environment, LISTEN_FD: str(listener.fileno()), LIFELINE_FD: str(lifeline)}
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        given.pop(name, None)
    pause = _FIRST_PAUSE
    try:
        while True:
            started = trio.current_time()
            process = await trio.lowlevel.open_process(
                command, env=given, stdin=subprocess.DEVNULL, pass_fds=(listener.fileno(), lifeline)
            )
            try:
                code = await process.wait()
            finally:
                await _end(process)
            tell(part=part, change="ended", detail=f"exit status {code}")
            pause = _FIRST_PAUSE if trio.current_time() - started > _STEADY_SECONDS else min(pause * 2, _LONGEST_PAUSE)
            await trio.sleep(pause)
    finally:
        os.close(lifeline)
        os.close(front_end)


async def _end(process: trio.Process) -> None:
    if process.returncode is not None:
        return
    with trio.CancelScope(shield=True):
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(_TERM_SECONDS):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
