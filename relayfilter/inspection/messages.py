"""What a client and a worker say to each other over a Unix stream socket.

A frame is four bytes of length (big-endian) and that much MessagePack. The worker opens with a Hello; then the client
sends a Job frame and the picture's bytes, and gets a WorkerReport frame, or a LinkedJob frame and a document's bytes,
and gets a LinkedAnswer frame, again and again. Hanging up kills the worker.

After its Hello a worker has touched hostile bytes and may no longer be itself. It can lie about a picture, but
not reach further: `read_report` admits only short frames, known types, numbers in their ranges and plain words.
"""

from __future__ import annotations

import math
import re
from typing import TypeVar

import msgspec

from relayfilter.activity.media_ref import MediaRef
from relayfilter.media.finding import CheckFailed, Labelled, Picture, Uninspectable

MAX_FRAME = 65_536
MAX_PICTURE_BYTES = 64 * 1024 * 1024
MAX_DOCUMENT_BYTES = 256 * 1024
MAX_LINKED_FRAME = 512 * 1024
MAX_LINKED_MEDIA = 64

T = TypeVar("T")

_SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_PLAIN = re.compile(r"[ -~]{0,200}")
_OUTCOME = re.compile(r"valid|(?:invalid|skipped): [a-z0-9][a-z0-9-]{0,63}")
_POINTER = re.compile(r"jsonld:/[!-~]{0,512}")
_LONGEST_URL = 2_049


class Hello(msgspec.Struct, frozen=True):
    """A worker is there. `missing` are the layers of its lockdown that do not hold; it takes jobs if it is `serving`.

    `model` names the classifiers that it runs and their versions.
    """

    model: str
    missing: tuple[str, ...]
    serving: bool


class Job(msgspec.Struct, frozen=True, tag="picture"):
    """A picture of `length` bytes follows. The worker kills itself when `deadline` seconds are over."""

    length: int
    deadline: float


class LinkedJob(msgspec.Struct, frozen=True, tag="linked"):
    """A JSON document of `length` bytes follows. Its `signature` and `proof` are judged by the keys given for them
    (PEM), its media read if `media` says so. The worker kills itself when `deadline` seconds are over."""

    length: int
    deadline: float
    media: bool
    signature_key: str | None = None
    proof_key: str | None = None


class LinkedReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an activity says as linked data.

    `signature` and `proof`: `valid`, `invalid: REASON`, `skipped: REASON`, or None where there is none. `media`: those
    of the second reading, all of them, with pointers made of IRIs. `unreadable`: why there is no second reading
    although one was needed.
    """

    signature: str | None = None
    proof: str | None = None
    media: tuple[MediaRef, ...] = ()
    unreadable: str | None = None


class LinkedAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A worker's report; after the `last` one the worker is gone."""

    report: LinkedReport
    last: bool


class WorkerReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker saw. `timings` is milliseconds by stage; after the `last` report the worker is gone."""

    picture: Picture | None
    findings: tuple[Labelled | Uninspectable | CheckFailed, ...]
    timings: dict[str, float]
    last: bool


class MalformedFrame(Exception):
    """The worker broke the protocol."""


def frame(message: Hello | Job | WorkerReport | LinkedJob | LinkedAnswer) -> bytes:
    """`message` with its length in front."""
    payload = msgspec.msgpack.encode(message)
    return len(payload).to_bytes(4, "big") + payload


def read_hello(payload: bytes) -> Hello:
    """Raises MalformedFrame."""
    return _decode(payload, Hello)


def read_report(payload: bytes) -> WorkerReport:
    """Raises MalformedFrame for whatever an intact worker would not say."""
    report = _decode(payload, WorkerReport)
    if not (
        len(report.findings) <= 64
        and len(report.timings) <= 64
        and all(_SLUG.fullmatch(stage) and 0 <= value < math.inf for stage, value in report.timings.items())
        and all(_plausible(finding) for finding in report.findings)
        and (report.picture is None or _is_picture(report.picture))
    ):
        raise MalformedFrame("a report with values out of their ranges")
    return report


def read_linked_answer(payload: bytes) -> LinkedAnswer:
    """Raises MalformedFrame for whatever an intact worker would not say."""
    answer = _decode(payload, LinkedAnswer)
    report = answer.report
    if not (
        all(outcome is None or _OUTCOME.fullmatch(outcome) for outcome in (report.signature, report.proof))
        and (report.unreadable is None or _SLUG.fullmatch(report.unreadable))
        and len(report.media) <= MAX_LINKED_MEDIA
        and all(_POINTER.fullmatch(ref.pointer) and len(ref.url) <= _LONGEST_URL for ref in report.media)
    ):
        raise MalformedFrame("a report with values out of their ranges")
    return answer


def _decode(payload: bytes, into: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(payload, type=into)
    except msgspec.DecodeError:
        raise MalformedFrame(f"not a {into.__name__}") from None


def _plausible(finding: Labelled | Uninspectable | CheckFailed) -> bool:
    match finding:
        case Labelled(classifier=classifier, label=label, score=score):
            return _are_slugs(classifier, label) and 0 <= score <= 1
        case Uninspectable(reason=reason, detail=detail):
            return _are_slugs(reason) and _PLAIN.fullmatch(detail) is not None
        case CheckFailed(check=check, reason=reason, detail=detail):
            return _are_slugs(check, reason) and _PLAIN.fullmatch(detail) is not None


def _is_picture(picture: Picture) -> bool:
    return (
        _are_slugs(picture.format)
        and min(picture.width, picture.height, picture.frames) > 0
        and max(picture.width, picture.height, picture.frames) < 2**31
        and 0 <= picture.pdq_quality <= 100
        and len(picture.pdq) == 8
        and all(len(digest) == 32 for digest in (picture.sha256, *picture.pdq))
    )


def _are_slugs(*words: str) -> bool:
    return all(_SLUG.fullmatch(word) for word in words)
