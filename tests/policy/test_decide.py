from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench import policy as bench
from relayfilter.activity.media_ref import Slot
from relayfilter.media.finding import CheckFailed, Finding, HashMatched, Labelled, NotInlined, Uninspectable
from relayfilter.policy.decide import decide, deferrable
from relayfilter.policy.evidence import Decision, Evidence, Verb
from relayfilter.policy.load import load_policy
from tests.policy.evidence_of import evidence, medium

HERE = Path(__file__).parent
SHIPPED = (HERE.parents[1] / "config" / "policy.toml").read_text("utf-8")
ENFORCEABLE: frozenset[Verb] = frozenset({"accept", "reject"})
GOLDEN = sorted((HERE / "golden").glob("*.txt"))


def read_evidence(text: str) -> tuple[Evidence, frozenset[Verb]]:
    given: dict[str, Any] = json.loads(text)
    enforceable = frozenset(given.pop("enforceable", ()))
    media = []
    for number, fields in enumerate(given.pop("media", ())):
        findings = msgspec.convert(fields.pop("findings", []), tuple[Finding, ...])
        unseen = any(isinstance(finding, (Uninspectable, NotInlined)) for finding in findings)
        media.append(medium(fields.pop("slot"), *findings, decoded=not unseen, **{"pointer": f"/m/{number}"} | fields))
    return evidence(*media, **given), enforceable


def in_words(decision: Decision) -> str:
    words = [decision.action, decision.rule, json.dumps(decision.pointers)]
    words += ["silent"] if decision.silent else []
    words += [f"wanted={decision.wanted}"] if decision.wanted else []
    return " ".join(words)


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden(file: Path) -> None:
    text, cases = file.read_text("utf-8").split("====\n")
    policy = load_policy(SHIPPED if text.strip() == "[shipped]" else text, "policy.toml")
    lines = [line for line in cases.splitlines() if line and not line.startswith("#")]
    for given, expected in zip(lines[::2], lines[1::2], strict=True):
        subject, enforceable = read_evidence(given)
        assert in_words(decide(policy, subject, enforceable=ENFORCEABLE | enforceable)) == expected, given


POLICY = """default = "accept"
on_uninspectable = "reject"

[[rules]]
name = "first"
reason = "why"
action = "reject"
when.activity = "Like"
"""


def test_a_decision_says_where_it_comes_from() -> None:
    policy = load_policy(POLICY, "etc/policy.toml")
    like = decide(policy, evidence(activity_type="Like"), enforceable=ENFORCEABLE)
    assert like == Decision(action="reject", rule="first", reason="why", place="etc/policy.toml:4")
    assert decide(policy, evidence(), enforceable=ENFORCEABLE).place == "etc/policy.toml:1"
    unseen = evidence(medium("icon", Uninspectable("dns")))
    assert decide(policy, unseen, enforceable=ENFORCEABLE).place == "etc/policy.toml:2"


def test_accept_and_reject_need_not_be_declared_enforceable() -> None:
    policy = load_policy(POLICY, "policy.toml")
    decision = decide(policy, evidence(activity_type="Like"), enforceable=frozenset())
    assert (decision.action, decision.wanted) == ("reject", None)


@pytest.mark.parametrize(
    "findings",
    [
        (),
        (Uninspectable("x"),),
        (CheckFailed("open_nsfw", "worker-timeout"),),
        (HashMatched("l", "a", 0, "e"), Uninspectable("x")),
    ],
    ids=["no report at all", "uninspectable", "check failed", "matched but not decoded"],
)
def test_what_was_not_looked_at_is_never_simply_accepted(findings: tuple[Finding, ...]) -> None:
    policy = load_policy(POLICY, "policy.toml")
    decision = decide(policy, evidence(medium("attachment", *findings, decoded=False)), enforceable=ENFORCEABLE)
    assert (decision.action, decision.rule) == ("reject", "on_uninspectable")
    preview = evidence(medium("preview", *findings, decoded=False))
    assert decide(policy, preview, enforceable=ENFORCEABLE).action == "accept"


def test_a_failed_check_beside_a_good_one_is_not_accepted() -> None:
    policy = load_policy(POLICY, "policy.toml")
    both = medium("attachment", Labelled("open_nsfw", "nsfw", 0.0), CheckFailed("other", "crashed"))
    assert decide(policy, evidence(both), enforceable=ENFORCEABLE).action == "reject"


ACCEPT_PAGES = (
    POLICY
    + """
[[rules]]
name = "small-things"
reason = "small things are fine"
action = "accept"
when.uninspectable = "*"
when.slot = ["link", "icon"]
"""
)


