from __future__ import annotations

from typing import Any

import msgspec
import pytest

from relayfilter.wire.limits import Limits


def test_the_body_limit_is_that_of_lemmy_unless_told_otherwise() -> None:
    assert Limits().body_bytes == 262144
    assert msgspec.convert({"body_bytes": 10, "idle_timeout": 5}, Limits) == Limits(body_bytes=10, idle_timeout=5.0)


@pytest.mark.parametrize(
    "table",
    [{"body_bytes": 0}, {"header_count": -1}, {"head_timeout": 0}, {"head_bytes": 1.5}, {"body_byte": 10}],
)
def test_refuses_what_would_limit_nothing_or_everything(table: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, Limits)
