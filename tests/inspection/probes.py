"""Run as a program: locks a forked child down and prints, as JSON, what it could still do.

No probe may block or do harm when it is allowed: a layer that is missing is to be seen, not to hang.

`{"held": [...], "missing": [...], "again": [...], "probes": {name: "EPERM" or "ALLOWED" or ...}}`; `again` is
what a second lock-down, in the process that is locked down, still reports as held.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from relayfilter.inspection.lockdown import lock_down

libc = ctypes.CDLL(None, use_errno=True)
X86_64 = os.uname().machine == "x86_64"


def call(number_x86_64: int, number_aarch64: int, *arguments: int) -> None:
    """A system call that Python has no function for."""
    if libc.syscall(number_x86_64 if X86_64 else number_aarch64, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def executable_later() -> None:
    area = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    if libc.mprotect(ctypes.c_void_p(address), 4096, 5) < 0:
        raise OSError(ctypes.get_errno(), "")


def probes(parent: int, inherited: int, connection: socket.socket) -> dict[str, Callable[[], object]]:
    return {
        "open to read": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "open to write": lambda: os.open("/tmp/relayfilter-probe", os.O_CREAT | os.O_WRONLY),
        "unnamed temporary file": lambda: os.open("/tmp", os.O_TMPFILE | os.O_WRONLY),
        "shared memory": lambda: os.open("/dev/shm/relayfilter-probe", os.O_CREAT | os.O_WRONLY),
        "memory file": lambda: os.memfd_create("probe"),
        "list a directory": lambda: list(Path("/").iterdir()),
        "stat": Path("/etc/passwd").stat,
        "make a directory": Path("/tmp/relayfilter-probe").mkdir,
        "unlink": Path("/tmp/relayfilter-probe").unlink,
        "an inherited descriptor": lambda: os.write(inherited, b"x"),
        "standard error": lambda: os.write(2, b"x"),
        "IPv4 socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "UDP socket": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
        "Unix socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "socket pair": socket.socketpair,
        "receive a descriptor": lambda: connection.recvmsg(1, 64, socket.MSG_DONTWAIT),
        "pipe": os.pipe,
        "duplicate a descriptor": lambda: os.dup(connection.fileno()),
        "epoll": select.epoll,
        "execute": lambda: os.execv("/bin/true", ["true"]),
        "fork": fork,
        "thread": lambda: threading.Thread(target=int).start(),
        "signal the parent": lambda: os.kill(parent, 0),
        "wake the parent": lambda: os.kill(parent, signal.SIGCONT),
        "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9)),
        "change user": lambda: os.setuid(65534),
        "leave the session": os.setsid,
        "writable and executable": lambda: mmap.mmap(-1, 4096, prot=7),
        "executable later": executable_later,
        "ptrace": lambda: call(101, 117, 16, parent, 0, 0),
        "read the parent's memory": lambda: call(310, 270, parent, 0, 0, 0, 0, 0),
        "io_uring": lambda: call(425, 425, 1, 0),
        "bpf": lambda: call(321, 280, 0, 0, 0),
        "userfaultfd": lambda: call(323, 282, 0),
        "keyring": lambda: call(250, 219, 0, -3, 0, 0, 0),
        "namespace": lambda: call(272, 97, 0x10000000),
        "undo what was set": lambda: call(157, 167, 4, 1, 0, 0, 0),
        "System V shared memory": lambda: call(29, 194, 0x72656C61, 4096, 0),
    }


def outcome(probe: Callable[[], object]) -> str:
    try:
        probe()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except (RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "ALLOWED"


def locked_down(connection: socket.socket, parent: int, inherited: int) -> None:
    report = lock_down(connection.fileno(), parent=parent, memory=1 << 30)
    again = lock_down(connection.fileno(), parent=parent, memory=1 << 30)
    found = {name: outcome(probe) for name, probe in probes(parent, inherited, connection).items()}
    said = {"held": report.held, "missing": report.missing, "again": again.held, "probes": found}
    connection.sendall(json.dumps(said).encode())


def main() -> None:
    ours, theirs = socket.socketpair()
    inherited = os.open("/dev/null", os.O_WRONLY)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            locked_down(theirs, parent, inherited)
        finally:
            os._exit(0)
    theirs.close()
    while data := ours.recv(65536):
        sys.stdout.buffer.write(data)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
