"""Addresses to which nobody may be made to connect, under names of their own."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any, Self

_UNREACHABLE = {
    "private.example": "10.0.0.1",
    "link-local.example": "169.254.169.254",
    "mapped.example": "[::ffff:10.0.0.1]",
    "nat64.example": "[64:ff9b::7f00:1]",
    "unspecified.example": "0.0.0.0",
}


class Traps(ExitStack):
    """Listeners on loopback to which nobody may connect: `hosts` are the names that lead to them."""

    def __enter__(self) -> Self:
        super().__enter__()
        self._listeners = {"loopback.example": self.enter_context(socket.create_server(("127.0.0.2", 0)))}
        if socket.has_dualstack_ipv6():
            six = socket.create_server(("::1", 0), family=socket.AF_INET6)
            self._listeners["six.example"] = self.enter_context(six)
        for listener in self._listeners.values():
            listener.setblocking(False)
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """127.0.0.1 is where the small fediverse lives; no other private address is allowed."""
        return {"fetch": {"testing": {"allow_addresses": ["127.0.0.1/32"], "hosts": self.hosts}}}

    @property
    def hosts(self) -> dict[str, str]:
        trapped = {}
        for name, listener in self._listeners.items():
            address, port = listener.getsockname()[:2]
            trapped[name] = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        return trapped | _UNREACHABLE

    def sprung(self) -> list[str]:
        """The names of the listeners to which somebody connected."""
        found = []
        for name, listener in self._listeners.items():
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                continue
            found.append(name)
        return found
