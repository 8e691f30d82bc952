from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from relayfilter.errors import ConfigError
from relayfilter.media.finding import HashMatched, Picture
from relayfilter.media.hashlist import TEST_CARD_LIST, Algorithm, HashList, HashLists, HashListSettings, parse_hash_list

KNOWN = 0x0123456789ABCDEF << 128 | 0xFEDCBA9876543210
DIGEST = KNOWN.to_bytes(32, "big")


def settings(algorithm: Algorithm = "pdq", max_distance: int = 31, name: str = "known") -> HashListSettings:
    return HashListSettings(name=name, file="lists/known.txt", algorithm=algorithm, max_distance=max_distance)


def picture(pdq: int = 0, *, sha256: bytes = bytes(32), quality: int = 100, variant: int = 0) -> Picture:
    hashes = [(2**255 - 1 - index).to_bytes(32, "big") for index in range(8)]
    hashes[variant] = pdq.to_bytes(32, "big")
    return Picture("png", 10, 10, 1, sha256, tuple(hashes), quality)


def flipped(bits: int) -> int:
    return KNOWN ^ sum(1 << (8 * bit) for bit in range(bits))


def one_list(max_distance: int = 31) -> HashLists:
    return HashLists([parse_hash_list(f"{DIGEST.hex()},a label\n", settings(max_distance=max_distance))])


def test_reads_hashes_comments_and_labels() -> None:
    text = f"# a list\n\n{DIGEST.hex().upper()}, a label, with a comma  # and a comment\n{'0' * 64}\n"
    parsed = parse_hash_list(text, settings())
    assert parsed == HashList("known", "pdq", 31, {KNOWN: "a label, with a comma", 0: "0" * 64})


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (1, "nonsense"),
        (2, "# fine\n" + "0" * 63),
        (1, "0" * 65),
        (3, "0" * 64 + "\n\n" + "0x" + "0" * 62),
        (1, "g" * 64),
        (1, ", only a label"),
        (1, "0" * 32 + " " + "0" * 31),
    ],
)
def test_a_mistake_is_named_with_file_and_line(line: int, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_hash_list(text, settings())
    assert (raised.value.file, raised.value.line) == ("lists/known.txt", line)


def test_the_built_in_name_is_taken() -> None:
    with pytest.raises(ConfigError, match="testcard"):
        parse_hash_list("", settings(name="testcard"))


@pytest.mark.parametrize("table", [{"max_distance": 32}, {"algorithm": "md5"}, {"name": "Not A Name"}, {"nam": "x"}])
def test_settings_are_strict(table: dict[str, object]) -> None:
    good = {"name": "known", "file": "f", "algorithm": "pdq"}
    msgspec.convert(good, HashListSettings)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(good | table, HashListSettings)


@pytest.mark.parametrize(("bits", "matches"), [(0, True), (31, True), (32, False)])
def test_pdq_matches_up_to_31_bits(bits: int, matches: bool) -> None:
    found = one_list().match(picture(flipped(bits)))
    assert found == ((HashMatched("known", "pdq", bits, "a label"),) if matches else ())


def test_a_list_may_be_stricter() -> None:
    assert one_list(max_distance=10).match(picture(flipped(10)))
    assert not one_list(max_distance=10).match(picture(flipped(11)))


@pytest.mark.parametrize("variant", range(8))
def test_all_eight_ways_up_are_looked_up(variant: int) -> None:
    assert one_list().match(picture(KNOWN, variant=variant))


@pytest.mark.parametrize(("quality", "matches"), [(49, False), (50, True)])
def test_pictures_without_features_match_nothing(quality: int, matches: bool) -> None:
    assert bool(one_list().match(picture(KNOWN, quality=quality))) is matches


def test_the_closest_entry_of_a_list_is_reported() -> None:
    text = f"{flipped(9):064x},far\n{flipped(2):064x},near\n{flipped(20):064x},farther\n"
    [found] = HashLists([parse_hash_list(text, settings())]).match(picture(KNOWN))
    assert (found.entry, found.distance) == ("near", 2)


def test_sha256_is_exact_and_needs_no_quality() -> None:
    lists = HashLists([parse_hash_list(DIGEST.hex(), settings("sha256"))])
    [found] = lists.match(picture(sha256=DIGEST, quality=0))
    assert found == HashMatched("known", "sha256", 0, DIGEST.hex())
    assert not lists.match(picture(KNOWN, sha256=(KNOWN ^ 1).to_bytes(32, "big")))


def test_every_list_that_matches_is_reported_and_the_test_card_always() -> None:
    [card] = TEST_CARD_LIST.entries
    lists = HashLists([parse_hash_list(f"{card:064x},ours", settings())])
    assert [found.list for found in lists.match(picture(card))] == ["testcard", "known"]
    assert [found.list for found in HashLists().match(picture(card))] == ["testcard"]


def test_matching_loads_neither_numpy_nor_pillow() -> None:
    code = "import sys, relayfilter.media.hashlist; sys.exit(bool({'numpy', 'PIL', 'onnxruntime'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
