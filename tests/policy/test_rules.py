from __future__ import annotations

from relayfilter.policy.conditions import Facts
from relayfilter.policy.evidence import Evidence
from relayfilter.policy.load import load_policy
from tests.policy.evidence_of import evidence, medium

POLICY = load_policy(
    """
default = "accept"
on_uninspectable = "reject"
lists.big = ["*.example"]
rules = [
    { name = "0", reason = "r", action = "reject", when.score.nsfw = "> 0.5" },
    { name = "1", reason = "r", action = "reject", when.instance = "far.example" },
    { name = "2", reason = "r", action = "reject", when.activity = "Like" },
    { name = "3", reason = "r", action = "reject", when.instance = ["@big", "*.example"], when.slot = "icon" },
    { name = "4", reason = "r", action = "reject", when.instance = "near.example" },
    { name = "5", reason = "r", action = "reject" },
]
""".replace(
        'when.instance = ["@big", "*.example"], when.slot = "icon"',
        'when = { instance = ["@big", "*.example"], slot = "icon" }',
    ),
    "policy.toml",
)


def candidates(subject: Evidence) -> str:
    return "".join(rule.table.name for rule in POLICY.candidates(Facts.of(subject, POLICY.lists)))


def test_a_delivery_meets_the_rules_that_can_match_in_their_order() -> None:
    assert candidates(evidence(medium())) == "01235"
    assert candidates(evidence()) == "1235"
    assert candidates(evidence(medium(), instance="near.example")) == "02345"
    assert candidates(evidence(instance="elsewhere.test")) == "25"


def test_a_rule_names_the_media_that_made_it_match() -> None:
    icons = [medium("icon", pointer="/1"), medium("image", pointer="/2"), medium("icon", pointer="/3")]
    facts = Facts.of(evidence(*icons), POLICY.lists)
    assert POLICY.rules[3].matches(facts) == (icons[0], icons[2])
    assert POLICY.rules[1].matches(facts) == ()
    assert POLICY.rules[2].matches(facts) is None
    assert POLICY.rules[3].matches(Facts.of(evidence(), POLICY.lists)) is None
