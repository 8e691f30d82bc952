"""Every media check there is. To add one: its module, a line here, its twin test, a fixture."""

from __future__ import annotations

from relayfilter.media.checks import open_nsfw
from relayfilter.media.checks.check import Check


def load() -> tuple[Check, ...]:
    """All checks, their models read and verified. Raises ConfigError when a model is missing or not the right one."""
    return (open_nsfw.load(),)