def test_an_accept_earned_by_one_medium_does_not_cover_another() -> None:
    policy = load_policy(ACCEPT_PAGES, "policy.toml")
    link, icon, attachment = (
        medium(slot, Uninspectable("dns"), decoded=False) for slot in ("link", "icon", "attachment")
    )
    assert decide(policy, evidence(link, icon), enforceable=ENFORCEABLE).rule == "small-things"
    assert decide(policy, evidence(link, medium("attachment")), enforceable=ENFORCEABLE).rule == "small-things"
    assert decide(policy, evidence(link, attachment), enforceable=ENFORCEABLE).rule == "on_uninspectable"


DEFERRING = (
    POLICY
    + """
[[rules]]
name = "dead-link"
reason = "dead links are fine"
action = "accept"
when.slot = "link"
when.uninspectable = "*"

[[rules]]
name = "late"
reason = "no time"
action = "reject"
when.uninspectable = "deadline"

[[rules]]
name = "no-icons"
reason = "no icons"
action = "reject"
when.slot = "icon"

[[rules]]
name = "known"
reason = "known"
action = "reject"
when.hash_list = "*"
"""
)
TIMEOUT, LATE = Uninspectable("timeout", temporary=True), Uninspectable("deadline", temporary=True)
NO_WORKER, CRASHED = CheckFailed("worker", "no-worker"), CheckFailed("worker", "worker-crashed")
ON_LIST = HashMatched("known", "sha256", 0, "1")
ATTEMPTS: dict[str, tuple[list[tuple[Slot, tuple[Finding, ...]]], str, bool]] = {
    "nothing failed": ([("attachment", (Labelled("c", "nsfw", 0.1),))], "default", False),
    "failed for now": ([("attachment", (TIMEOUT,))], "on_uninspectable", True),
    "no worker": ([("attachment", (NO_WORKER,))], "on_uninspectable", True),
    "failed for good": ([("attachment", (Uninspectable("decode-error"),))], "on_uninspectable", False),
    "a worker that crashes over it": ([("attachment", (CRASHED,))], "on_uninspectable", False),
    "no report at all": ([("attachment", ())], "on_uninspectable", False),
    "two for now": ([("attachment", (TIMEOUT,)), ("object", (NO_WORKER,))], "on_uninspectable", True),
    "one of two for good": ([("attachment", (TIMEOUT,)), ("image", (CRASHED,))], "on_uninspectable", False),
    "both on one medium": ([("attachment", (TIMEOUT, CRASHED))], "on_uninspectable", False),
    "a rule about failures": ([("attachment", (LATE,))], "late", True),
    "a rule about failures, and one for good": ([("attachment", (LATE,)), ("image", (CRASHED,))], "late", False),
    "a rule that would match anyway": ([("icon", (TIMEOUT,))], "no-icons", False),
    "something else that will be rejected": ([("attachment", (LATE,)), ("icon", ())], "late", False),
    "on a list already": ([("attachment", (ON_LIST, NO_WORKER))], "known", False),
    "excused": ([("link", (TIMEOUT,))], "dead-link", False),
}


@pytest.mark.parametrize(("media", "rule", "expected"), ATTEMPTS.values(), ids=ATTEMPTS)
def test_deferring_is_for_what_may_come_out_otherwise(
    media: list[tuple[Slot, tuple[Finding, ...]]], rule: str, expected: bool
) -> None:
    policy = load_policy(DEFERRING, "policy.toml")
    subject = evidence(*(medium(slot, *findings, decoded=False) for slot, findings in media))
    decision = decide(policy, subject, enforceable=ENFORCEABLE)
    assert decision.rule == rule
    assert deferrable(policy, decision, subject) is expected


@pytest.mark.parametrize(("finding", "expected"), [(TIMEOUT, True), (CRASHED, False)])
def test_what_is_let_in_uninspected_gets_a_second_try_first(finding: Finding, expected: bool) -> None:
    policy = load_policy(POLICY.replace('"reject"', '"accept"', 1), "policy.toml")
    subject = evidence(medium("attachment", finding, decoded=False))
    decision = decide(policy, subject, enforceable=ENFORCEABLE)
    assert (decision.action, decision.rule) == ("accept", "on_uninspectable")
    assert deferrable(policy, decision, subject) is expected


def test_nothing_is_deferred_to_be_rejected_by_default() -> None:
    policy = load_policy(POLICY.replace('"accept"', '"reject"', 1), "policy.toml")
    subject = evidence(medium("attachment", TIMEOUT, decoded=False))
    assert not deferrable(policy, decide(policy, subject, enforceable=ENFORCEABLE), subject)


@pytest.mark.parametrize("kind", bench.KINDS)
def test_many_rules_and_long_lists_decide_as_few_do(kind: str) -> None:
    policy, subject = bench.case(kind)
    assert decide(policy, subject, enforceable=ENFORCEABLE).rule == "default"
