"""Order: deliveries about one object pass in the order in which they arrived; unrelated ones do not wait.

A delivery takes its place in the lane of every id that it is about, at once when it arrives, and goes on when nobody
stands before it any more. Places are taken in all lanes at the same moment, so two deliveries can never wait for each
other. Identical deliveries are about the same activity id: the second waits for the first and finds it decided.

Strangers must not be able to hold a lane: whose sender is not verified yet holds up only deliveries of the same sending
host, and those about objects of that host, whose servers decide how long its own key takes to fetch.
"""

from __future__ import annotations

from collections.abc import Collection

import trio


class Turn:
    """One delivery's place, held while the context lasts. `host` is the instance that sends it."""

    def __init__(self, lanes: dict[str, dict[Turn, None]], names: Collection[str], host: str) -> None:
        self._lanes = lanes
        self._names = tuple(dict.fromkeys(names))
        self._host = host
        self._admitted = False
        self._changed: trio.Event | None = None
        for name in self._names:
            lanes.setdefault(name, {})[self] = None

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            lane = self._lanes[name]
            del lane[self]
            if not lane:
                del self._lanes[name]
        self._tell()

    def admit(self) -> None:
        """The sender is verified: from now on everybody behind waits for this delivery."""
        self._admitted = True
        self._tell()

    async def come(self, *, deadline: float) -> bool:
        """Returns True when nobody stands before this delivery, False at `deadline` on Trio's clock."""
        if self._blocker() is None:
            return True
        with trio.CancelScope(deadline=deadline):
            while (blocker := self._blocker()) is not None:
                await blocker._change()
            return True
        return False

    def _blocker(self) -> Turn | None:
        for name in self._names:
            for earlier in self._lanes[name]:
                if earlier is self:
                    break
                if earlier._admitted or earlier._host == self._host or earlier._host == _host_of(name):
                    return earlier
        return None

    async def _change(self) -> None:
        """Returns when this delivery was admitted or has left."""
        if self._changed is None:
            self._changed = trio.Event()
        await self._changed.wait()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None


class Lanes:
    """All deliveries under way, by the ids that they are about."""

    def __init__(self) -> None:
        self._lanes: dict[str, dict[Turn, None]] = {}

    def enter(self, names: Collection[str], host: str) -> Turn:
        """A place in the lanes of `names`, taken at once and left when its context ends."""
        return Turn(self._lanes, names, host)

    def __len__(self) -> int:
        return len(self._lanes)


def _host_of(name: str) -> str:
    return name.split("/", 3)[2].lower() if name.count("/") > 1 else ""
