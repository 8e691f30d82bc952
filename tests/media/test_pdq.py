from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from relayfilter.media import testcard
from relayfilter.media.pdq import pdq
from tests.support import patterns

# Hash and quality by the reference implementation (pdqhash 0.2, the C++ code of ThreatExchange).
PICTURES = patterns.ordinary() | {
    "high_scoring": patterns.high_scoring(512),
    "tall": patterns.clouds(333, 777, seed=5),
    "small": patterns.clouds(70, 50, seed=6),
    "test card": testcard.draw(),
}
GOLDEN = {
    "clouds": ("8f00e4434ed30fc45039f039b32c13bc70ffd636b9739b15e4338f5c9a4c873a", 100),
    "rings": ("c2bbb8c642b9e33a18f9a8d9e6c1bb51bb40e559ed4117fbe900eaa8854505f9", 100),
    "waves": ("555602a9fffceffc5556aaa90003fffc55565556aaa9aaa9aaa90003aaa90556", 100),
    "stripes": ("ae02ab7fae02ab7f02004355fe5f2b55fe052b55fe00ab55fe0054aa01ff54aa", 100),
    "high_scoring": ("95d2a6dab2aa959254da56525ab24af26a52ab5ea95ea54ea563a8e1aaa1ab8d", 34),
    "tall": ("6ca4d2322d86f0794e040f8652f925cd9b53f020b96b52bf5a4f932f319b936d", 100),
    "small": ("e455f023b90139ddfc15c622467e4e9c13ea1f8aa51907e3ad19256be4565aed", 100),
    "test card": ("3c6403d9c5e3bc4183fffc2bfa1903f638bc211cdd62dee03291c631e33139cc", 100),
}
DIHEDRAL_OF_TALL = {
    "6ca4d2322d86f0794e040f8652f925cd9b53f020b96b52bf5a4f932f319b936d",
    "50e525a6b162ad00ace852ff4e9dda58a712ec56d275ad6d133f52e264beec40",
    "39f1789878d35ad31bd1a52c07ac8767ce06528aec3ef8158f1a398564ce39c7",
    "05b88f0ce43707aaf8bff8551bc870f2fa4746fc872007c7466af84831eb46ea",
    "6ca42dcd2d860f864e84f07952f9d2329b5307dfb96bad40da4f6cd0399b2c92",
    "39f1876778d3a52c1b515ad307ac7098ce06ad75ec3e07ea0f1ac67a64ce8638",
    "50e5da58b16252ffaca8ad004e9d25a7a71213a9d2755292133fad1d64be13bf",
    "05b870f2e437f855f8bd07aa1bc88f0dfa47b9038720f838466a07b731ebb915",
}


def distance(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


@pytest.mark.parametrize("name", GOLDEN)
def test_agrees_with_the_reference(name: str) -> None:
    hashes, quality = pdq(PICTURES[name])
    assert (hashes[0].hex(), quality) == GOLDEN[name]


def test_the_eight_ways_up_agree_with_the_reference() -> None:
    hashes, _ = pdq(PICTURES["tall"])
    assert {each.hex() for each in hashes} == DIHEDRAL_OF_TALL


WAYS_UP = (
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.ROTATE_180,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
)


@pytest.mark.parametrize(("place", "turn"), list(enumerate(WAYS_UP, start=1)))
def test_a_variant_is_near_the_hash_of_the_turned_picture(place: int, turn: Image.Transpose) -> None:
    variants, _ = pdq(testcard.draw())
    turned, _ = pdq(testcard.draw().transpose(turn))
    assert distance(variants[place], turned[0]) <= 16
    assert min(range(8), key=lambda index: distance(variants[index], turned[0])) == place


def test_different_patterns_are_far_apart() -> None:
    hashes = {name: pdq(picture)[0] for name, picture in PICTURES.items() if name in GOLDEN}
    for name, variants in hashes.items():
        others = [other[0] for key, other in hashes.items() if key != name]
        assert min(distance(variant, other) for variant in variants for other in others) > 60


def test_a_plain_picture_has_no_quality() -> None:
    assert pdq(Image.new("RGB", (200, 200), "teal"))[1] == 0


@pytest.mark.parametrize("size", [(1, 1), (4, 900), (16_384, 1)])
def test_too_small_for_a_hash(size: tuple[int, int]) -> None:
    assert pdq(Image.new("RGB", size, "teal")) == ((bytes(32),) * 8, 0)


@pytest.mark.parametrize("size", [(5, 5), (64, 5), (16_384, 6), (9, 16_384)])
def test_odd_sizes_are_hashed(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    hashes, _ = pdq(Image.fromarray(noise))
    assert len(set(hashes)) > 1
    assert {len(each) for each in hashes} == {32}
