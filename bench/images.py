"""Pictures through the classify process against the same work run bare in one process, on one core each."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import trio

from relayfilter.inspection.pool import WorkerPool
from relayfilter.inspection.settings import ClassifySettings, zygote_command
from relayfilter.inspection.worker import look
from relayfilter.media.checks import catalogue
from relayfilter.media.finding import Labelled
from relayfilter.media.image import MAX_PIXELS
from tests.support import patterns

START = 30.0


class ImageResult(msgspec.Struct, frozen=True):
    """Milliseconds a picture: `bare` in one process, `pooled` through socket and locked-down worker. Medians of rounds
    that take turns, so that what else the machine does falls on both; `ratio` is the median of the rounds' ratios."""

    name: str
    bytes: int
    bare: float
    pooled: float
    ratio: float


def measure(rounds: int = 9, pictures: int = 12) -> list[ImageResult]:
    """A 1.2 and a 12 megapixel JPEG, `rounds` times `pictures` each way."""
    files = {
        "1.2 MP JPEG": patterns.file(patterns.clouds(1280, 960, seed=1, cells=120), quality=88),
        "12 MP JPEG": patterns.file(patterns.clouds(4000, 3000, seed=1, cells=375), quality=88),
    }
    checks = catalogue.load()

    def bare(data: bytes) -> None:
        _, findings, _ = look(bytearray(data), checks, max_pixels=MAX_PIXELS)
        assert isinstance(findings[0], Labelled)

    with _classify() as path:
        return trio.run(_compare, path, files, bare, rounds, pictures)


async def _compare(
    path: str, files: dict[str, bytes], bare: Callable[[bytes], None], rounds: int, pictures: int
) -> list[ImageResult]:
    pool = WorkerPool(path, size=1, job_timeout=10)
    pong = await pool.ping(START)
    assert pong.healthy, pong.detail
    results = []
    for name, data in files.items():
        alone, pooled = [], []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            for _ in range(pictures):
                bare(data)
            between = time.perf_counter()
            for _ in range(pictures):
                report = await pool.inspect(data, deadline=10)
                assert isinstance(report.findings[0], Labelled), report.findings
            alone.append((between - started) / pictures * 1000)
            pooled.append((time.perf_counter() - between) / pictures * 1000)
        # The first round fills caches on both sides.
        ratios = [there / here for here, there in zip(alone[1:], pooled[1:], strict=True)]
        results.append(
            ImageResult(
                name=name,
                bytes=len(data),
                bare=statistics.median(alone[1:]),
                pooled=statistics.median(pooled[1:]),
                ratio=statistics.median(ratios),
            )
        )
    pool.close()
    return results


@contextmanager
def _classify() -> Iterator[str]:
    theirs, ours = os.pipe()
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(directory) / "classify.sock")
        listener.bind(path)
        listener.listen()
        settings = ClassifySettings(workers=1, recycle_after=1_000_000)
        command = zygote_command(listener.fileno(), theirs, settings)
        with subprocess.Popen(command, pass_fds=(listener.fileno(), theirs)) as process:
            os.close(theirs)
            try:
                yield path
            finally:
                os.close(ours)
                process.wait(START)


def report(results: list[ImageResult]) -> list[str]:
    """One line a picture."""
    return [
        f"{each.name} ({each.bytes / 1000:.0f} kB): bare {each.bare:.1f} ms, through the classify process "
        f"{each.pooled:.1f} ms ({1000 / each.pooled:.0f} a second and core), ratio {each.ratio:.2f}"
        for each in results
    ]


def run() -> dict[str, object]:
    """Prints and returns the results."""
    results = measure()
    print(*report(results), sep="\n")
    return {each.name: msgspec.to_builtins(each) for each in results}
