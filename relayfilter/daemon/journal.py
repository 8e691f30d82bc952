"""The federation log on stdout: one JSON object a line, for journald.

Lines leave in a thread of their own, so that a reader that stalls does not stall deliveries. Past a backlog lines are
dropped and counted; the ledger still has every decision.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
import trio

_GATHER_SECONDS = 0.05
_BACKLOG_LINES = 10_000

_encode = msgspec.json.Encoder().encode


class Journal:
    """Writes to the file descriptor `fd`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lines: list[bytes] = []
        self._dropped = 0
        self._wake = trio.Event()

    def write(self, event: str, **fields: Any) -> None:
        """Puts a line into the log. JSON escapes control characters, so no field can forge a line."""
        if len(self._lines) >= _BACKLOG_LINES:
            self._dropped += 1
            return
        self._lines.append(_encode({"event": event, **fields}))
        self._wake.set()

    async def run(self) -> None:
        """Writes until cancelled; then call `flush`."""
        while True:
            await self._wake.wait()
            await trio.sleep(_GATHER_SECONDS)
            self._wake = trio.Event()
            await trio.to_thread.run_sync(self.flush, abandon_on_cancel=True)

    def flush(self) -> None:
        """Writes what is waiting, blocking."""
        lines, self._lines = self._lines, []
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(_encode({"event": "log-lines-dropped", "count": dropped}))
        block = b"".join(line + b"\n" for line in lines)
        while block:
            block = block[os.write(self._fd, block) :]
