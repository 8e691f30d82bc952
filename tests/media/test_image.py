from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from relayfilter.media.finding import Uninspectable
from relayfilter.media.image import DETAIL, MAX_SCANS, Decoded, count_scans, decode, sniff
from tests.support import patterns

PICTURE = patterns.clouds(96, 64, seed=3)
FORMATS = ("jpeg", "png", "gif", "webp", "avif")


def decoded(data: bytes) -> Decoded:
    outcome = decode(data)
    assert isinstance(outcome, Decoded), outcome
    return outcome


def refused(data: bytes, **bounds: int) -> Uninspectable:
    outcome = decode(data, **bounds)
    assert isinstance(outcome, Uninspectable)
    return outcome


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


@pytest.mark.parametrize("format", FORMATS)
def test_decodes_every_format(format: str) -> None:
    outcome = decoded(patterns.file(PICTURE, format))
    assert (outcome.format, outcome.width, outcome.height, outcome.frame_count) == (format, 96, 64, 1)
    [frame] = outcome.frames
    assert (frame.mode, frame.size) == ("RGB", (96, 64))
    assert difference(frame, PICTURE) < 12


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("PNG", "1"),
        ("PNG", "L"),
        ("PNG", "LA"),
        ("PNG", "P"),
        ("PNG", "RGBA"),
        ("GIF", "P"),
        ("WEBP", "RGBA"),
        ("AVIF", "RGBA"),
    ],
)
def test_converts_every_mode(format: str, mode: str) -> None:
    original = PICTURE.convert(mode)
    [frame] = decoded(patterns.file(original, format)).frames
    assert frame.mode == "RGB"
    assert difference(frame, original.convert("RGB")) < 12


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    [frame] = decoded(patterns.file(Image.fromarray(ramp), "PNG")).frames
    assert np.array_equal(np.asarray(frame.convert("L")).ravel(), np.arange(256))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    hidden = Image.new(mode, (20, 20), 0)
    [frame] = decoded(patterns.file(hidden, "PNG")).frames
    assert frame.getextrema() == ((255, 255), (255, 255), (255, 255))


def test_a_transparent_palette_entry_becomes_white() -> None:
    hidden = Image.new("P", (20, 20), 0)
    hidden.putpalette([200, 0, 0, 0, 0, 0])
    [frame] = decoded(patterns.file(hidden, "GIF", transparency=0)).frames
    assert frame.getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_honoured(format: str, orientation: int) -> None:
    upright = Image.new("RGB", (40, 24), "white")
    upright.paste("navy", (0, 0, 16, 8))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    [frame] = decoded(patterns.file(stored, format, exif=exif)).frames
    assert frame.size == (40, 24)
    assert difference(frame, upright) < 6


def test_unreadable_exif_turns_nothing_and_hides_nothing() -> None:
    [frame] = decoded(patterns.file(PICTURE, "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")).frames
    assert frame.size == PICTURE.size


@pytest.mark.parametrize(
    ("format", "width", "height"),
    [(format, 1030, 1100) for format in FORMATS] + [("jpeg", 4000, 1500), ("jpeg", 520, 700), ("webp", 600, 1600)],
)
def test_large_pictures_come_out_small_but_detailed(format: str, width: int, height: int) -> None:
    outcome = decoded(patterns.file(patterns.clouds(width, height, seed=4), format))
    [frame] = outcome.frames
    assert (outcome.width, outcome.height) == (width, height)
    assert DETAIL <= min(frame.size) < 2 * DETAIL


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_an_animation_is_seen_at_three_places(format: str) -> None:
    shades = [Image.new("RGB", (32, 32), (20 * index, 0, 0)) for index in range(12)]
    outcome = decoded(patterns.animation(format, shades))
    assert outcome.frame_count == 12
    reds = [frame.getpixel((5, 5))[0] for frame in outcome.frames]  # type: ignore[index]
    assert reds == pytest.approx([0, 80, 160], abs=8)


def test_how_far_an_animation_is_played_is_bounded() -> None:
    # Whoever plays on to the frames that are too large is refused.
    many = patterns.gif(1, 1, [(1, 1)] * 300 + [(60_000, 60_000)] * 300)
    outcome = decoded(many)
    assert (outcome.frame_count, len(outcome.frames)) == (600, 3)
    huge = patterns.gif(4000, 4000, [(1, 1)] * 100)
    assert len(decoded(huge).frames) == 1


