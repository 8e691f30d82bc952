from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from relayfilter.activity.media_ref import MediaRef
from relayfilter.inspection.messages import (
    MAX_LINKED_MEDIA,
    Hello,
    Job,
    LinkedAnswer,
    LinkedReport,
    MalformedFrame,
    WorkerReport,
    frame,
    read_hello,
    read_linked_answer,
    read_report,
)
from relayfilter.media.finding import CheckFailed, HashMatched, Labelled, NotInlined, Picture, Uninspectable

PICTURE = Picture("png", 640, 480, 1, bytes(32), (bytes(32),) * 8, 77)
REPORT = WorkerReport(PICTURE, (Labelled("open_nsfw", "nsfw", 0.25),), {"decode": 1.5}, last=False)


def payload(message: Hello | Job | WorkerReport | LinkedAnswer) -> bytes:
    framed = frame(message)
    assert int.from_bytes(framed[:4], "big") == len(framed) - 4
    return framed[4:]


def changed(value: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(value, **fields)


@pytest.mark.parametrize(
    "report",
    [
        REPORT,
        WorkerReport(None, (Uninspectable("truncated", "EOFError: here"),), {}, last=True),
        WorkerReport(PICTURE, (CheckFailed("open_nsfw", "check-crashed", "ValueError"),), {}, last=False),
    ],
)
def test_what_an_intact_worker_says_is_read(report: WorkerReport) -> None:
    assert read_report(payload(report)) == report


def test_a_hello_is_read() -> None:
    hello = Hello(model="open_nsfw (x 1)", missing=("landlock",), serving=False)
    assert read_hello(payload(hello)) == hello


@pytest.mark.parametrize(
    "report",
    [
        changed(REPORT, findings=(Labelled("open_nsfw", "nsfw", math.nan),)),
        changed(REPORT, findings=(Labelled("open_nsfw", "nsfw", 1.01),)),
        changed(REPORT, findings=(Labelled("open_nsfw", "nsfw", -math.inf),)),
        changed(REPORT, findings=(Labelled("open nsfw", "nsfw", 0.0),)),
        changed(REPORT, findings=(Labelled("open_nsfw", "nsfw\n", 0.0),)),
        changed(REPORT, findings=(Labelled("open_nsfw", "", 0.0),)),
        changed(REPORT, findings=(Uninspectable("x", "\x1b[2J"),)),
        changed(REPORT, findings=(Uninspectable("x", "é"),)),
        changed(REPORT, findings=(Uninspectable("x", "a" * 201),)),
        changed(REPORT, findings=(CheckFailed("x" * 65, "y"),)),
        changed(REPORT, findings=(HashMatched("testcard", "pdq", 0, "forged"),)),
        changed(REPORT, findings=(NotInlined("link-preview"),)),
        changed(REPORT, findings=(Uninspectable("x"),) * 65),
        changed(REPORT, timings={"decode": math.nan}),
        changed(REPORT, timings={"decode": -1.0}),
        changed(REPORT, timings={"<b>": 1.0}),
        changed(REPORT, timings={f"stage{index}": 1.0 for index in range(65)}),
        changed(REPORT, picture=changed(PICTURE, width=0)),
        changed(REPORT, picture=changed(PICTURE, frames=2**31)),
        changed(REPORT, picture=changed(PICTURE, format="../png")),
        changed(REPORT, picture=changed(PICTURE, sha256=bytes(31))),
        changed(REPORT, picture=changed(PICTURE, pdq=(bytes(32),) * 7)),
        changed(REPORT, picture=changed(PICTURE, pdq=(bytes(33),) * 8)),
        changed(REPORT, picture=changed(PICTURE, pdq_quality=101)),
    ],
)
def test_what_a_taken_over_worker_might_say_is_refused(report: WorkerReport) -> None:
    with pytest.raises(MalformedFrame):
        read_report(payload(report))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",
        payload(REPORT)[:-1],
        payload(REPORT) + b"\x00",
        payload(Job(length=1, deadline=1.0)),
        msgspec.msgpack.encode({"picture": None, "findings": [], "timings": {}, "last": 0}),
        msgspec.msgpack.encode({"picture": None, "findings": [], "timings": {}, "last": False, "more": 1}),
        msgspec.msgpack.encode({"picture": None, "findings": "abc", "timings": {}, "last": False}),
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 60_000,
    ],
)
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedFrame):
        read_report(data)


def test_what_is_no_hello_is_refused() -> None:
    with pytest.raises(MalformedFrame):
        read_hello(payload(REPORT))


POINTER = "jsonld:/https://www.w3.org/ns/activitystreams#image/0"
MEDIUM = MediaRef(POINTER, "https://a.test/1.png", "image")


@pytest.mark.parametrize(
    "report",
    [
        LinkedReport(),
        LinkedReport("valid", "invalid: proof-mismatch", (MEDIUM,) * MAX_LINKED_MEDIA, None),
        LinkedReport("skipped: too-deep", None, (), "json-ld-error"),
        LinkedReport(media=(changed(MEDIUM, url="h\u202e\n" + "x" * 2000),)),
    ],
)
def test_what_an_intact_worker_says_of_a_document_is_read(report: LinkedReport) -> None:
    assert read_linked_answer(payload(LinkedAnswer(report, last=True))) == LinkedAnswer(report, last=True)


@pytest.mark.parametrize(
    "report",
    [
        LinkedReport(signature="VALID"),
        LinkedReport(signature="valid\n"),
        LinkedReport(signature="valid: really"),
        LinkedReport(proof="invalid: \x1b[2J"),
        LinkedReport(proof="invalid: " + "x" * 65),
        LinkedReport(proof=""),
        LinkedReport(unreadable="because of this"),
        LinkedReport(unreadable=""),
        LinkedReport(media=(MEDIUM,) * (MAX_LINKED_MEDIA + 1)),
        LinkedReport(media=(changed(MEDIUM, pointer="/object/image"),)),
        LinkedReport(media=(changed(MEDIUM, pointer=POINTER + "\n"),)),
        LinkedReport(media=(changed(MEDIUM, pointer=POINTER + "x" * 513),)),
        LinkedReport(media=(changed(MEDIUM, url="x" * 2050),)),
        LinkedReport(media=(changed(MEDIUM, slot="other"),)),
    ],
)
def test_what_a_taken_over_worker_might_say_of_a_document_is_refused(report: LinkedReport) -> None:
    with pytest.raises(MalformedFrame):
        read_linked_answer(payload(LinkedAnswer(report, last=False)))


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(MalformedFrame):
        read_linked_answer(payload(REPORT))
