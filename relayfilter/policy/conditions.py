"""What a rule can ask, and how each question is answered.

Questions come in two kinds. Those about the delivery are joined by AND. Those about a medium are joined by AND for one
and the same medium: a rule with `slot = "attachment"` and `score = { nsfw = ">= 0.85" }` wants one attachment that
scores so, not an attachment beside something else that does. A list of values means any of them.

To add a condition: a field in When, its test in DELIVERY_TESTS or MEDIUM_TESTS, a golden case.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, UnsetType

from relayfilter.activity.media_ref import Slot
from relayfilter.media.finding import CheckFailed, HashMatched, Labelled, MediaReport, NotInlined, Uninspectable
from relayfilter.policy.evidence import Evidence, Gate, InspectedMedia
from relayfilter.policy.instances import InstanceLists, parse_pattern
from relayfilter.signatures.result import Scheme

FindingKind = Literal["hash-matched", "labelled", "uninspectable", "check-failed", "not-inlined"]
Texts = str | list[str]

_FINDINGS: Final[dict[str, type]] = {
    "hash-matched": HashMatched,
    "labelled": Labelled,
    "uninspectable": Uninspectable,
    "check-failed": CheckFailed,
    "not-inlined": NotInlined,
}
_COMPARISON = re.compile(r"(>=|<=|>|<|=)\s*(\d+(?:\.\d+)?)")
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}


class When(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `when` table of a rule. Everything is optional; an empty table matches always.

    Of the delivery: `instance` and `inner_instance` (the host of the sender, and of the author whom an Announce wraps:
    `host`, `*.domain`, `@list`), `actor`, `community` (URLs), `activity`, `object` (types), `gate`, `scheme`,
    `sensitive`, `has_media`.

    Of one medium: `slot`, `format`, `frames` and `bytes` (comparisons such as `"> 5000000"`), `score` (a comparison for
    each label, or `classifier.label`), `hash_list` (names, or `"*"` for any), `finding` (kinds), `uninspectable`
    (reasons; `"http-*"` means all that begin so).
    """

    instance: Texts | UnsetType = UNSET
    inner_instance: Texts | UnsetType = UNSET
    actor: Texts | UnsetType = UNSET
    community: Texts | UnsetType = UNSET
    activity: Texts | UnsetType = UNSET
    object: Texts | UnsetType = UNSET
    gate: Gate | list[Gate] | UnsetType = UNSET
    scheme: Scheme | list[Scheme] | UnsetType = UNSET
    sensitive: bool | UnsetType = UNSET
    has_media: bool | UnsetType = UNSET

    slot: Slot | list[Slot] | UnsetType = UNSET
    format: Texts | UnsetType = UNSET
    frames: str | UnsetType = UNSET
    bytes: str | UnsetType = UNSET
    score: dict[str, str] | UnsetType = UNSET
    hash_list: Texts | UnsetType = UNSET
    finding: FindingKind | list[FindingKind] | UnsetType = UNSET
    uninspectable: Texts | UnsetType = UNSET

    def asked(self) -> dict[str, Any]:
        """The conditions that are set, by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}


class Facts(msgspec.Struct, frozen=True):
    """Evidence, with what the tests would otherwise work out again for every rule.

    Previews are no media here. `uninspected` are the media that were not fully looked at, for whatever reason.
    """

    evidence: Evidence
    instance: frozenset[str]
    inner_instance: frozenset[str]
    has_media: bool
    uninspected: tuple[InspectedMedia, ...]

    @classmethod
    def of(cls, evidence: Evidence, lists: InstanceLists) -> Facts:
        inner_host = _host(evidence.inner_actor)
        seen = [medium for medium in evidence.media if medium.ref.slot != "preview"]
        return cls(
            evidence=evidence,
            instance=lists.labels(evidence.instance),
            inner_instance=lists.labels(inner_host) if inner_host else frozenset(),
            has_media=bool(seen),
            uninspected=tuple(medium for medium in seen if not _was_inspected(medium.report)),
        )


DeliveryTest = Callable[[Facts], bool]
MediumTest = Callable[[InspectedMedia], bool]


def instance_labels(value: Texts) -> frozenset[str]:
    """An `instance` condition as the labels of InstanceLists. Raises ValueError on what is no pattern."""
    return frozenset(text if text.startswith("@") else parse_pattern(text) for text in _any_of(value))


def _inner_instance(value: Texts) -> DeliveryTest:
    wanted = instance_labels(value)
    return lambda facts: not wanted.isdisjoint(facts.inner_instance)


def _evidence_field(name: str) -> Callable[[Texts], DeliveryTest]:
    def compile_test(value: Texts) -> DeliveryTest:
        wanted = _any_of(value)
        return lambda facts: getattr(facts.evidence, name) in wanted

    return compile_test


def _sensitive(value: bool) -> DeliveryTest:
    return lambda facts: facts.evidence.sensitive is value


def _has_media(value: bool) -> DeliveryTest:
    return lambda facts: facts.has_media is value


def _slot(value: Texts) -> MediumTest:
    wanted = _any_of(value)
    return lambda medium: medium.ref.slot in wanted


def _format(value: Texts) -> MediumTest:
    wanted = _any_of(value)
    return lambda medium: medium.report.picture is not None and medium.report.picture.format in wanted


def _frames(value: str) -> MediumTest:
    holds = _comparison(value)
    return lambda medium: medium.report.picture is not None and holds(medium.report.picture.frames)


def _bytes(value: str) -> MediumTest:
    holds = _comparison(value)
    return lambda medium: medium.report.bytes is not None and holds(medium.report.bytes)


def _score(value: dict[str, str]) -> MediumTest:
    if not value:
        raise ValueError("names no label")
    wanted = {label: _comparison(text, most=1.0) for label, text in value.items()}

    def test(medium: InspectedMedia) -> bool:
        scores = [finding for finding in medium.report.findings if isinstance(finding, Labelled)]
        return all(
            any(label in (found.label, f"{found.classifier}.{found.label}") and holds(found.score) for found in scores)
            for label, holds in wanted.items()
        )

    return test


def _hash_list(value: Texts) -> MediumTest:
    wanted = _any_of(value)
    return lambda medium: any(
        isinstance(finding, HashMatched) and ("*" in wanted or finding.list in wanted)
        for finding in medium.report.findings
    )


def _finding(value: Texts) -> MediumTest:
    wanted = tuple(kind for name, kind in _FINDINGS.items() if name in _any_of(value))
    return lambda medium: any(isinstance(finding, wanted) for finding in medium.report.findings)


def _uninspectable(value: Texts) -> MediumTest:
    reasons = _any_of(value)
    exact = frozenset(reason for reason in reasons if not reason.endswith("*"))
    prefixes = tuple(reason.removesuffix("*") for reason in reasons if reason.endswith("*"))
    return lambda medium: any(
        isinstance(finding, Uninspectable) and (finding.reason in exact or finding.reason.startswith(prefixes))
        for finding in medium.report.findings
    )


DELIVERY_TESTS: Final[Mapping[str, Callable[[Any], DeliveryTest]]] = {
    "inner_instance": _inner_instance,
    "actor": _evidence_field("actor"),
    "community": _evidence_field("community"),
    "activity": _evidence_field("activity_type"),
    "object": _evidence_field("object_type"),
    "gate": _evidence_field("gate"),
    "scheme": _evidence_field("scheme"),
    "sensitive": _sensitive,
    "has_media": _has_media,
}
MEDIUM_TESTS: Final[Mapping[str, Callable[[Any], MediumTest]]] = {
    "slot": _slot,
    "format": _format,
    "frames": _frames,
    "bytes": _bytes,
    "score": _score,
    "hash_list": _hash_list,
    "finding": _finding,
    "uninspectable": _uninspectable,
}


def _any_of(value: Texts) -> frozenset[str]:
    wanted = frozenset([value] if isinstance(value, str) else value)
    if not wanted or "" in wanted:
        raise ValueError("is empty, so that it would match nothing")
    return wanted


def _comparison(text: str, most: float | None = None) -> Callable[[float], bool]:
    match = _COMPARISON.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no comparison such as '>= 0.85' (with >=, <=, >, < or =)")
    compare, limit = _COMPARE[match[1]], float(match[2])
    if most is not None and limit > most:
        raise ValueError(f"{text!r}: a score is between 0 and {most:g}")
    return lambda number: compare(number, limit)


def _was_inspected(report: MediaReport) -> bool:
    if any(isinstance(finding, (Uninspectable, CheckFailed)) for finding in report.findings):
        return False
    return bool(report.findings) or report.picture is not None


def _host(actor: str | None) -> str | None:
    try:
        return urlsplit(actor).hostname if actor else None
    except ValueError:
        return None
