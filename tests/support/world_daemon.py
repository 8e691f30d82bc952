"""The real daemon as a service manager runs it: a process of its own, told by environment where to say that it is ready
(sd_notify) and which listening socket it inherits (sd_listen_fds), heard on stdout, ended by signals.

Nothing here sleeps: `Heard` wakes whoever waits for a line, and tells him at once when the process has ended instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import trio

T = TypeVar("T")

_MANAGERS_OWN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")

# systemd sets LISTEN_PID between fork and exec; so does this, in the child's own process.
_HAND_OVER = """
import os, sys
given = int(sys.argv[1])
if given != 3:
    os.dup2(given, 3)
    os.close(given)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="inbox")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Ended(AssertionError):
    """The process ended while somebody waited to hear from it."""


class Heard(Generic[T]):
    """What a process said, in order."""

    def __init__(self) -> None:
        self.items: list[T] = []
        self._over: str | None = None
        self._news = trio.Event()

    def add(self, item: T) -> None:
        self.items.append(item)
        self._wake()

    def end(self, why: str) -> None:
        """Nothing more will be said."""
        self._over = why
        self._wake()

    async def find(self, predicate: Callable[[T], bool], *, after: int = 0, deadline: float = 10.0) -> T:
        """The first item for which `predicate` holds, from index `after` on. Raises Ended, or trio.TooSlowError."""
        at = after
        with trio.move_on_after(deadline):
            while True:
                for item in self.items[at:]:
                    if predicate(item):
                        return item
                at = max(at, len(self.items))
                if self._over is not None:
                    raise Ended(self._over)
                await self._news.wait()
        raise trio.TooSlowError(f"not heard within {deadline:g} s; the last of {at}: {self.items[-5:]}")

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()


class Daemon:
    """One run of `command`. `log` has the JSON lines of stdout, `stray` what else stood there, `notices` the messages
    to the service manager, `stderr` all that was said there. `left_behind` are the children that outlived the process
    by more than `moment` seconds; they are killed."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        inherits: socket.socket | None = None,
        moment: float = 5.0,
    ) -> None:
        self.log: Heard[dict[str, Any]] = Heard()
        self.notices: Heard[str] = Heard()
        self.stray: list[bytes] = []
        self.stderr = b""
        self.left_behind: list[int] = []
        self.process: trio.Process
        self._ended = trio.Event()
        self._command = list(command)
        self._directory = directory
        self._environment = environment
        self._inherits = inherits
        self._moment = moment

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Start the process and hear it until it ends; then kill what is left of its process group."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listening.bind("")  # the kernel picks an abstract address
        with trio.socket.from_stdlib_socket(listening) as manager:
            self.process = await self._open("@" + manager.getsockname()[1:].decode())
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._hear_notices, manager)
                    task_status.started()
                    await self._hear()
                    nursery.cancel_scope.cancel()
            finally:
                with trio.CancelScope(shield=True):
                    self._kill_group()
                    await self.process.wait()

    async def ready(self, deadline: float = 60.0) -> None:
        """Return at READY=1. Raises Ended with what stderr said when the process ends before."""
        await self.notices.find(lambda notice: "READY=1" in notice.splitlines(), deadline=deadline)

    async def ended(self, deadline: float = 30.0) -> int:
        """The exit status, once the process and its children have ended. Raises trio.TooSlowError."""
        with trio.fail_after(deadline):
            await self._ended.wait()
        assert self.process.returncode is not None
        return self.process.returncode

    def processes(self) -> list[int]:
        """The process and its children and theirs, as far as they live: everything in its process group."""
        alive = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, group = entry.read_text().rpartition(")")[2].split()[:3]
            except (OSError, ValueError):
                continue  # It ended while we looked.
            if group == str(self.process.pid) and state != "Z":
                alive.append(int(entry.parent.name))
        return sorted(alive)

    async def _open(self, address: str) -> trio.Process:
        environment = {name: value for name, value in os.environ.items() if name not in _MANAGERS_OWN}
        environment |= {"NOTIFY_SOCKET": address, **self._environment}
        command, passed = self._command, []
        if self._inherits is not None:
            passed = [self._inherits.fileno()]
            command = [sys.executable, "-I", "-S", "-c", _HAND_OVER, str(passed[0]), *command]
        return await trio.lowlevel.open_process(
            command,
            cwd=self._directory,
            env=environment,
            pass_fds=passed,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    async def _hear(self) -> None:
        async with trio.open_nursery() as readers:
            readers.start_soon(self._hear_log)
            readers.start_soon(self._hear_stderr)
            status = await self.process.wait()
            with trio.move_on_after(self._moment):
                await _gone(self.processes())
            self.left_behind = self.processes()
            self._kill_group()
            await _gone(self.left_behind)
        self._ended.set()
        why = f"the daemon ended with status {status}: {self.stderr.decode(errors='replace')}"
        self.log.end(why)
        self.notices.end(why)

    async def _hear_log(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        async for piece in self.process.stdout:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                try:
                    self.log.add(json.loads(line))
                except ValueError:
                    self.stray.append(line)
        if rest:
            self.stray.append(rest)

    async def _hear_stderr(self) -> None:
        assert self.process.stderr is not None
        async for piece in self.process.stderr:
            self.stderr += piece

    async def _hear_notices(self, manager: trio.socket.SocketType) -> None:
        while True:
            self.notices.add((await manager.recv(65536)).decode())

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


async def _gone(pids: Sequence[int]) -> None:
    """Return once these processes, not necessarily children of ours, have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                await trio.lowlevel.wait_readable(descriptor)
            finally:
                os.close(descriptor)
