from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.media.finding import Finding, Labelled, Uninspectable
from relayfilter.policy.conditions import Facts
from relayfilter.policy.evidence import Evidence, InspectedMedia
from relayfilter.policy.lists import NamedLists
from relayfilter.policy.load import load_policy
from relayfilter.policy.rules import Policy, Rule, RuleIndex
from relayfilter.policy.tables import PolicyTable
from tests.policy.evidence_of import evidence, medium

POLICY = load_policy(
    """
default = "accept"
on_uninspectable = "reject"
lists.big = ["near.example"]
rules = [
    { name = "0", reason = "r", action = "reject", when.score.nsfw = "> 0.5" },
    { name = "1", reason = "r", action = "reject", when.instance = "far.example" },
    { name = "2", reason = "r", action = "reject", when.activity = "Like" },
    { name = "3", reason = "r", action = "reject", when.instance = ["@big", "*.x.example"], when.slot = "icon" },
    { name = "4", reason = "r", action = "reject", when.instance = "near.example" },
    { name = "5", reason = "r", action = "reject" },
]
""".replace(
        'when.instance = ["@big", "*.x.example"], when.slot = "icon"',
        'when = { instance = ["@big", "*.x.example"], slot = "icon" }',
    ),
    "policy.toml",
)


def first_match(subject: Evidence) -> tuple[str, tuple[InspectedMedia, ...]] | None:
    match = POLICY.first_match(Facts.of(subject, POLICY.lists))
    return (match.rule.table.name, match.media) if match else None


def test_the_first_rule_that_matches_wins() -> None:
    assert first_match(evidence(activity_type="Like", instance="near.example")) == ("2", ())
    assert first_match(evidence(activity_type="Like")) == ("1", ())
    assert first_match(evidence(instance="near.example")) == ("4", ())
    assert first_match(evidence(instance="elsewhere.test")) == ("5", ())


def test_a_rule_names_the_media_that_made_it_match() -> None:
    icons = [medium("icon", pointer="/1"), medium("image", pointer="/2"), medium("icon", pointer="/3")]
    assert first_match(evidence(*icons, instance="near.example")) == ("3", (icons[0], icons[2]))
    bad = medium("icon", Labelled("c", "nsfw", 0.6))
    assert first_match(evidence(medium("link"), bad)) == ("0", (bad,))
    assert first_match(evidence(medium("image"), instance="near.example")) == ("4", ())


def test_without_rules_nothing_matches() -> None:
    policy = load_policy('default = "accept"\non_uninspectable = "reject"\n', "policy.toml")
    assert policy.first_match(Facts.of(evidence(medium()), policy.lists)) is None


LISTS = NamedLists.of({"some": ["listed.test", "https://listed.test/u/eve"]})
# Conditions, and what has them or not: enough of each kind to meet every way in which two can be joined.
ASKED: list[dict[str, Any]] = [
    {"instance": "far.example"},
    {"instance": ["@some", "near.example"]},
    {"inner_instance": "*.example"},
    {"actor": "@some"},
    {"activity": ["Like", "Create"]},
    {"sensitive": True},
    {"has_media": False},
    {"account_age": ["unknown", "< 1d"]},
    {"account_age": "> 1h"},
    {"slot": ["link", "icon"]},
    {"score": {"nsfw": ">= 0.5", "gore": "< 0.5"}},
    {"score": {"nsfw": "< 0.5"}},
    {"uninspectable": "http-*"},
    {"finding": "uninspectable"},
]
FINDINGS: list[Finding] = [
    Labelled("c", "nsfw", 0.5),
    Labelled("c", "nsfw", 0.4),
    Labelled("c", "gore", 0.4),
    Uninspectable("http-404"),
    Uninspectable("dns"),
]
MEDIA = st.builds(
    lambda slot, findings: medium(slot, *findings),
    st.sampled_from(["link", "icon", "attachment", "preview", "object"]),
    st.lists(st.sampled_from(FINDINGS), max_size=3),
)
SUBJECTS = st.builds(
    lambda media, **fields: evidence(*media, **fields),
    st.lists(MEDIA, max_size=3),
    instance=st.sampled_from(["far.example", "near.example", "listed.test"]),
    inner_actor=st.sampled_from([None, "https://in.example/u/1", "https://in.test/u/1"]),
    actor=st.sampled_from(["https://far.example/u/ann", "https://listed.test/u/eve"]),
    activity_type=st.sampled_from(["Like", "Create", "Undo"]),
    sensitive=st.booleans(),
    account_age=st.sampled_from([None, 0.0, 3600.0, 7200.0, 86_400.0, 1e9]),
)
RULES = st.lists(
    st.tuples(
        st.sampled_from(["accept", "reject"]),
        st.lists(st.sampled_from(ASKED), min_size=1, max_size=3).map(
            lambda parts: {k: v for p in parts for k, v in p.items()}
        ),
    ),
    max_size=12,
)


@given(RULES, SUBJECTS)
def test_asking_all_rules_at_once_is_asking_one_after_the_other(
    rules: list[tuple[str, dict[str, Any]]], subject: Evidence
) -> None:
    def policy_of(wanted: list[tuple[str, dict[str, Any]]]) -> Policy:
        tables = [{"name": f"r{n}", "reason": "r", "action": a, "when": when} for n, (a, when) in enumerate(wanted)]
        table = msgspec.convert({"default": "accept", "on_uninspectable": "reject", "rules": tables}, PolicyTable)
        compiled = tuple(Rule("", rule) for rule in table.rules)
        return msgspec.structs.replace(POLICY, table=table, rules=compiled, index=RuleIndex.of(compiled), lists=LISTS)

    together = policy_of(rules).first_match(Facts.of(subject, LISTS))
    one_by_one = ((n, policy_of([rule]).first_match(Facts.of(subject, LISTS))) for n, rule in enumerate(rules))
    expected = next(((n, match.media) for n, match in one_by_one if match), None)
    found = (int(together.rule.table.name[1:]), together.media) if together else None
    assert found == expected
