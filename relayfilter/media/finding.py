"""What was seen on one medium: facts for policy, never a judgement."""

from __future__ import annotations

import msgspec


class HashMatched(msgspec.Struct, frozen=True, tag="hash-matched"):
    """The medium is on a hash list. `distance` is in bits (0 for exact algorithms)."""

    list: str
    algorithm: str
    distance: int
    entry: str


class Labelled(msgspec.Struct, frozen=True, tag="labelled"):
    """A classifier gave `label` the `score` (0..1)."""

    classifier: str
    label: str
    score: float


class Uninspectable(msgspec.Struct, frozen=True, tag="uninspectable"):
    """Nobody could look at it. `reason` is a short stable slug (`private-address`, `deadline`, `not-an-image`,
    `too-many-pixels`, ...), `detail` is for the log, `temporary` tells that a later try may succeed."""

    reason: str
    detail: str = ""
    temporary: bool = False


class CheckFailed(msgspec.Struct, frozen=True, tag="check-failed"):
    """A check, or the worker that ran it, broke on this medium. `reason`: `worker-crashed`, `worker-timeout`, ..."""

    check: str
    reason: str
    detail: str = ""


class NotInlined(msgspec.Struct, frozen=True, tag="not-inlined"):
    """The URL names no picture but, for example, a web page; what its preview would show is not inspected yet."""

    kind: str


Finding = HashMatched | Labelled | Uninspectable | CheckFailed | NotInlined


class Picture(msgspec.Struct, frozen=True):
    """A decoded picture, described. `format` is by content (`jpeg`, `png`, `gif`, `webp`, `avif`); `pdq` holds the
    32-byte hash of the picture as it stands, then its seven other dihedral variants; `pdq_quality` is 0..100."""

    format: str
    width: int
    height: int
    frames: int
    sha256: bytes
    pdq: tuple[bytes, ...]
    pdq_quality: int


class MediaReport(msgspec.Struct, frozen=True):
    """Everything known of the bytes behind one URL. `timings` is milliseconds by stage.

    Stages are `fetch`, `wait`, `decode`, `pdq`, each check by its name, and so on. `final_url` is where redirects led,
    `bytes` the body's length, `model` names the classifiers and their versions.
    """

    findings: tuple[Finding, ...] = ()
    picture: Picture | None = None
    final_url: str | None = None
    content_type: str | None = None
    bytes: int | None = None
    model: str | None = None
    timings: dict[str, float] = {}
