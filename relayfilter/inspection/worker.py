"""The process that looks at pictures and reads linked data, one after the other, from one connection.

It is forked from the zygote with everything loaded, locks itself down, says Hello and then does nothing but read a job,
do it and report. Whatever a picture makes a decoder or a check raise is a finding. What cannot be caught (a crash, a
hang in C code) ends the process: its own alarm kills it at the job's deadline, and so does the zygote when the client
hangs up.
"""

from __future__ import annotations

import hashlib
import signal
import socket
import time

import msgspec

from relayfilter.inspection.linked_job import read_linked
from relayfilter.inspection.lockdown import lock_down
from relayfilter.inspection.messages import (
    MAX_DOCUMENT_BYTES,
    MAX_FRAME,
    MAX_PICTURE_BYTES,
    Hello,
    Job,
    LinkedAnswer,
    LinkedJob,
    WorkerReport,
    frame,
)
from relayfilter.inspection.settings import ClassifySettings
from relayfilter.media.checks.check import Check
from relayfilter.media.finding import CheckFailed, Labelled, Picture, Uninspectable
from relayfilter.media.image import decode
from relayfilter.media.pdq import pdq


class HungUp(Exception):
    """The client is gone, or does not speak the protocol."""


def run(connection: socket.socket, checks: tuple[Check, ...], settings: ClassifySettings, *, parent: int) -> None:
    """A worker's whole life. Returns when it has done its share of jobs, or raises HungUp or OSError."""
    lockdown = lock_down(connection.fileno(), parent=parent, memory=settings.memory_limit * 1024 * 1024)
    serving = not (settings.require_lockdown and lockdown.missing)
    model = "; ".join(check.model for check in checks)
    connection.sendall(frame(Hello(model=model, missing=lockdown.missing, serving=serving)))
    for remaining in reversed(range(settings.recycle_after if serving else 0)):
        _do_job(connection, checks, max_pixels=settings.max_pixels, last=remaining == 0)


def _do_job(connection: socket.socket, checks: tuple[Check, ...], *, max_pixels: int, last: bool) -> None:
    job = _receive_job(connection)
    # Python leaves SIGALRM at its default action: the kernel kills, in C code too.
    signal.setitimer(signal.ITIMER_REAL, job.deadline)
    data = _receive(connection, job.length)
    answer: WorkerReport | LinkedAnswer
    if isinstance(job, LinkedJob):
        answer = LinkedAnswer(read_linked(data, job), last=last)
    else:
        answer = WorkerReport(*look(data, checks, max_pixels=max_pixels), last=last)
    signal.setitimer(signal.ITIMER_REAL, 0)
    connection.sendall(frame(answer))


def look(
    data: bytearray, checks: tuple[Check, ...], *, max_pixels: int
) -> tuple[Picture | None, tuple[Labelled | Uninspectable | CheckFailed, ...], dict[str, float]]:
    """The picture in `data` if there is one, what was found, and the milliseconds each stage took."""
    clock = _StageClock()
    decoded = decode(data, max_pixels=max_pixels)
    clock.note("decode")
    if isinstance(decoded, Uninspectable):
        return None, (decoded,), clock.timings
    sha256 = hashlib.sha256(data).digest()
    clock.note("sha256")
    hashes, quality = pdq(decoded.frames[0])
    clock.note("pdq")
    findings: list[Labelled | CheckFailed] = []
    for check in checks:
        try:
            findings += check.run(decoded.frames)
        except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, and policy decides
            findings.append(CheckFailed(check=check.name, reason="check-crashed", detail=type(error).__name__))
        clock.note(check.name)
    picture = Picture(
        format=decoded.format,
        width=decoded.width,
        height=decoded.height,
        frames=decoded.frame_count,
        sha256=sha256,
        pdq=hashes,
        pdq_quality=quality,
    )
    return picture, tuple(findings), clock.timings


class _StageClock:
    """Milliseconds between notes."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}
        self._since = time.perf_counter()

    def note(self, stage: str) -> None:
        now = time.perf_counter()
        self.timings[stage] = round((now - self._since) * 1000, 3)
        self._since = now


def _receive_job(connection: socket.socket) -> Job | LinkedJob:
    if (length := int.from_bytes(_receive(connection, 4), "big")) > MAX_FRAME:
        raise HungUp
    try:
        job = msgspec.msgpack.decode(_receive(connection, length), type=Job | LinkedJob)
    except msgspec.DecodeError:
        raise HungUp from None
    most = MAX_DOCUMENT_BYTES if isinstance(job, LinkedJob) else MAX_PICTURE_BYTES
    if not 0 <= job.length <= most or job.deadline <= 0:
        raise HungUp
    return job


def _receive(connection: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        if not (count := connection.recv_into(view)):
            raise HungUp
        view = view[count:]
    return data