def test_a_hidden_later_frame_that_grows_the_canvas_is_refused() -> None:
    grows = patterns.gif(100, 100, [(1, 1), (60_000, 60_000), (1, 1)])
    assert refused(grows).reason == "too-many-pixels"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("png 400 MP", patterns.png_bomb(20_000, 20_000)),
        ("png side", patterns.png_bomb(16_385, 8)),
        ("gif canvas", patterns.gif(65_535, 65_535, [(1, 1)])),
        ("gif frame", patterns.gif(10, 10, [(65_535, 65_535)])),
        ("webp", patterns.file(Image.new("RGB", (16_383, 2400)), "WEBP", quality=0, method=0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_decompression_bombs_are_refused_unopened(name: str, data: bytes) -> None:
    assert len(data) < 200_000
    assert refused(data).reason == "too-many-pixels"


def test_the_pixel_cap_is_an_argument() -> None:
    data = patterns.file(Image.new("RGB", (1200, 1000)), "PNG")
    assert isinstance(decode(data, max_pixels=1_200_000), Decoded)
    assert refused(data, max_pixels=1_199_999).reason == "too-many-pixels"


def test_a_jpeg_of_5001_scans_is_refused_uncounted_by_the_decoder() -> None:
    bomb = patterns.scan_bomb(5001)
    assert refused(bomb).reason == "too-many-scans"


def test_scans_are_counted_as_libjpeg_would_meet_them() -> None:
    honest = patterns.file(PICTURE, "JPEG", progressive=True)
    assert 2 < count_scans(honest) < 20
    marker = b"\xff\xda\x00\x02"
    thumbnail = patterns.file(PICTURE, "JPEG", exif=b"Exif\x00\x00" + marker * 500)
    assert count_scans(thumbnail) == 1
    assert isinstance(decode(thumbnail), Decoded)
    followed = patterns.file(PICTURE, "JPEG") + marker * 500
    assert count_scans(followed) == 1
    padded = patterns.scan_bomb(MAX_SCANS + 1, side=64).replace(b"\xff\xda", b"\xff\xff\xff\xda")
    assert count_scans(padded) > MAX_SCANS


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_files_are_refused_not_filled(format: str, part: float) -> None:
    whole = patterns.file(patterns.clouds(300, 200, seed=5, cells=60), format)
    assert refused(whole[: int(len(whole) * part)]).reason in ("truncated", "decode-error")


def test_a_truncated_animation_is_refused() -> None:
    frames = [patterns.clouds(64, 64, seed=seed, cells=30) for seed in range(9)]
    for format in ("GIF", "PNG", "WEBP", "AVIF"):
        whole = patterns.animation(format, frames)
        outcome = decode(whole[: len(whole) // 2])
        assert isinstance(outcome, Uninspectable) or (format == "GIF" and outcome.frame_count < 9)


@pytest.mark.parametrize(
    ("reason", "detail", "data"),
    [
        ("not-an-image", "", b""),
        ("not-an-image", "", b"\x00"),
        ("not-an-image", "", b"junk that is no picture at all"),
        ("not-an-image", "", b"<!DOCTYPE html><html><body>a page</body></html>"),
        ("not-an-image", "", b"MPO"),
        ("unsupported-format", "svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("unsupported-format", "svg", b'<?xml version="1.0"?>\n<!-- x -->\n<svg width="1"/>'),
        ("unsupported-format", "pdf", b"%PDF-1.7\n"),
        ("unsupported-format", "mp4", b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"),
        ("unsupported-format", "heif", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"),
        ("unsupported-format", "webm", b"\x1a\x45\xdf\xa3\x01"),
        ("unsupported-format", "tiff", b"II*\x00\x08\x00\x00\x00"),
        ("decode-error", None, b"\xff\xd8\xff" + bytes(40)),
        ("decode-error", None, b"\x89PNG\r\n\x1a\n" + bytes(40)),
        ("decode-error", None, b"RIFF\x20\x00\x00\x00WEBPVP8 " + bytes(40)),
        ("decode-error", None, b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif" + bytes(40)),
    ],
)
def test_what_is_no_picture_is_named(reason: str, detail: str | None, data: bytes) -> None:
    outcome = refused(data)
    assert outcome.reason == reason
    assert detail is None or outcome.detail == detail


def test_a_multi_picture_jpeg_shows_its_first_picture() -> None:
    data = patterns.file(PICTURE, "MPO", save_all=True, append_images=[PICTURE.rotate(180)])
    outcome = decoded(data)
    assert (outcome.format, outcome.frame_count) == ("jpeg", 1)
    assert difference(outcome.frames[0], PICTURE) < 12


@pytest.mark.parametrize("tail", [b"<script>alert(1)</script>", b"PK\x03\x04" + bytes(60)])
def test_polyglots_are_looked_at_as_the_picture_that_they_show(tail: bytes) -> None:
    assert decoded(patterns.file(PICTURE, "JPEG") + tail).format == "jpeg"


def test_details_are_plain_short_text() -> None:
    hostile = patterns.file(PICTURE, "PNG").replace(b"IDAT", b"\x1b[2J")
    outcome = refused(hostile)
    assert outcome.detail.isascii()
    assert outcome.detail.isprintable()
    assert len(outcome.detail) <= 200


def test_nothing_is_warned_about_on_a_console() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        decode(patterns.png_bomb(20_000, 20_000))
        decode(patterns.file(Image.new("P", (8, 8)), "PNG", transparency=b"\x00\x01"))
    assert not seen


@pytest.mark.parametrize("format", FORMATS)
def test_sniffs_what_pillow_writes(format: str) -> None:
    assert sniff(patterns.file(PICTURE, format)) == format


SAMPLES = [patterns.file(PICTURE, format) for format in FORMATS]


@settings(max_examples=150, deadline=None)
@given(
    sample=st.sampled_from(SAMPLES),
    edits=st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=6)), max_size=8),
    keep=st.floats(0.05, 1),
)
def test_mutilated_files_have_an_outcome(sample: bytes, edits: list[tuple[int, bytes]], keep: float) -> None:
    data = bytearray(sample[: int(len(sample) * keep)])
    for place, bytes_ in edits:
        data[place % len(data) : place % len(data) + len(bytes_)] = bytes_
    outcome = decode(data, max_pixels=1_000_000)
    assert isinstance(outcome, Uninspectable) or all(frame.mode == "RGB" for frame in outcome.frames)
