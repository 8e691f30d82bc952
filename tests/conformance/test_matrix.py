"""The whole matrix, a test a row. `make conformance` prints the same as a table."""

from __future__ import annotations

import pytest
import trio

from tests.conformance.run import ROWS, play_all
from tests.support.play import Seen


@pytest.fixture(scope="module")
def matrix() -> list[Seen]:
    return trio.run(play_all)


@pytest.mark.parametrize("row", ROWS)
def test_row(matrix: list[Seen], row: int) -> None:
    seen = [one for one in matrix if one.case.row == row]
    assert seen, "no case"
    assert not (wrong := [f"{one.case.name}: {one.wrong}" for one in seen if one.wrong]), "\n".join(wrong)
    if pending := [one.case.pending for one in seen if one.case.pending]:
        pytest.xfail("; ".join(pending))
