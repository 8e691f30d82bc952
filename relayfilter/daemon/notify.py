"""systemd's service protocol: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3). Outside systemd it is silent."""

from __future__ import annotations

import os
import socket

_FIRST_FD = 3


def notify(message: str) -> None:
    """Sends `message`, such as `READY=1`, to the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(address)
        sender.sendall(message.encode())


def watchdog_seconds() -> float | None:
    """How often the service manager wants to hear `WATCHDOG=1` at the least; None when it does not ask."""
    micros, pid = os.environ.get("WATCHDOG_USEC"), os.environ.get("WATCHDOG_PID")
    if not micros or (pid and int(pid) != os.getpid()):
        return None
    return int(micros) / 1_000_000


def handed_over_sockets() -> list[socket.socket]:
    """The listening sockets that systemd passed to this very process, in order."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    sockets = [socket.socket(fileno=fd) for fd in range(_FIRST_FD, _FIRST_FD + count)]
    for handed_over in sockets:
        handed_over.set_inheritable(False)
    return sockets
