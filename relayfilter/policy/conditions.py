"""What a rule can ask, and where the answer stands.

Questions come in two kinds. Those about the delivery are joined by AND. Those about a medium are joined by AND for one
and the same medium: a rule with `slot = "attachment"` and `score = { nsfw = ">= 0.85" }` wants one attachment that
scores so, not an attachment beside something else that does. A list of values means any of them.

To add a condition: a field in When, its line in OF_DELIVERY or OF_MEDIUM, a golden case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, UnsetType

from relayfilter.activity.media_ref import Slot
from relayfilter.media.finding import CheckFailed, HashMatched, Labelled, MediaReport, NotInlined, Uninspectable
from relayfilter.policy.comparisons import parse_number, parse_score, parse_span
from relayfilter.policy.evidence import Evidence, Gate, InspectedMedia, Validity
from relayfilter.policy.index import Compared, ComparedByKey, Condition, OneOf, any_of
from relayfilter.policy.lists import NamedLists, parse_id, parse_pattern
from relayfilter.signatures.result import Scheme

FindingKind = Literal["hash-matched", "labelled", "uninspectable", "check-failed", "not-inlined"]
Texts = str | list[str]

NAME_A_LIST: Final = ("instance", "inner_instance", "actor", "community")
_NOT_MEDIA: Final = ("preview", "object", "actor")
_FINDINGS: Final[dict[type, FindingKind]] = {
    HashMatched: "hash-matched",
    Labelled: "labelled",
    Uninspectable: "uninspectable",
    CheckFailed: "check-failed",
    NotInlined: "not-inlined",
}


class When(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `when` table of a rule. Everything is optional; an empty table matches always.

    Of the delivery: `instance` and `inner_instance` (the host of the sender, and of the author whom an Announce wraps:
    `host`, `*.domain`, `@list`), `actor`, `community` (URLs, `@list`), `activity`, `object` (types), `gate`, `scheme`,
    `linked_signature` and `proof` (what became of a Linked Data Signature and of an integrity proof in the document),
    `sensitive`, `has_media`, `account_age` (comparisons such as `"< 7d"`, or `"unknown"`) and `seen_activities` (the
    like, with plain numbers).

    Of one medium: `slot`, `format`, `frames` and `bytes` (comparisons such as `"> 5000000"`), `score` (a comparison for
    each label, or `classifier.label`), `hash_list` (names, or `"*"` for any), `finding` (kinds), `uninspectable`
    (reasons; `"http-*"` means all that begin so). What the delivery refers to stands among the media too, in the slots
    `object` and `actor`, but does not count for `has_media`.
    """

    instance: Texts | UnsetType = UNSET
    inner_instance: Texts | UnsetType = UNSET
    actor: Texts | UnsetType = UNSET
    community: Texts | UnsetType = UNSET
    activity: Texts | UnsetType = UNSET
    object: Texts | UnsetType = UNSET
    gate: Gate | list[Gate] | UnsetType = UNSET
    scheme: Scheme | list[Scheme] | UnsetType = UNSET
    linked_signature: Validity | list[Validity] | UnsetType = UNSET
    proof: Validity | list[Validity] | UnsetType = UNSET
    sensitive: bool | UnsetType = UNSET
    has_media: bool | UnsetType = UNSET
    account_age: Texts | UnsetType = UNSET
    seen_activities: Texts | UnsetType = UNSET

    slot: Slot | list[Slot] | UnsetType = UNSET
    format: Texts | UnsetType = UNSET
    frames: Texts | UnsetType = UNSET
    bytes: Texts | UnsetType = UNSET
    score: dict[str, str] | UnsetType = UNSET
    hash_list: Texts | UnsetType = UNSET
    finding: FindingKind | list[FindingKind] | UnsetType = UNSET
    uninspectable: Texts | UnsetType = UNSET

    def asked(self) -> dict[str, Any]:
        """The conditions that are set, by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}


class Facts(msgspec.Struct, frozen=True):
    """Evidence, and everything that a rule may call its instances, actor and community.

    `uninspected` tells of each medium whether it was not fully looked at, for whatever reason; of a preview nobody
    expects it.
    """

    evidence: Evidence
    instance: frozenset[str]
    inner_instance: frozenset[str]
    actor: tuple[str, ...]
    community: tuple[str, ...]
    has_media: bool
    uninspected: tuple[bool, ...]

    @classmethod
    def of(cls, evidence: Evidence, lists: NamedLists) -> Facts:
        inner_host = _host(evidence.inner_actor)
        return cls(
            evidence=evidence,
            instance=lists.labels_of_host(evidence.instance),
            inner_instance=lists.labels_of_host(inner_host) if inner_host else frozenset(),
            actor=lists.labels_of_id(evidence.actor),
            community=lists.labels_of_id(evidence.community) if evidence.community else (),
            has_media=any(medium.ref.slot not in _NOT_MEDIA for medium in evidence.media),
            uninspected=tuple(
                medium.ref.slot != "preview" and not _was_inspected(medium.report) for medium in evidence.media
            ),
        )


def _was_inspected(report: MediaReport) -> bool:
    if any(isinstance(finding, (Uninspectable, CheckFailed)) for finding in report.findings):
        return False
    return bool(report.findings) or report.picture is not None


def instance_labels(value: Texts) -> frozenset[str]:
    """The labels (see NamedLists) that a condition on instances names. Raises ValueError on what is none."""
    return frozenset(text if text.startswith("@") else parse_pattern(text) for text in any_of(value))


def id_labels(value: Texts) -> frozenset[str]:
    """The labels (see NamedLists) that a condition on actors or communities names. Raises ValueError."""
    return frozenset(text if text.startswith("@") else parse_id(text) for text in any_of(value))


def _evidence(name: str) -> OneOf[Facts]:
    return OneOf(lambda facts: (getattr(facts.evidence, name),), any_of)


def _scores(medium: InspectedMedia, label: str) -> Iterator[float]:
    for finding in medium.report.findings:
        if isinstance(finding, Labelled) and label in (finding.label, f"{finding.classifier}.{finding.label}"):
            yield finding.score


def _hash_lists(medium: InspectedMedia) -> Iterator[str]:
    for finding in medium.report.findings:
        if isinstance(finding, HashMatched):
            yield from ("*", finding.list)


def _reasons(medium: InspectedMedia) -> Iterator[str]:
    """Each reason, and whatever of it may stand before an asterisk."""
    for finding in medium.report.findings:
        if isinstance(finding, Uninspectable):
            yield finding.reason
            yield from (f"{finding.reason[:length]}*" for length in range(len(finding.reason) + 1))


def _known(*numbers: float | None) -> tuple[float, ...]:
    return tuple(number for number in numbers if number is not None)


OF_DELIVERY: Final[Mapping[str, Condition[Facts]]] = {
    "instance": OneOf(lambda facts: facts.instance, instance_labels),
    "inner_instance": OneOf(lambda facts: facts.inner_instance, instance_labels),
    "actor": OneOf(lambda facts: facts.actor, id_labels),
    "community": OneOf(lambda facts: facts.community, id_labels),
    "activity": _evidence("activity_type"),
    "object": _evidence("object_type"),
    "gate": _evidence("gate"),
    "scheme": _evidence("scheme"),
    "linked_signature": OneOf(lambda facts: (facts.evidence.linked or "none",), any_of),
    "proof": OneOf(lambda facts: (facts.evidence.proof or "none",), any_of),
    "sensitive": OneOf(lambda facts: (facts.evidence.sensitive,), lambda value: (value,)),
    "has_media": OneOf(lambda facts: (facts.has_media,), lambda value: (value,)),
    "account_age": Compared(lambda facts: _known(facts.evidence.account_age), parse_span, "< 7d", may_be_unknown=True),
    "seen_activities": Compared(
        lambda facts: _known(facts.evidence.seen_activities), parse_number, "< 10", may_be_unknown=True
    ),
}
OF_MEDIUM: Final[Mapping[str, Condition[InspectedMedia]]] = {
    "slot": OneOf(lambda medium: (medium.ref.slot,), any_of),
    "format": OneOf(lambda medium: (medium.report.picture.format,) if medium.report.picture else (), any_of),
    "frames": Compared(
        lambda medium: (medium.report.picture.frames,) if medium.report.picture else (), parse_number, "> 1"
    ),
    "bytes": Compared(lambda medium: _known(medium.report.bytes), parse_number, "> 5000000"),
    "score": ComparedByKey(_scores, parse_score, ">= 0.85"),
    "hash_list": OneOf(_hash_lists, any_of),
    "finding": OneOf(lambda medium: (_FINDINGS[type(finding)] for finding in medium.report.findings), any_of),
    "uninspectable": OneOf(_reasons, any_of),
}


def _host(actor: str | None) -> str | None:
    try:
        return urlsplit(actor).hostname if actor else None
    except ValueError:
        return None
