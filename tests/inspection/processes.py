"""The classify process for tests: the real one, and the real loop with checks that misbehave."""

from __future__ import annotations

import os
import select
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from relayfilter.inspection.messages import Hello, Job, WorkerReport, frame, read_hello, read_report
from relayfilter.inspection.settings import ClassifySettings, zygote_command

PATIENCE = 10


class Classify:
    """A running classify process: `path` is its socket, `hang_up` ends its lifeline."""

    def __init__(self, process: subprocess.Popen[bytes], path: str, lifeline: int) -> None:
        self.process = process
        self.path = path
        self._lifeline = lifeline

    def hang_up(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def workers(self) -> set[int]:
        """Process ids."""
        pid = self.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def connect(self) -> Talk:
        return Talk(self.path)


class Talk:
    """A client's side of a connection, blocking."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def hello(self) -> Hello:
        return read_hello(self._frame())

    def ask(self, data: bytes, deadline: float = PATIENCE) -> None:
        self.socket.sendall(frame(Job(length=len(data), deadline=deadline)) + data)

    def report(self) -> WorkerReport:
        return read_report(self._frame())

    def is_at_end(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _frame(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(4), "big"))

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self.socket.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data


@contextmanager
def running(
    directory: Path,
    settings: ClassifySettings,
    *,
    module: str = "relayfilter.inspection.zygote",
    wrapper: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Classify]:
    """`module` on a socket in `directory`; it answers as soon as it has warmed up."""
    path = str(directory / "classify.sock")
    theirs, ours = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        command = zygote_command(listener.fileno(), theirs, settings)
        command[command.index("relayfilter.inspection.zygote")] = module
        descriptors = (listener.fileno(), theirs)
        process = subprocess.Popen([*wrapper, *command], pass_fds=descriptors, env=environment)
    os.close(theirs)
    classify = Classify(process, path, ours)
    try:
        yield classify
    finally:
        classify.hang_up()
        process.wait(PATIENCE)


def wait_for_end(pid: int) -> None:
    """Returns when the process is gone, and fails when it stays."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], PATIENCE)[0], f"process {pid} is still there"
    finally:
        os.close(descriptor)
