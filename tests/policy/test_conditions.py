from __future__ import annotations

from typing import Any, get_args

import pytest

from relayfilter.media.finding import CheckFailed, Finding, HashMatched, Labelled, NotInlined, Uninspectable
from relayfilter.policy.conditions import DELIVERY_TESTS, MEDIUM_TESTS, Facts, FindingKind, When, instance_labels
from relayfilter.policy.evidence import Evidence, InspectedMedia
from relayfilter.policy.instances import InstanceLists
from tests.policy.evidence_of import evidence, medium

LISTS = InstanceLists.of({"friends": ["*.friend.example"]})

DELIVERIES: list[tuple[str, Any, Evidence, bool]] = [
    ("actor", "https://far.example/u/ann", evidence(), True),
    ("actor", ["x", "https://far.example/u/ann"], evidence(), True),
    ("actor", "https://far.example/u/an", evidence(), False),
    ("community", "https://far.example/c/birds", evidence(community="https://far.example/c/birds"), True),
    ("community", "https://far.example/c/birds", evidence(), False),
    ("activity", ["Like", "Create"], evidence(), True),
    ("activity", "Like", evidence(), False),
    ("object", "Page", evidence(), True),
    ("object", "Page", evidence(object_type=None), False),
    ("gate", "inbox", evidence(), True),
    ("scheme", "cavage", evidence(), True),
    ("scheme", ["rfc9421"], evidence(), False),
    ("scheme", ["cavage"], evidence(scheme=None), False),
    ("sensitive", True, evidence(sensitive=True), True),
    ("sensitive", True, evidence(), False),
    ("sensitive", False, evidence(), True),
    ("has_media", True, evidence(medium()), True),
    ("has_media", True, evidence(medium("preview")), False),
    ("has_media", False, evidence(medium("preview")), True),
    ("has_media", False, evidence(medium()), False),
    ("inner_instance", "@friends", evidence(inner_actor="https://a.friend.example/u/bob"), True),
    ("inner_instance", "A.friend.example", evidence(inner_actor="https://a.FRIEND.example/u/bob"), True),
    ("inner_instance", "*.example", evidence(inner_actor="https://a.friend.example/u/bob"), True),
    ("inner_instance", "far.example", evidence(), False),
    ("inner_instance", "*.example", evidence(inner_actor="https://[::/x"), False),
]


@pytest.mark.parametrize(("name", "value", "subject", "expected"), DELIVERIES)
def test_delivery(name: str, value: Any, subject: Evidence, expected: bool) -> None:
    assert DELIVERY_TESTS[name](value)(Facts.of(subject, LISTS)) is expected


def having(*findings: Finding) -> InspectedMedia:
    return medium("attachment", *findings)


NSFW = Labelled("open_nsfw", "nsfw", 0.9)
ON_LIST = HashMatched("known", "pdq", 4, "7")
MEDIA: list[tuple[str, Any, InspectedMedia, bool]] = [
    ("slot", "icon", medium("icon"), True),
    ("slot", ["icon", "image"], medium("link"), False),
    ("format", "jpeg", medium(), True),
    ("format", ["png", "gif"], medium(), False),
    ("format", "jpeg", medium(decoded=False), False),
    ("frames", "> 1", medium(frames=2), True),
    ("frames", "> 1", medium(), False),
    ("frames", "> 1", medium(decoded=False), False),
    ("bytes", ">=5000000", medium(bytes=5_000_000), True),
    ("bytes", "< 5000000", medium(bytes=5_000_000), False),
    ("bytes", "< 5000000", medium(), False),
    ("score", {"nsfw": ">= 0.9"}, having(NSFW), True),
    ("score", {"nsfw": "> 0.9"}, having(NSFW), False),
    ("score", {"nsfw": "<= 0.9"}, having(NSFW), True),
    ("score", {"nsfw": "= 0.9"}, having(NSFW), True),
    ("score", {"open_nsfw.nsfw": "> 0.1"}, having(NSFW), True),
    ("score", {"other.nsfw": "> 0.1"}, having(NSFW), False),
    ("score", {"sfw": "< 0.5"}, having(NSFW), False),
    ("score", {"nsfw": "> 0.95"}, having(NSFW, Labelled("other", "nsfw", 0.99)), True),
    ("score", {"nsfw": "> 0.5", "gore": "> 0.5"}, having(NSFW, Labelled("other", "gore", 0.4)), False),
    ("hash_list", "known", having(NSFW, ON_LIST), True),
    ("hash_list", "*", having(ON_LIST), True),
    ("hash_list", ["testcard", "other"], having(ON_LIST), False),
    ("hash_list", "*", having(NSFW), False),
    ("finding", "hash-matched", having(ON_LIST), True),
    ("finding", "labelled", having(NSFW), True),
    ("finding", "uninspectable", having(Uninspectable("dns")), True),
    ("finding", "check-failed", having(CheckFailed("c", "r")), True),
    ("finding", ["not-inlined", "labelled"], having(NotInlined("page")), True),
    ("finding", ["uninspectable", "check-failed"], having(NSFW), False),
    ("uninspectable", "dns", having(Uninspectable("dns")), True),
    ("uninspectable", "dn", having(Uninspectable("dns")), False),
    ("uninspectable", ["url", "http-*"], having(Uninspectable("http-404")), True),
    ("uninspectable", "http-*", having(Uninspectable("url")), False),
    ("uninspectable", "*", having(Uninspectable("url")), True),
    ("uninspectable", "*", having(CheckFailed("c", "r")), False),
]


@pytest.mark.parametrize(("name", "value", "subject", "expected"), MEDIA)
def test_medium(name: str, value: Any, subject: InspectedMedia, expected: bool) -> None:
    assert MEDIUM_TESTS[name](value)(subject) is expected


def test_every_condition_has_its_test_and_its_cases() -> None:
    assert {*DELIVERY_TESTS, *MEDIUM_TESTS, "instance"} == set(When.__struct_fields__)
    for tests, cases in ((DELIVERY_TESTS, DELIVERIES), (MEDIUM_TESTS, MEDIA)):
        for name in tests:
            assert {case[3] for case in cases if case[0] == name} >= ({True} if name == "gate" else {True, False})


def test_every_kind_of_finding_can_be_asked_for() -> None:
    assert {kind.__struct_config__.tag for kind in get_args(Finding)} == set(get_args(FindingKind))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("actor", []),
        ("actor", ""),
        ("slot", []),
        ("finding", []),
        ("uninspectable", [""]),
        ("score", {}),
        ("score", {"nsfw": "0.85"}),
        ("score", {"nsfw": ">= 85"}),
        ("score", {"nsfw": ">= -1"}),
        ("score", {"nsfw": ">= 0.85 "[:-1] + "%"}),
        ("score", {"nsfw": "=> 0.85"}),
        ("score", {"nsfw": "> nan"}),
        ("bytes", "> 5 MB"),
        ("frames", "many"),
    ],
)
def test_what_could_never_match_is_a_mistake(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        {**DELIVERY_TESTS, **MEDIUM_TESTS}[name](value)


def test_instances_are_normalised() -> None:
    assert instance_labels(["@friends", "*.B\u00dccher.example", "A.example."]) == {
        "@friends",
        "*.xn--bcher-kva.example",
        "a.example",
    }
