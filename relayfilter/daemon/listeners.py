"""Where the daemon listens: on a socket that systemd hands over, else where the configuration says."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import trio

from relayfilter.daemon.notify import handed_over_sockets
from relayfilter.errors import ConfigError

_BACKLOG = 1024
_TCP = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[0-9.]+)):(?P<port>[0-9]{1,5})")


def open_listeners(address: str, file: str) -> list[trio.SocketListener]:
    """Listeners for deliveries. Raises ConfigError, naming `file`, when `address` cannot be listened on."""
    sockets = handed_over_sockets() or [_listen(address, file)]
    for listening in sockets:
        listening.setblocking(False)
    return [trio.SocketListener(trio.socket.from_stdlib_socket(listening)) for listening in sockets]


def _listen(address: str, file: str) -> socket.socket:
    match = _TCP.fullmatch(address)
    try:
        if address.startswith("unix:"):
            path = Path(address.removeprefix("unix:"))
            path.unlink(missing_ok=True)
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listening.bind(str(path))
        elif match and int(match["port"]) < 65536:
            family = socket.AF_INET6 if match["v6"] else socket.AF_INET
            listening = socket.socket(family, socket.SOCK_STREAM)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((match["v6"] or match["v4"], int(match["port"])))
        else:
            raise ConfigError("expected IP:PORT, [IPv6]:PORT or unix:/path", file=file, path="$.listen.address")
        listening.listen(_BACKLOG)
    except OSError as error:
        problem = f"cannot listen on {address}: {error.strerror or error}"
        raise ConfigError(problem, file=file, path="$.listen.address") from None
    return listening
