from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relayfilter.ledger.recent import Recent

KEYS = [bytes([number]) for number in range(12)]


@given(st.integers(1, 8), st.lists(st.tuples(st.sampled_from(["put", "get", "remove"]), st.sampled_from(KEYS))))
def test_it_is_bounded_and_keeps_what_was_used_last(size: int, steps: list[tuple[str, bytes]]) -> None:
    recent: Recent[int] = Recent(size)
    used: dict[bytes, int | None] = {}  # oldest first; None when it was removed
    for number, (step, key) in enumerate(steps):
        if step == "put":
            recent.put(key, number)
        elif step == "remove":
            recent.remove(key)
        elif (got := recent.get(key)) is not None:
            assert got == used[key]
            number = got
        if step == "put" or (step == "get" and got is not None):
            used.pop(key, None)
            used[key] = number
        elif step == "remove" and key in used:
            used[key] = None
        kept = dict(recent.items())
        assert len(kept) == len(recent) <= max(1, size)
        assert kept.items() <= used.items()
        last = list(used)[-(size // 2) :] if size > 1 else []
        assert {key for key in last if used[key] is not None} <= kept.keys()
