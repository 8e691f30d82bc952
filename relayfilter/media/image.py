"""Bytes of strangers into small RGB frames, within bounds.

The rules:

- The format is told by content and exactly one decoder of Pillow is asked. Six decoders would be six times the attack
  surface, and naming MPO in `formats` raises KeyError on junk: a multi-picture JPEG comes out of the JPEG decoder.
- Bounds are checked on the header, before a pixel is decoded. Pillow's bomb check does it for the pixels, made an error
  at our limit: it also looks when a GIF grows its canvas with a later frame.
- A progressive JPEG repaints the whole picture for every scan: 5,001 scans in 55 kB cost 15 s of CPU under every other
  limit, so scans are counted (the most seen in 1,044 real files was 53).
- A picture much larger than `DETAIL` on its shorter side is decoded (JPEG) or reduced to the smallest whole fraction
  that is not below it. Classifiers and PDQ want no more, and what follows then costs the same for every picture.
- Animations are seen at up to three frames. Seeking decodes all frames before the one wanted, so how far it goes is
  bounded in frames and pixels.
- What stays incomplete is refused; a viewer elsewhere may show more of it than we saw.
"""

from __future__ import annotations

import io
import re
import warnings

import msgspec
import numpy as np
from PIL import AvifImagePlugin, Image

from relayfilter.media.finding import Uninspectable

MAX_PIXELS = 25_000_000
MAX_SIDE = 16_384
MAX_SCANS = 100
MAX_FRAMES = 3
MAX_SEEK_PIXELS = 16_000_000
MAX_SEEK_FRAMES = 200
DETAIL = 512

# dav1d would start threads, which a locked-down worker may not.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

_DECODERS = {"jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "avif": "AVIF"}
_MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"%PDF-": "pdf",
    b"\x1a\x45\xdf\xa3": "webm",
    b"OggS": "ogg",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"\xff\x0a": "jxl",
    b"\x00\x00\x00\x0cJXL ": "jxl",
    b"\x00\x00\x00\x0cjP  ": "jpeg2000",
    b"\xff\x4f\xff\x51": "jpeg2000",
    b"8BPS": "psd",
    b"\x00\x00\x01\x00": "ico",
}
_SVG = re.compile(rb"\s*(<\?xml|<!--|<!DOCTYPE svg|<svg)", re.IGNORECASE)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

_MARKER = re.compile(rb"\xff+([^\x00\x01\xff\xd0-\xd8])")
_SOS, _EOI = 0xDA, 0xD9

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Decoded(msgspec.Struct, frozen=True):
    """`width` and `height` are the file's own, before reduction and rotation; `frame_count` is the animation's length.

    `frames` are RGB, upright, the first frame first.
    """

    format: str
    width: int
    height: int
    frame_count: int
    frames: tuple[Image.Image, ...]


def decode(data: bytes | bytearray, *, max_pixels: int = MAX_PIXELS) -> Decoded | Uninspectable:
    """The picture in `data`, or why there is none.

    Reasons: `not-an-image`, `unsupported-format` (detail names it), `too-many-pixels`, `too-many-scans`, `truncated`,
    `decode-error`. Sets Pillow's process-wide pixel limit.
    """
    found = sniff(data)
    if found is None:
        return Uninspectable(reason="not-an-image")
    if found not in _DECODERS:
        return Uninspectable(reason="unsupported-format", detail=found)
    if found == "jpeg" and (scans := count_scans(data)) > MAX_SCANS:
        return Uninspectable(reason="too-many-scans", detail=f"{scans} scans, at most {MAX_SCANS}")
    Image.MAX_IMAGE_PIXELS = max_pixels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _decode(data, found)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            return Uninspectable(reason="too-many-pixels", detail=_said(error))
        except Exception as error:  # noqa: BLE001 - decoders raise a dozen kinds on hostile input: each is an outcome
            truncated = isinstance(error, EOFError) or "truncated" in str(error).lower()
            return Uninspectable(reason="truncated" if truncated else "decode-error", detail=_said(error))


def sniff(data: bytes | bytearray) -> str | None:
    """The format of `data` by its first bytes: one that `decode` reads, one that it names only, or None."""
    head = bytes(data[:512])
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        brands = {head[8:12]} | {head[i : i + 4] for i in range(16, min(int.from_bytes(head[:4], "big"), 256), 4)}
        if brands & {b"avif", b"avis"}:
            return "avif"
        return "heif" if brands & _HEIF_BRANDS else "mp4"
    if _SVG.match(head) and b"<svg" in bytes(data[:4096]).lower():
        return "svg"
    return None


def count_scans(data: bytes | bytearray) -> int:
    """How many scans a JPEG has: its SOS markers, found as libjpeg finds them (thumbnails inside segments and what
    follows the end of the picture do not count). Never less than a decoder would meet."""
    if (bound := data.count(b"\xff\xda")) <= MAX_SCANS:
        return bound
    scans = position = 0
    while found := _MARKER.search(data, position):
        marker = found[1][0]
        if marker == _EOI:
            break
        scans += marker == _SOS
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return scans


def _decode(data: bytes | bytearray, name: str) -> Decoded | Uninspectable:
    image = Image.open(io.BytesIO(data), formats=(_DECODERS[name],))
    width, height = image.size
    if max(width, height) > MAX_SIDE:
        return Uninspectable(reason="too-many-pixels", detail=f"{width}x{height}")
    # A multi-picture JPEG shows its first picture; the others are depth maps and the like.
    count = 1 if name == "jpeg" else getattr(image, "n_frames", 1)
    if name == "jpeg":
        image.draft(None, (DETAIL, DETAIL))
    frames = []
    for index in _spread(count, width * height):
        image.seek(index)
        image.load()
        frames.append(_upright(_flat(_reduced(_unpacked(image))), image))
    return Decoded(format=name, width=width, height=height, frame_count=count, frames=tuple(frames))


def _spread(count: int, pixels: int) -> list[int]:
    """The frames to look at: the first, and others evenly spread as far as seeking may go."""
    reach = max(1, min(count, MAX_SEEK_FRAMES, MAX_SEEK_PIXELS // pixels))
    chosen = min(reach, MAX_FRAMES)
    return [index * reach // chosen for index in range(chosen)]


def _unpacked(image: Image.Image) -> Image.Image:
    """`image` in a mode that can be averaged: palettes looked up, 16 bits brought down to 8."""
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "CMYK") else image.convert("RGB")


def _reduced(image: Image.Image) -> Image.Image:
    factor = min(image.size) // DETAIL
    return image.reduce(factor) if factor > 1 else image


def _flat(image: Image.Image) -> Image.Image:
    """`image` as RGB, on white where it is transparent."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    return ground.convert("RGB")


def _upright(frame: Image.Image, source: Image.Image) -> Image.Image:
    try:
        turn = _UPRIGHT.get(source.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - EXIF that nobody can read turns no picture, in viewers neither
        return frame
    return frame if turn is None else frame.transpose(turn)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".encode("unicode_escape").decode("ascii")[:200]
