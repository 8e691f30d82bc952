"""The classify process: loads everything once, then forks a locked-down worker for every connection.

Forking a warm process takes 4 ms where starting one takes 300, and all workers share the model's memory. It is sound
only in a process with one thread: a lock that another thread holds at the fork stays locked in the child for ever. So
this process is exec'ed for itself, imports neither Trio nor anything that starts threads, and refuses to serve when it
finds a second one.

One connection is one worker. The zygote never reads from a connection; it keeps its descriptor only to see it hang up,
which kills the worker: a client that goes away, for whatever reason, leaves nothing running. A bounded number of
workers lives at a time and further connections wait in the socket's backlog.

It ends, workers first, on SIGTERM or when its supervisor does (the lifeline, a pipe, reaches its end).
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

import msgspec

# Read when numpy is imported: without it OpenBLAS starts a thread for every core.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from relayfilter.errors import ConfigError
from relayfilter.inspection import worker
from relayfilter.inspection.settings import ClassifySettings
from relayfilter.inspection.warmup import warm_up
from relayfilter.media.checks import catalogue
from relayfilter.media.checks.check import Check

EX_CONFIG = 78
# A client may replace a worker before the old one is reaped, and a ping may come on top.
_SLACK = 2

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE = 20 * 1024 * 1024


class _Worker(msgspec.Struct, frozen=True):
    pid: int
    exited: int
    connection: socket.socket


def main(listener_fd: int, lifeline_fd: int | None, settings: ClassifySettings) -> None:
    """Serves connections of the listening Unix stream socket `listener_fd` until the end of `lifeline_fd` or SIGTERM.

    Both descriptors are inherited; systemd passes the listener as 3. Raises ConfigError when a model is unusable.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    checks = catalogue.load()
    warm_up(checks)
    _settle()
    if (threads := len(list(Path("/proc/self/task").iterdir()))) != 1:
        raise RuntimeError(f"{threads} threads in a process that is to fork")
    with socket.socket(fileno=listener_fd) as listener:
        listener.setblocking(False)
        Zygote(listener, lifeline_fd, checks, settings).serve()


def _settle() -> None:
    """Gives back what loading needed, and takes what stays out of the collector's sight: its marks unshare memory.

    malloc is told to give large blocks back at once. By itself it keeps as much as the largest picture ever needed.
    """
    gc.collect()
    gc.freeze()
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
    libc.mallopt(_M_TRIM_THRESHOLD, _LARGE)
    libc.malloc_trim(0)


class Zygote:
    """The loop: connections become workers, what hangs up or dies is cleared away."""

    def __init__(
        self, listener: socket.socket, lifeline: int | None, checks: tuple[Check, ...], settings: ClassifySettings
    ) -> None:
        self._listener = listener
        self._lifeline = lifeline
        self._checks = checks
        self._settings = settings
        self._limit = settings.worker_count + _SLACK
        self._poll = select.poll()
        self._by_connection: dict[int, _Worker] = {}
        self._by_exit: dict[int, _Worker] = {}

    def serve(self) -> None:
        """Until the lifeline ends or SIGTERM, which exits with status 0; leaves no worker alive."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        if self._lifeline is not None:
            self._poll.register(self._lifeline, select.POLLIN)
        self._poll.register(self._listener, select.POLLIN)
        try:
            while True:
                ready = [descriptor for descriptor, _ in self._poll.poll()]
                if self._lifeline in ready:
                    return
                for descriptor in ready:
                    if (hung_up := self._by_connection.get(descriptor)) or (hung_up := self._by_exit.get(descriptor)):
                        self._end(hung_up)
                if self._listener.fileno() in ready:
                    self._accept()
        finally:
            for each in list(self._by_exit.values()):
                self._end(each)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            print(f"no worker: cannot fork: {error.strerror}", file=sys.stderr)
            connection.close()
            return
        if pid == 0:
            _become_worker(connection, self._checks, self._settings, parent=parent)
        forked = _Worker(pid=pid, exited=os.pidfd_open(pid), connection=connection)
        self._by_connection[connection.fileno()] = self._by_exit[forked.exited] = forked
        self._poll.register(connection, select.POLLRDHUP)
        self._poll.register(forked.exited, select.POLLIN)
        if len(self._by_exit) == self._limit:
            self._poll.unregister(self._listener)

    def _end(self, ended: _Worker) -> None:
        """Makes sure that it is dead, and forgets it."""
        del self._by_connection[ended.connection.fileno()], self._by_exit[ended.exited]
        self._poll.unregister(ended.connection)
        self._poll.unregister(ended.exited)
        signal.pidfd_send_signal(ended.exited, signal.SIGKILL)
        os.waitpid(ended.pid, 0)
        os.close(ended.exited)
        ended.connection.close()
        self._poll.register(self._listener, select.POLLIN)


def _become_worker(
    connection: socket.socket, checks: tuple[Check, ...], settings: ClassifySettings, *, parent: int
) -> NoReturn:
    """In the forked child: nothing of the zygote's own code runs again."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        connection.setblocking(True)
        worker.run(connection, checks, settings, parent=parent)
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    _, _listener, _lifeline, _settings = sys.argv
    try:
        main(
            int(_listener),
            None if _lifeline == "-" else int(_lifeline),
            msgspec.json.decode(_settings, type=ClassifySettings),
        )
    except ConfigError as mistake:
        print(mistake, file=sys.stderr)
        sys.exit(EX_CONFIG)
