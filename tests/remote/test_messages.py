from __future__ import annotations

import msgspec
import pytest

from relayfilter.media.finding import (
    CheckFailed,
    HashMatched,
    Labelled,
    MediaReport,
    NotInlined,
    Picture,
    Uninspectable,
)
from relayfilter.remote.messages import (
    Answer,
    DocumentAnswer,
    DocumentRequest,
    FetchFailed,
    MediaAnswer,
    MediaRequest,
    Ping,
    Pong,
    Request,
)

REPORT = MediaReport(
    findings=(
        HashMatched("known", "pdq", 12, "entry"),
        Labelled("opennsfw", "nsfw", 0.25),
        Uninspectable("timeout", "no answer", temporary=True),
        CheckFailed("opennsfw", "worker-crashed", "signal 9"),
        NotInlined("page"),
    ),
    picture=Picture("png", 1, 2, 3, b"\x00" * 32, (b"\xff" * 32,) * 8, 100),
    final_url="https://a.org/",
    content_type="image/png",
    bytes=7,
    model="opennsfw 1",
    timings={"fetch": 1.5},
)


@pytest.mark.parametrize(
    "question", [DocumentRequest("u", "a", 1, 2.5), MediaRequest("u", 2.5), MediaRequest("u", 2.5, True), Ping(1.0)]
)
def test_questions_survive_the_wire(question: Request) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(question), type=Request) == question


@pytest.mark.parametrize(
    "answer",
    [DocumentAnswer("u", 200, "t", b"\x00\xff"), MediaAnswer(REPORT), FetchFailed("dns", "d", False), Pong(True, "d")],
)
def test_answers_survive_the_wire(answer: Answer) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=Answer) == answer
