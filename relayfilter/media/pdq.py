"""PDQ, the 256-bit perceptual hash of Facebook's ThreatExchange, in numpy.

The reference (pdq/cpp in that repository) blurs the luminance twice with a box, keeps 64x64 samples, takes the
frequencies 1..16 of a discrete cosine transform in both directions and sets a bit for each of the 256 coefficients that
is above their median. Blur, sampling and transform are linear, so the first two are one 64 x n matrix for each side and
the third is a constant 16 x 64 matrix.

A mirrored or turned picture has the same coefficients with some signs changed and rows and columns exchanged: the eight
dihedral variants come from one transform. They are exact for the 64x64 samples and near the hash of a mirrored picture,
whose samples may sit one pixel aside.

Bit order: coefficient (row i, column j) is bit 16 * i + j of the number that is written as 64 hex digits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]

MIN_SIDE = 5
SAMPLES = 64
FREQUENCIES = 16

_TRANSFORM = (
    np.sqrt(2 / SAMPLES)
    * np.cos(np.pi / (2 * SAMPLES) * np.outer(np.arange(1, FREQUENCIES + 1), 2 * np.arange(SAMPLES) + 1))
).astype(np.float32)
# Mirroring turns the sign of every odd frequency.
_MIRROR = np.where(np.arange(1, FREQUENCIES + 1) % 2, -1, 1).astype(np.float32)


def pdq(picture: Image.Image) -> tuple[tuple[bytes, ...], int]:
    """The eight hashes of an RGB picture and their quality.

    Hashes are 32 bytes: as it stands, mirrored left to right, top to bottom, both, then the same four transposed. The
    quality is 0..100; below 50 there is too little in the picture to tell it from others.
    """
    luminance = np.asarray(picture.convert("F"), dtype=np.float32)
    if min(luminance.shape) < MIN_SIDE:
        return (bytes(32),) * 8, 0
    height, width = luminance.shape
    samples = _sampling(height) @ luminance @ _sampling(width).T
    upright = _TRANSFORM @ samples @ _TRANSFORM.T
    signs = (1, _MIRROR[None, :], _MIRROR[:, None], _MIRROR[None, :] * _MIRROR[:, None])
    turned = [upright * sign for sign in signs]
    return tuple(_bits(each) for each in (*turned, *(each.T for each in turned))), _quality(samples)


def _sampling(length: int) -> Floats:
    """64 x `length`: two box filters one after the other, at the 64 places that are kept."""
    window = -(-length // (2 * SAMPLES))
    ahead = (window + 2) // 2
    places = np.arange(length)
    low, high = np.maximum(0, places - (window - ahead)), np.minimum(length, places + ahead)
    kept = ((np.arange(SAMPLES) + 0.5) * length / SAMPLES).astype(int)
    rows = np.arange(SAMPLES)
    # Every inner box adds a constant between its two ends: note the steps, then sum them up.
    steps = np.zeros((SAMPLES, length + 1))
    for offset in range(ahead - window, ahead):
        inner = kept + offset
        inside = (inner >= low[kept]) & (inner < high[kept])
        inner = np.clip(inner, 0, length - 1)
        weight = inside / ((high[kept] - low[kept]) * (high[inner] - low[inner]))
        steps[rows, low[inner]] += weight
        steps[rows, high[inner]] -= weight
    return steps.cumsum(axis=1)[:, :length].astype(np.float32)


def _bits(coefficients: Floats) -> bytes:
    flat = coefficients.ravel()
    median = np.partition(flat, 127)[127]
    return np.packbits((flat > median)[::-1]).tobytes()


def _quality(samples: npt.NDArray[np.floating]) -> int:
    """The sum of the steps between neighbouring samples, in the reference's integer arithmetic."""
    steps = sum(int(np.abs((np.diff(samples, axis=axis) * 100 / 255).astype(int)).sum()) for axis in (0, 1))
    return min(100, steps // 90)
