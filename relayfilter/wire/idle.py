"""The connections between two requests."""

from __future__ import annotations

import math

from relayfilter.wire.stream import Stream


class IdleStreams:
    """Streams on which only a new request is awaited, and until when, in seconds of Trio's clock.

    A cancel scope around each such wait would cost as much as reading the request that ends it. An entry in a
    dictionary costs nothing, and the time need not be kept exactly: whoever serves looks through it now and then.
    """

    def __init__(self) -> None:
        self._until: dict[Stream, float] = {}

    def add(self, stream: Stream, until: float) -> None:
        self._until[stream] = until

    def remove(self, stream: Stream) -> None:
        del self._until[stream]

    def close(self, now: float = math.inf) -> None:
        """Closes those whose time is over at `now`; all of them by default."""
        for stream in [stream for stream, until in self._until.items() if until <= now]:
            stream.close()
