"""A worker as its client meets it. What its check does is told by the picture's colour (odd_zygote.py)."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys

import pytest
from PIL import Image

from relayfilter.inspection.messages import MAX_DOCUMENT_BYTES, Job, LinkedJob, frame
from relayfilter.inspection.worker import look
from relayfilter.media.finding import CheckFailed, Labelled, Uninspectable
from tests.inspection.odd_zygote import CALM, CRASH, EAT, HANG, RAISE, ByColour
from tests.inspection.processes import Classify
from tests.support import patterns


def plain(colour: str, format: str = "PNG") -> bytes:
    return patterns.file(Image.new("RGB", (32, 24), colour), format)


def test_looks_at_a_picture() -> None:
    data = plain(CALM)
    picture, findings, timings = look(bytearray(data), (ByColour(),), max_pixels=1_000_000)
    assert picture is not None
    assert (picture.format, picture.width, picture.height, picture.frames) == ("png", 32, 24, 1)
    assert picture.sha256 == hashlib.sha256(data).digest()
    assert len(picture.pdq) == 8
    assert findings == (Labelled("by_colour", "calm", 1.0),)
    assert list(timings) == ["decode", "sha256", "pdq", "by_colour"]


def test_a_check_that_raises_is_a_finding_and_the_picture_stays_known() -> None:
    picture, findings, _ = look(bytearray(plain(RAISE)), (ByColour(),), max_pixels=1_000_000)
    assert picture is not None
    assert findings == (CheckFailed("by_colour", "check-crashed", "ValueError"),)


def test_what_cannot_be_decoded_is_a_finding() -> None:
    picture, findings, _ = look(bytearray(b"junk"), (ByColour(),), max_pixels=1_000_000)
    assert picture is None
    assert findings == (Uninspectable("not-an-image"),)


def test_greets_then_reports_again_and_again_until_it_is_recycled(odd: Classify) -> None:
    with odd.connect() as talk:
        hello = talk.hello()
        assert (hello.model, hello.missing, hello.serving) == ("by_colour 1", (), True)
        for last in (False, False, True):
            talk.ask(plain(CALM))
            report = talk.report()
            assert report.findings == (Labelled("by_colour", "calm", 1.0),)
            assert report.last is last
        assert talk.is_at_end()


def test_a_hanging_check_ends_with_its_own_alarm(odd: Classify) -> None:
    with odd.connect() as talk:
        talk.hello()
        talk.ask(plain(HANG), deadline=0.1)
        assert talk.is_at_end()


def test_an_answered_job_leaves_no_alarm_behind(odd: Classify) -> None:
    with odd.connect() as talk, odd.connect() as other:
        talk.hello()
        talk.ask(plain(CALM), deadline=0.3)
        talk.report()
        other.hello()
        other.ask(plain(HANG), deadline=0.4)
        assert other.is_at_end()
        talk.ask(plain(CALM))
        talk.report()


def test_a_crash_ends_only_its_own_worker(odd: Classify) -> None:
    with odd.connect() as talk, odd.connect() as other:
        talk.hello()
        other.hello()
        talk.ask(plain(CRASH))
        assert talk.is_at_end()
        other.ask(plain(CALM))
        assert other.report().findings == (Labelled("by_colour", "calm", 1.0),)


def test_too_much_memory_is_refused_by_the_limit_and_survived(odd: Classify) -> None:
    with odd.connect() as talk:
        talk.hello()
        talk.ask(plain(EAT))
        assert talk.report().findings == (CheckFailed("by_colour", "check-crashed", "MemoryError"),)


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xc0",
        frame(Job(length=-1, deadline=1.0)),
        frame(Job(length=1 << 40, deadline=1.0)),
        frame(Job(length=1, deadline=0.0)),
        frame(LinkedJob(length=-1, deadline=1.0, media=True)),
        frame(LinkedJob(length=MAX_DOCUMENT_BYTES + 1, deadline=60.0, media=True)),
        frame(LinkedJob(length=1, deadline=0.0, media=True)),
    ],
)
def test_whoever_breaks_the_protocol_is_left_alone(odd: Classify, sent: bytes) -> None:
    with odd.connect() as talk:
        talk.hello()
        talk.socket.sendall(sent)
        assert talk.is_at_end()


def test_a_job_may_arrive_byte_by_byte(odd: Classify) -> None:
    data = plain(CALM)
    with odd.connect() as talk:
        talk.hello()
        for byte in frame(Job(length=len(data), deadline=5.0)) + data:
            talk.socket.sendall(bytes([byte]))
        assert talk.report().findings == (Labelled("by_colour", "calm", 1.0),)


def test_a_worker_that_is_killed_hangs_up(odd: Classify) -> None:
    with odd.connect() as talk:
        talk.hello()
        [pid] = odd.workers()
        os.kill(pid, signal.SIGKILL)
        assert talk.is_at_end()


@pytest.mark.parametrize(("required", "serving"), [(True, False), (False, True)])
def test_a_worker_whose_lockdown_does_not_hold_takes_no_job_unless_told(required: bool, serving: bool) -> None:
    """In a process that is locked down already the layers cannot be had again, as on a kernel that lacks them."""
    code = (
        "import os, socket\n"
        "from relayfilter.inspection import lockdown, messages, settings, worker\n"
        "ours, theirs = socket.socketpair()\n"
        "parent = os.getpid()\n"
        "if os.fork() == 0:\n"
        "    lockdown.lock_down(theirs.fileno(), parent=parent, memory=1 << 30)\n"
        f"    how = settings.ClassifySettings(require_lockdown={required})\n"
        "    try: worker.run(theirs, (), how, parent=parent)\n"
        "    finally: os._exit(0)\n"
        "theirs.close()\n"
        "hello = messages.read_hello(ours.recv(65536)[4:])\n"
        "answered = False\n"
        "try:\n"
        "    ours.sendall(messages.frame(messages.Job(length=4, deadline=5.0)) + b'junk')\n"
        "    answered = len(ours.recv(65536)) > 0\n"
        "except OSError: pass\n"
        "print(hello.serving, 'seccomp' in hello.missing, answered)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.split() == [str(serving), "True", str(serving)]
