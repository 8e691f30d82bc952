"""A bounded map of what was used last."""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Values by digest: never more than `size`, always the `size // 2` that were put or got last.

    Two generations: when the young one has half the size it becomes the old one, and what was old is gone.
    """

    def __init__(self, size: int) -> None:
        self._half = max(1, size // 2)
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, digest: bytes) -> V | None:
        """The value, which counts as used now."""
        value = self._young.get(digest)
        if value is None and (value := self._old.pop(digest, None)) is not None:
            self.put(digest, value)
        return value

    def put(self, digest: bytes, value: V) -> None:
        """Keeps `value`, replacing what was kept under the digest."""
        self._old.pop(digest, None)
        self._young[digest] = value
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young

    def remove(self, digest: bytes) -> None:
        """Drops the value, if there is one."""
        self._young.pop(digest, None)
        self._old.pop(digest, None)

    def items(self) -> list[tuple[bytes, V]]:
        """Everything, the young last."""
        return [*self._old.items(), *self._young.items()]
