from __future__ import annotations

from typing import Any, get_args

import pytest

from relayfilter.media.finding import CheckFailed, Finding, HashMatched, Labelled, NotInlined, Uninspectable
from relayfilter.policy.conditions import OF_DELIVERY, OF_MEDIUM, Facts, FindingKind, When, instance_labels
from relayfilter.policy.evidence import Evidence, InspectedMedia
from relayfilter.policy.lists import NamedLists
from tests.policy.evidence_of import evidence, medium

ANN = "https://far.example/u/ann"
BIRDS = "https://far.example/c/birds"
LISTS = NamedLists.of({"friends": ["*.friend.example", ANN, BIRDS]})

DELIVERIES: list[tuple[str, Any, Evidence, bool]] = [
    ("instance", "far.example", evidence(), True),
    ("instance", ["*.example", "other.test"], evidence(), True),
    ("instance", "@friends", evidence(instance="a.friend.example"), True),
    ("instance", "@friends", evidence(), False),
    ("actor", ANN, evidence(), True),
    ("actor", ["https://x.example/u/1", "HTTPS://Far.example/u/ann"], evidence(), True),
    ("actor", "https://far.example/u/an", evidence(), False),
    ("actor", "@friends", evidence(), True),
    ("actor", "@friends", evidence(actor="https://a.friend.example/u/bob"), False),
    ("community", BIRDS, evidence(community=BIRDS), True),
    ("community", BIRDS, evidence(), False),
    ("community", ["@friends"], evidence(community=BIRDS), True),
    ("community", ["@friends"], evidence(), False),
    ("activity", ["Like", "Create"], evidence(), True),
    ("activity", "Like", evidence(), False),
    ("object", "Page", evidence(), True),
    ("object", "Page", evidence(object_type=None), False),
    ("gate", "inbox", evidence(), True),
    ("scheme", "cavage", evidence(), True),
    ("scheme", ["rfc9421"], evidence(), False),
    ("scheme", ["cavage"], evidence(scheme=None), False),
    ("linked_signature", ["valid", "skipped"], evidence(linked="valid"), True),
    ("linked_signature", "invalid", evidence(linked="valid"), False),
    ("linked_signature", "none", evidence(), True),
    ("linked_signature", "none", evidence(linked="none"), True),
    ("proof", "invalid", evidence(proof="invalid", linked="valid"), True),
    ("proof", "none", evidence(proof="valid"), False),
    ("account_age", "< 7d", evidence(account_age=7 * 86_400 - 1), True),
    ("account_age", "< 7d", evidence(account_age=7 * 86_400), False),
    ("account_age", ">= 12h", evidence(account_age=12 * 3600), True),
    ("account_age", "<= 90s", evidence(account_age=None), False),
    ("account_age", "> 0s", evidence(account_age=None), False),
    ("account_age", "unknown", evidence(account_age=None), True),
    ("account_age", "unknown", evidence(account_age=5), False),
    ("account_age", ["unknown", "< 10m"], evidence(account_age=None), True),
    ("account_age", ["unknown", "< 10m"], evidence(account_age=599), True),
    ("account_age", ["unknown", "< 10m"], evidence(account_age=600), False),
    ("seen_activities", "< 5", evidence(seen_activities=0), True),
    ("seen_activities", "< 5", evidence(seen_activities=5), False),
    ("seen_activities", "< 5", evidence(), False),
    ("seen_activities", "unknown", evidence(), True),
    ("sensitive", True, evidence(sensitive=True), True),
    ("sensitive", True, evidence(), False),
    ("sensitive", False, evidence(), True),
    ("has_media", True, evidence(medium()), True),
    ("has_media", True, evidence(medium("preview")), False),
    ("has_media", False, evidence(medium("preview")), True),
    ("has_media", False, evidence(medium()), False),
    ("has_media", True, evidence(medium("object"), medium("actor")), False),
    ("inner_instance", "@friends", evidence(inner_actor="https://a.friend.example/u/bob"), True),
    ("inner_instance", "A.friend.example", evidence(inner_actor="https://a.FRIEND.example/u/bob"), True),
    ("inner_instance", "*.example", evidence(inner_actor="https://a.friend.example/u/bob"), True),
    ("inner_instance", "far.example", evidence(), False),
    ("inner_instance", "*.example", evidence(inner_actor="https://[::/x"), False),
]


@pytest.mark.parametrize(("name", "value", "subject", "expected"), DELIVERIES)
def test_delivery(name: str, value: Any, subject: Evidence, expected: bool) -> None:
    condition = OF_DELIVERY[name]
    condition.check(value)
    assert condition.index({0: value}, 1)(Facts.of(subject, LISTS)) == expected


def having(*findings: Finding) -> InspectedMedia:
    return medium("attachment", *findings)


NSFW = Labelled("open_nsfw", "nsfw", 0.9)
ON_LIST = HashMatched("known", "pdq", 4, "7")
MEDIA: list[tuple[str, Any, InspectedMedia, bool]] = [
    ("slot", "icon", medium("icon"), True),
    ("slot", ["icon", "image"], medium("link"), False),
    ("slot", ["object", "actor"], medium("actor"), True),
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
    condition = OF_MEDIUM[name]
    condition.check(value)
    assert condition.index({0: value}, 1)(subject) == expected


def test_every_condition_has_its_test_and_its_cases() -> None:
    assert [*OF_DELIVERY, *OF_MEDIUM] == list(When.__struct_fields__)
    for conditions, cases in ((OF_DELIVERY, DELIVERIES), (OF_MEDIUM, MEDIA)):
        for name in conditions:
            assert {case[3] for case in cases if case[0] == name} >= ({True} if name == "gate" else {True, False})


def test_every_kind_of_finding_can_be_asked_for() -> None:
    assert {kind.__struct_config__.tag for kind in get_args(Finding)} == set(get_args(FindingKind))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("actor", []),
        ("actor", ""),
        ("actor", "ann"),
        ("community", "!birds@far.example"),
        ("community", "far.example"),
        ("account_age", "7d"),
        ("account_age", "< 7"),
        ("account_age", "< a week"),
        ("account_age", "never"),
        ("seen_activities", "< 7d"),
        ("seen_activities", []),
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
        ("bytes", "unknown"),
        ("frames", "many"),
    ],
)
def test_what_could_never_match_is_a_mistake(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        (OF_DELIVERY.get(name) or OF_MEDIUM[name]).check(value)


def test_instances_are_normalised() -> None:
    assert instance_labels(["@friends", "*.B\u00dccher.example", "A.example."]) == {
        "@friends",
        "*.xn--bcher-kva.example",
        "a.example",
    }
