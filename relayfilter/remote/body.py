"""The body of one answer as it arrives: how much of it is taken, and when it is enough.

A compressed body is inflated piece by piece and never beyond the cap, so a bomb costs no more than a large file would.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import msgspec

from relayfilter.remote.messages import FetchFailed

FIRST_BYTES = 2048
_GZIP = 16 + zlib.MAX_WBITS

# Is this enough? Asked with status and Content-Type when the head of the answer is in (the first bytes still empty),
# and once more with the first FIRST_BYTES of the body, or all of it when it is shorter.
Enough = Callable[[int, str, bytes], bool]


class Limits(msgspec.Struct, frozen=True):
    """`max_bytes` bounds the body as sent and as decompressed; `gzip`: decompress where it was sent compressed, instead
    of refusing it; `enough`: stop early, without failing."""

    max_bytes: int
    gzip: bool = False
    enough: Enough | None = None


class Body:
    """Takes the parts of a body until `done`; then `failure` tells whether `data` may be used."""

    def __init__(self, limits: Limits, status: int, content_type: str) -> None:
        self._limits = limits
        self._status = status
        self._content_type = content_type
        self._inflate: zlib._Decompress | None = None
        self._sniffed = False
        self.data = bytearray()
        self.failure: FetchFailed | None = None
        self.done = limits.enough is not None and limits.enough(status, content_type, b"")

    def begin(self, encodings: list[bytes], lengths: list[bytes]) -> None:
        """The values of Content-Encoding and Content-Length."""
        if self.done:
            return
        coding = b",".join(encodings).strip().lower()
        if coding in (b"gzip", b"x-gzip") and self._limits.gzip:
            self._inflate = zlib.decompressobj(_GZIP)
        elif coding not in (b"", b"identity"):
            self._fail("encoding", f"Content-Encoding {coding[:40]!a}")
        if any(int(length) > self._limits.max_bytes for length in lengths):
            self._fail("too-large", f"announced as {max(map(int, lengths))} bytes")

    def take(self, part: bytes) -> None:
        """The next bytes as sent."""
        # One byte of room beyond the cap shows a body that is too large.
        room = self._limits.max_bytes + 1 - len(self.data)
        try:
            self.data += part[:room] if self._inflate is None else self._inflate.decompress(part, room)
        except zlib.error:
            self._fail("encoding", "not gzip")
        if self._inflate is not None and self._inflate.unused_data:
            self._fail("encoding", "more after the end of the gzip member")
        if len(self.data) > self._limits.max_bytes:
            self._fail("too-large", f"more than {self._limits.max_bytes} bytes")
        if len(self.data) >= FIRST_BYTES:
            self._sniff()

    def end(self) -> None:
        """There is no more."""
        if self._inflate is not None and not self._inflate.eof:
            self._fail("encoding", "incomplete gzip")
        self._sniff()
        self.done = True

    def _sniff(self) -> None:
        if self.done or self._sniffed or self._limits.enough is None:
            return
        self._sniffed = True
        self.done = self._limits.enough(self._status, self._content_type, bytes(self.data[:FIRST_BYTES]))

    def _fail(self, reason: str, detail: str) -> None:
        self.failure = self.failure or FetchFailed(reason, detail, temporary=False)
        self.done = True
