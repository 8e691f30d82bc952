"""Synthetic pictures for tests, demonstration and benchmarks: gradients, blobs, stripes and noise, and hostile files.

Everything is made by the code below from constants and seeds; nothing here shows anything.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

# Found by a random search over such blobs for what open_nsfw takes for explicit: colour (red, green, blue), then
# centre, the two radii and the angle of each, in parts of the side and radians.
_HIGH_SCORING_GROUND = (1.0, 0.67, 0.63)
_HIGH_SCORING_BLOBS = (
    ((0.56, 0.15, 0.26), (0.31, 0.32, 0.14, 0.13, 0.32)),
    ((0.78, 0.84, 0.58), (0.57, 0.69, 0.13, 0.05, 0.78)),
    ((0.51, 0.42, 0.73), (0.9, 0.23, 0.2, 0.03, 0.96)),
    ((0.41, 0.36, 0.21), (1.02, 0.27, 0.14, 0.37, 2.45)),
)


def high_scoring(side: int = 640) -> Image.Image:
    """Four soft blobs on a plain ground, for which open_nsfw gives about 0.99."""
    y, x = np.mgrid[0:side, 0:side] / side
    pixels = np.broadcast_to(np.array(_HIGH_SCORING_GROUND), (side, side, 3))
    for colour, (centre_x, centre_y, radius_1, radius_2, angle) in _HIGH_SCORING_BLOBS:
        along = (x - centre_x) * np.cos(angle) + (y - centre_y) * np.sin(angle)
        across = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
        weight = np.exp(-((along / radius_1) ** 2) - (across / radius_2) ** 2)[..., None]
        pixels = pixels * (1 - weight) + np.array(colour) * weight
    return Image.fromarray((pixels * 255).astype(np.uint8))


def ordinary(width: int = 640, height: int = 480) -> dict[str, Image.Image]:
    """Patterns by name that open_nsfw scores low."""
    return {
        "clouds": clouds(width, height, seed=1),
        "rings": _from_function(width, height, lambda x, y: np.sin(40 * np.hypot(x - 0.4, y - 0.6))),
        "waves": _from_function(width, height, lambda x, y: np.sin(9 * x + 4 * np.sin(7 * y))),
        "stripes": _from_function(width, height, lambda x, y: np.sign(np.sin(30 * (x + 0.4 * y)))),
        "gradient": _from_function(width, height, lambda x, y: x + y - 1),
    }


def clouds(width: int, height: int, *, seed: int, cells: int = 12) -> Image.Image:
    """Smooth coloured noise; JPEG makes about as much of it as of a photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def file(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    """`image` as the bytes of a file, with Pillow's options for the format."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def animation(format: str, frames: list[Image.Image]) -> bytes:
    """An animated GIF, PNG, WebP or AVIF file."""
    return file(frames[0], format, save_all=True, append_images=frames[1:], duration=40)


def png_bomb(width: int, height: int) -> bytes:
    """A black PNG of one bit a pixel: 400 megapixels in 48 kB."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    pixels = b"".join([packer.compress(row) for _ in range(height)]) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def gif(width: int, height: int, frames: list[tuple[int, int]]) -> bytes:
    """A GIF whose canvas is `width` x `height` and whose frames claim the given sizes, with a pixel of data each."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    data = b"\x02\x02\x44\x01\x00"
    return head + b"".join(b"\x2c" + struct.pack("<HHHHB", 0, 0, *size, 0) + data for size in frames) + b";"


def scan_bomb(scans: int, side: int = 4096) -> bytes:
    """A plain progressive JPEG with `scans` more scans, each a few bytes that repaint the whole picture."""
    honest = file(Image.new("RGB", (side, side), "gray"), "JPEG", progressive=True)
    last, end = honest.rindex(b"\xff\xda"), honest.rindex(b"\xff\xd9")
    return honest[:end] + honest[last:end] * scans + honest[end:]


def _from_function(width: int, height: int, shade: Any) -> Image.Image:
    """`shade` gives -1..1 for coordinates 0..1; it is shown between two colours."""
    y, x = np.mgrid[0:height, 0:width]
    mix = (np.clip(shade(x / width, y / height), -1, 1)[..., None] + 1) / 2
    return Image.fromarray((mix * np.array([30, 90, 160]) + (1 - mix) * np.array([235, 235, 215])).astype(np.uint8))
