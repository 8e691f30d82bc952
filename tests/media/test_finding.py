from __future__ import annotations

import msgspec
import pytest

from relayfilter.media.finding import (
    CheckFailed,
    Finding,
    HashMatched,
    Labelled,
    MediaReport,
    NotInlined,
    Picture,
    Uninspectable,
)


@pytest.mark.parametrize(
    "finding",
    [
        HashMatched("testcard", "pdq", 3, "relayfilter test card"),
        Labelled("open_nsfw", "nsfw", 0.5),
        Uninspectable("deadline", temporary=True),
        CheckFailed("worker", "worker-crashed"),
        NotInlined("text/html"),
    ],
)
def test_findings_keep_their_kind_between_processes(finding: Finding) -> None:
    picture = Picture("png", 1, 2, 3, bytes(32), (bytes(32),) * 8, 4)
    report = MediaReport(findings=(finding,), picture=picture, timings={"decode": 1.5})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(report), type=MediaReport) == report
