"""How the classify process is run. Imports nothing heavy: the zygote, its clients and its supervisor all read it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import msgspec
from msgspec import Meta


class ClassifySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[classify]` table.

    `workers` is how many pictures are looked at side by side (0: one a core), `job_timeout` wall-clock seconds a
    picture, `recycle_after` pictures a worker, `memory_limit` MiB of address space a worker. `require_lockdown`: a
    worker in which a required layer of its lockdown does not hold looks at nothing.
    """

    workers: Annotated[int, Meta(ge=0, le=256)] = 0
    job_timeout: Annotated[float, Meta(gt=0, le=60)] = 2.0
    max_pixels: Annotated[int, Meta(ge=1_000_000, le=100_000_000)] = 25_000_000
    recycle_after: Annotated[int, Meta(ge=1)] = 200
    memory_limit: Annotated[int, Meta(ge=512)] = 1536
    require_lockdown: bool = True

    @property
    def worker_count(self) -> int:
        """`workers`, or the number of cores this process may use."""
        return self.workers or len(os.sched_getaffinity(0))


def zygote_command(listener_fd: int, lifeline_fd: int | None, settings: ClassifySettings) -> list[str]:
    """The command line that runs the classify process on two inherited descriptors (see `zygote.main`)."""
    lifeline = "-" if lifeline_fd is None else str(lifeline_fd)
    options = msgspec.json.encode(settings).decode()
    return [sys.executable, "-m", "relayfilter.inspection.zygote", str(listener_fd), lifeline, options]
