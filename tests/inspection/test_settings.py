from __future__ import annotations

import os

import msgspec
import pytest

from relayfilter.inspection.settings import ClassifySettings, zygote_command


def test_as_many_workers_as_cores_unless_told() -> None:
    assert ClassifySettings().worker_count == len(os.sched_getaffinity(0))
    assert ClassifySettings(workers=7).worker_count == 7


@pytest.mark.parametrize(
    "table", [{"workers": -1}, {"job_timeout": 0}, {"memory_limit": 100}, {"recycle_after": 0}, {"worker": 1}]
)
def test_the_table_is_strict(table: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, ClassifySettings)


def test_the_command_carries_the_settings() -> None:
    settings = ClassifySettings(workers=3, require_lockdown=False)
    *_, listener, lifeline, options = zygote_command(5, None, settings)
    assert (listener, lifeline) == ("5", "-")
    assert msgspec.json.decode(options, type=ClassifySettings) == settings
