from __future__ import annotations

from typing import get_args

import pytest
from PIL import Image

from relayfilter.media import testcard
from relayfilter.media.finding import Picture
from relayfilter.media.hashlist import TEST_CARD_LIST, HashLists
from relayfilter.media.image import Decoded, decode
from relayfilter.media.pdq import pdq
from tests.support import patterns

CARD = testcard.draw()


def is_matched(data: bytes) -> bool:
    decoded = decode(data)
    assert isinstance(decoded, Decoded)
    hashes, quality = pdq(decoded.frames[0])
    picture = Picture(decoded.format, decoded.width, decoded.height, 1, bytes(32), hashes, quality)
    return [found.list for found in HashLists().match(picture)] == ["testcard"]


def test_the_built_in_hash_is_the_cards() -> None:
    hashes, quality = pdq(CARD)
    assert [hashes[0].hex()] == [f"{entry:064x}" for entry in TEST_CARD_LIST.entries]
    assert quality == 100


@pytest.mark.parametrize("format", get_args(testcard.Format))
def test_every_rendering_is_matched(format: testcard.Format) -> None:
    data = testcard.render(format)
    decoded = decode(data)
    assert isinstance(decoded, Decoded)
    assert (decoded.format, decoded.width, decoded.height) == (format, testcard.SIDE, testcard.SIDE)
    assert is_matched(data)
    assert data == testcard.render(format)


@pytest.mark.parametrize("side", [1600, testcard.SIDE, 512, 256])
@pytest.mark.parametrize(("format", "quality"), [("JPEG", 60), ("WEBP", 50), ("AVIF", 50)])
def test_copies_are_matched(format: str, quality: int, side: int) -> None:
    assert is_matched(patterns.file(CARD.resize((side, side)), format, quality=quality))


@pytest.mark.parametrize("turn", list(Image.Transpose))
@pytest.mark.parametrize("side", [512, 256])
def test_turned_and_mirrored_copies_are_matched(turn: Image.Transpose, side: int) -> None:
    assert is_matched(patterns.file(CARD.transpose(turn).resize((side, side)), "JPEG", quality=75))


@pytest.mark.parametrize("name", [*patterns.ordinary(), "high_scoring"])
def test_other_patterns_are_not(name: str) -> None:
    others = patterns.ordinary() | {"high_scoring": patterns.high_scoring()}
    assert not is_matched(patterns.file(others[name], "PNG"))
