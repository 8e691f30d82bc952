from __future__ import annotations

import pytest
from PIL import Image

from relayfilter.inspection import warmup
from relayfilter.inspection.warmup import warm_up
from relayfilter.media.finding import Labelled
from tests.inspection.odd_zygote import ByColour


class Broken(ByColour):
    def run(self, frames: tuple[Image.Image, ...]) -> tuple[Labelled, ...]:
        raise OSError("no model")


def test_every_sample_is_understood() -> None:
    warm_up((ByColour(),))


def test_documents_that_cannot_be_read_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "KNOWN", frozenset({"https://evil.test/context"}))
    with pytest.raises(RuntimeError, match="cannot read linked data"):
        warm_up((ByColour(),))


def test_a_broken_check_stops_the_start() -> None:
    with pytest.raises(RuntimeError, match="cannot look at a JPEG"):
        warm_up((Broken(),))
