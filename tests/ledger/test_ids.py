from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.ledger.ids import WIDTH, IdSource, first_at, read, show


@given(st.integers(min_value=0, max_value=(1 << 63) - 1))
def test_an_id_reads_back_as_it_was_shown(number: int) -> None:
    assert len(show(number)) == WIDTH
    assert read(show(number)) == number
    assert read(show(number).upper()) == number


def test_shown_ids_sort_as_numbers_do() -> None:
    numbers = [0, 1, 31, 32, first_at(1_790_000_000), first_at(1_790_000_001)]
    assert sorted(map(show, numbers)) == [show(number) for number in numbers]


def test_ids_rise_whatever_the_clock_does() -> None:
    source = IdSource(0)
    ids = [source.next(now) for now in (1_790_000_000.0, 1_790_000_000.0, 1_789_999_000.0, 0.0, 1_790_000_000.5)]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("text", ["", "0", "u" * 13, "z" * 13, "0" * 14, "é" * 13, "../../etc/pas"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read(text)
