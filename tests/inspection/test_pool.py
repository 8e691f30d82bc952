from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from relayfilter.inspection.messages import Hello, WorkerReport, frame
from relayfilter.inspection.pool import WorkerPool
from relayfilter.media import testcard
from relayfilter.media.finding import CheckFailed, Finding, HashMatched, Labelled, MediaReport, Picture, Uninspectable
from relayfilter.media.hashlist import HashLists
from tests.inspection.odd_zygote import CALM, CRASH, HANG, RAISE
from tests.inspection.processes import PATIENCE, Classify, wait_for_end
from tests.inspection.test_worker import plain
from tests.support import patterns

LOOKED_AT = (Labelled("by_colour", "calm", 1.0),)


def pool_of(classify: Classify, size: int = 1, job_timeout: float = PATIENCE) -> WorkerPool:
    return WorkerPool(classify.path, size=size, job_timeout=job_timeout)


def with_pool(pool: WorkerPool, use: Callable[[WorkerPool], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(3 * PATIENCE):
            await use(pool)
        pool.close()

    trio.run(main)


def only_finding(report: MediaReport) -> Finding:
    [finding] = report.findings
    return finding


def failure(report: MediaReport) -> str:
    finding = only_finding(report)
    assert isinstance(finding, CheckFailed)
    assert finding.check == "worker"
    assert report.picture is None
    return finding.reason


def test_reports_what_is_on_a_picture(classify: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        data = testcard.render("jpeg")
        report = await pool.inspect(data, deadline=PATIENCE)
        assert report.picture is not None
        assert HashLists().match(report.picture)[0].list == "testcard"
        assert isinstance(only_finding(report), Labelled)
        assert report.bytes == len(data)
        assert report.model is not None
        assert report.model.startswith("open_nsfw")
        assert set(report.timings) == {"wait", "decode", "sha256", "pdq", "open_nsfw"}

    with_pool(pool_of(classify), use)


def test_the_high_scoring_pattern_is_high_through_everything(classify: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        report = await pool.inspect(patterns.file(patterns.high_scoring(), "WEBP"), deadline=PATIENCE)
        finding = only_finding(report)
        assert isinstance(finding, Labelled)
        assert finding.score > 0.95

    with_pool(pool_of(classify), use)


def test_many_at_once_share_few_workers(odd: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        reports = []

        async def look() -> None:
            reports.append(await pool.inspect(plain(CALM), deadline=PATIENCE))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(look)
        assert [report.findings for report in reports] == [LOOKED_AT] * 20
        assert len(odd.workers()) <= 3

    with_pool(pool_of(odd, size=2), use)


def test_a_warm_worker_is_used_again_until_it_is_recycled(odd: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        seen = []
        for _ in range(6):
            assert (await pool.inspect(plain(CALM), deadline=PATIENCE)).findings == LOOKED_AT
            seen.append(frozenset(odd.workers()))
        assert seen[0] == seen[1]
        assert seen[3] == seen[4] != seen[0]

    with_pool(pool_of(odd), use)


def test_a_hang_is_a_finding_and_the_worker_is_replaced(odd: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        assert failure(await pool.inspect(plain(HANG), deadline=PATIENCE)) == "worker-timeout"
        for worker in odd.workers():
            wait_for_end(worker)
        assert (await pool.inspect(plain(CALM), deadline=PATIENCE)).findings == LOOKED_AT

    with_pool(pool_of(odd, job_timeout=0.2), use)


def test_a_crash_is_a_finding_and_the_worker_is_replaced(odd: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        assert failure(await pool.inspect(plain(CRASH), deadline=PATIENCE)) == "worker-crashed"
        assert (await pool.inspect(plain(CALM), deadline=PATIENCE)).findings == LOOKED_AT

    with_pool(pool_of(odd), use)


def test_a_worker_killed_at_work_is_a_finding(odd: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        reports = []

        async def look() -> None:
            reports.append(await pool.inspect(plain(HANG), deadline=PATIENCE))

        await pool.inspect(plain(CALM), deadline=PATIENCE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await trio.testing.wait_all_tasks_blocked()
            [worker] = odd.workers()
            os.kill(worker, signal.SIGKILL)
        assert failure(reports[0]) == "worker-crashed"

    with_pool(pool_of(odd), use)


def test_a_worker_that_died_idle_costs_no_picture(odd: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        await pool.inspect(plain(CALM), deadline=PATIENCE)
        [worker] = odd.workers()
        os.kill(worker, signal.SIGKILL)
        wait_for_end(worker)
        while odd.workers():
            await trio.lowlevel.checkpoint()
        assert (await pool.inspect(plain(CALM), deadline=PATIENCE)).findings == LOOKED_AT

    with_pool(pool_of(odd), use)


def test_a_check_that_raises_leaves_the_worker_alive(odd: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        report = await pool.inspect(plain(RAISE), deadline=PATIENCE)
        assert report.findings == (CheckFailed("by_colour", "check-crashed", "ValueError"),)
        assert report.picture is not None
        assert (await pool.inspect(plain(CALM), deadline=PATIENCE)).findings == LOOKED_AT

    with_pool(pool_of(odd), use)


def test_the_callers_deadline_is_no_fault_of_the_picture(odd: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        await pool.inspect(plain(CALM), deadline=PATIENCE)
        report = await pool.inspect(plain(HANG), deadline=0.1)
        assert only_finding(report) == Uninspectable("deadline", temporary=True)
        for worker in odd.workers():
            wait_for_end(worker)

    with_pool(pool_of(odd), use)


@pytest.mark.parametrize("deadline", [-1.0, 0.0, 0.1])
def test_waiting_in_vain_for_a_worker_is_temporary(odd: Classify, deadline: float) -> None:
    async def use(pool: WorkerPool) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(pool.inspect, plain(HANG), deadline=PATIENCE))
            await trio.testing.wait_all_tasks_blocked()
            report = await pool.inspect(plain(CALM), deadline=deadline)
            assert only_finding(report) == Uninspectable("overloaded", temporary=True)
            nursery.cancel_scope.cancel()

    with_pool(pool_of(odd), use)


def test_cancelling_kills_the_worker(odd: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        await pool.inspect(plain(CALM), deadline=PATIENCE)
        [worker] = odd.workers()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(pool.inspect, plain(HANG), deadline=PATIENCE))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        wait_for_end(worker)
        assert (await pool.inspect(plain(CALM), deadline=PATIENCE)).findings == LOOKED_AT

    with_pool(pool_of(odd), use)


def test_ping_sends_a_picture_through(classify: Classify) -> None:
    async def use(pool: WorkerPool) -> None:
        pong = await pool.ping(PATIENCE)
        assert (pong.healthy, pong.detail) == (True, "")

    with_pool(pool_of(classify), use)


def test_ping_is_unhealthy_when_nobody_listens(tmp_path: Path) -> None:
    async def use(pool: WorkerPool) -> None:
        pong = await pool.ping(PATIENCE)
        assert not pong.healthy
        assert "no-worker" in pong.detail

    with_pool(WorkerPool(str(tmp_path / "nobody.sock"), size=1, job_timeout=1), use)


def against(says: list[bytes], path: Path, use: Callable[[WorkerPool], Awaitable[None]]) -> None:
    """`use` against a worker that says this: the first part at once, each other after a job has come."""

    async def worker(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.send_all(says[0])
            for answer in says[1:]:
                await stream.receive_some()
                await stream.send_all(answer)

    async def main() -> None:
        with trio.socket.socket(trio.socket.AF_UNIX) as listener, trio.fail_after(PATIENCE):
            await listener.bind(str(path))
            listener.listen()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_listeners, worker, [trio.SocketListener(listener)])
                await use(WorkerPool(str(path), size=1, job_timeout=2))
                nursery.cancel_scope.cancel()

    trio.run(main)


HELLO = frame(Hello(model="m", missing=(), serving=True))


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ([b""], "no-worker"),
        ([b"\x00\x00\x00\x03abc"], "no-worker"),
        ([b"\xff\xff\xff\xff"], "no-worker"),
        ([HELLO[:-1]], "no-worker"),
        ([frame(Hello(model="m", missing=("landlock",), serving=False))], "lockdown-missing"),
        ([HELLO, b""], "worker-crashed"),
        ([HELLO, b"\x00\x00"], "worker-crashed"),
        ([HELLO, b"\xff\xff\xff\xff"], "worker-crashed"),
        ([HELLO, b"\x00\x00\x00\x01\xc0"], "worker-protocol"),
        (
            [HELLO, frame(WorkerReport(None, (HashMatched("testcard", "pdq", 0, "x"),), {}, last=False))],  # type: ignore[arg-type]
            "worker-protocol",
        ),
    ],
)
def test_a_worker_that_talks_rubbish_is_a_finding(says: list[bytes], reason: str, tmp_path: Path) -> None:
    async def use(pool: WorkerPool) -> None:
        assert failure(await pool.inspect(b"data", deadline=PATIENCE)) == reason

    against(says, tmp_path / "worker.sock", use)


def test_ping_tells_of_layers_that_do_not_hold(tmp_path: Path) -> None:
    picture = Picture("gif", 1, 1, 1, bytes(32), (bytes(32),) * 8, 0)
    report = frame(WorkerReport(picture, (Labelled("x", "y", 0.0),), {}, last=True))
    hello = frame(Hello(model="m", missing=("landlock", "seccomp"), serving=True))

    async def use(pool: WorkerPool) -> None:
        pong = await pool.ping(PATIENCE)
        assert (pong.healthy, pong.detail) == (True, "lockdown without landlock, seccomp")

    against([hello, report], tmp_path / "worker.sock", use)
