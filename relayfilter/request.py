"""One delivery as it arrived. Nothing downstream changes it: what is forwarded is what was received."""

from __future__ import annotations

import msgspec


class HeaderLine(msgspec.Struct, frozen=True):
    """One header line.

    `name` is lower-cased, `value` has its surrounding blanks removed; `raw` is the line as it stood on the wire,
    without its CRLF, and is what a forward sends.
    """

    name: bytes
    value: bytes
    raw: bytes


class InboxRequest(msgspec.Struct, frozen=True):
    """A received HTTP request with its whole body (bounded by the wire's limits).

    `target` is the request-target exactly as sent (RFC 9112 section 3.2), `received_at` is wall-clock seconds since
    the epoch (only signature dates and records use it), `client` names the peer for the log.
    """

    method: str
    target: bytes
    headers: tuple[HeaderLine, ...]
    body: bytes
    received_at: float
    client: str

    def values(self, name: bytes) -> list[bytes]:
        """All values of the header `name` (lower case), in order."""
        return [line.value for line in self.headers if line.name == name]


class Response(msgspec.Struct, frozen=True):
    """An answer: ours to a peer, or the upstream's to us. Header names are kept as given."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
