"""Warm workers of the classify process, and one of them for every picture or document.

The fetch process holds one for pictures, front one for linked data.

A connection to the zygote's socket is a worker, and closing it kills that worker: that is how a deadline, a cancelled
delivery and a broken answer all end. An idle worker has nothing to say, so one whose connection is readable is gone.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec
import trio

from relayfilter.inspection.messages import (
    MAX_FRAME,
    MAX_LINKED_FRAME,
    Hello,
    Job,
    LinkedAnswer,
    LinkedJob,
    LinkedReport,
    MalformedFrame,
    WorkerReport,
    frame,
    read_hello,
    read_linked_answer,
    read_report,
)
from relayfilter.media.finding import CheckFailed, Finding, MediaReport, Uninspectable
from relayfilter.remote.frames import BrokenFrame, receive_frame
from relayfilter.remote.messages import Pong

# The worker's own alarm is a second line: ours is to ring first and to say why.
_ALARM_GRACE = 0.5
# A GIF of one white pixel.
_CANARY = bytes.fromhex("47494638396101000100800000ffffff0000002c00000000010001000002024401003b")


class _Answer(Protocol):
    """What a worker says at the end of a job."""

    @property
    def last(self) -> bool: ...


A = TypeVar("A", bound=_Answer)


class NotRead(msgspec.Struct, frozen=True):
    """No worker read the document. Reasons: those of WorkerPool.inspect."""

    reason: str


class WorkerPool:
    """At most `size` workers of the zygote that listens on the Unix socket `path`.

    `job_timeout` is the wall-clock seconds that one job may take. Callers are served in the order of their coming.
    """

    def __init__(self, path: str, *, size: int, job_timeout: float) -> None:
        self._path = path
        self._job_timeout = job_timeout
        self._places = trio.CapacityLimiter(size)
        self._idle: deque[_Worker] = deque()
        self._gaps: tuple[str, ...] = ()

    async def inspect(self, data: bytes | bytearray, *, deadline: float) -> MediaReport:
        """What is on the picture in `data`, within `deadline` seconds from now. Whatever goes wrong is a finding.

        Uninspectable, temporary: `overloaded` (no worker was free in time), `deadline` (the time left was less than the
        picture took). CheckFailed of the check `worker`: `worker-timeout`, `worker-crashed`, `worker-protocol`,
        `no-worker`, `lockdown-missing`. Cancelling kills the worker.
        """
        started = trio.current_time()
        late = Uninspectable("overloaded", temporary=True)
        with trio.move_on_after(max(0.0, deadline)):
            async with self._places:
                try:
                    worker = await self._warm_worker()
                    late = Uninspectable("deadline", temporary=True)
                    waited = trio.current_time() - started
                    report = await self._ask(worker, lambda alarm: worker.look(data, alarm=alarm))
                    return MediaReport(
                        findings=report.findings,
                        picture=report.picture,
                        bytes=len(data),
                        model=worker.hello.model,
                        timings={"wait": round(waited * 1000, 3), **report.timings},
                    )
                except _NoAnswer as failure:
                    return _without_a_look(failure.finding, data)
        return _without_a_look(late, data)

    async def read(
        self, body: bytes, *, media: bool, signature_key: str | None, proof_key: str | None, deadline: float
    ) -> LinkedReport | NotRead:
        """What the JSON document in `body` says as linked data (see LinkedJob), within `deadline` seconds from now."""
        late = NotRead("overloaded")
        with trio.move_on_after(max(0.0, deadline)):
            async with self._places:
                try:
                    worker = await self._warm_worker()
                    late = NotRead("deadline")
                    answer = await self._ask(
                        worker,
                        lambda alarm: worker.read(LinkedJob(len(body), alarm, media, signature_key, proof_key), body),
                    )
                except _NoAnswer as failure:
                    return NotRead(failure.finding.reason)
                return answer.report
        return late

    async def ping(self, deadline: float) -> Pong:
        """Whether a worker looks at a picture within `deadline` seconds. Tells which layers of lockdown do not hold."""
        report = await self.inspect(_CANARY, deadline=deadline)
        if report.picture is None or any(isinstance(finding, CheckFailed) for finding in report.findings):
            return Pong(healthy=False, detail=f"a worker was asked about a white pixel: {report.findings}")
        return Pong(healthy=True, detail=f"lockdown without {', '.join(self._gaps)}" if self._gaps else "")

    def close(self) -> None:
        """Hangs up on all idle workers."""
        while self._idle:
            self._idle.pop().hang_up()

    async def _warm_worker(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if not worker.is_gone():
                return worker
            worker.hang_up()
        worker = await _Worker.connect(self._path)
        self._gaps = worker.hello.missing
        return worker

    async def _ask(self, worker: _Worker, job: Callable[[float], Awaitable[A]]) -> A:
        """The answer to `job`, which is told when the worker is to kill itself."""
        keep = False
        try:
            with trio.move_on_after(self._job_timeout):
                answer = await job(self._job_timeout + _ALARM_GRACE)
                keep = not answer.last
                return answer
            raise _NoAnswer("worker-timeout", f"no report within {self._job_timeout:g} s")
        finally:
            if keep:
                self._idle.append(worker)
            else:
                worker.hang_up()


class _NoAnswer(Exception):
    """The worker did not answer; `finding` says why."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.finding = CheckFailed(check="worker", reason=reason, detail=detail)


class _Worker:
    """One connection, greeted: jobs may be sent."""

    hello: Hello

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    @classmethod
    async def connect(cls, path: str) -> _Worker:
        try:
            worker = cls(await trio.open_unix_socket(path))
        except OSError as error:
            raise _NoAnswer("no-worker", f"cannot connect: {error.strerror}") from None
        try:
            worker.hello = await worker._greeting()
        except BaseException:
            worker.hang_up()
            raise
        return worker

    async def _greeting(self) -> Hello:
        try:
            hello = read_hello(await receive_frame(self._stream, MAX_FRAME))
        except (BrokenFrame, MalformedFrame, trio.BrokenResourceError):
            raise _NoAnswer("no-worker", "no greeting") from None
        if not hello.serving:
            raise _NoAnswer("lockdown-missing", ", ".join(hello.missing))
        return hello

    async def look(self, data: bytes | bytearray, *, alarm: float) -> WorkerReport:
        return await self._do(Job(length=len(data), deadline=alarm), data, MAX_FRAME, read_report)

    async def read(self, job: LinkedJob, body: bytes) -> LinkedAnswer:
        return await self._do(job, body, MAX_LINKED_FRAME, read_linked_answer)

    async def _do(
        self, job: Job | LinkedJob, data: bytes | bytearray, longest: int, understand: Callable[[bytes], A]
    ) -> A:
        try:
            await self._stream.send_all(frame(job))
            await self._stream.send_all(data)
            return understand(await receive_frame(self._stream, longest))
        except MalformedFrame as error:
            raise _NoAnswer("worker-protocol", str(error)) from None
        except (BrokenFrame, trio.BrokenResourceError) as error:
            raise _NoAnswer("worker-crashed", str(error)) from None

    def is_gone(self) -> bool:
        readable = select.poll()
        readable.register(self._stream.socket, select.POLLIN)
        return bool(readable.poll(0))

    def hang_up(self) -> None:
        self._stream.socket.close()


def _without_a_look(finding: Finding, data: bytes | bytearray) -> MediaReport:
    return MediaReport(findings=(finding,), bytes=len(data))
