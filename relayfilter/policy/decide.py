"""The decision: the first rule that matches, or what the policy says for when none does. Pure, and never an exception.

A failure is never an acceptance by itself: what was not fully looked at reaches `on_uninspectable` before `default`,
and a rule whose action cannot be enforced here does what its `fallback` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from itertools import compress
from typing import Final, get_args

import msgspec
from msgspec import UNSET

from relayfilter.media.finding import CheckFailed, Finding, Labelled, MediaReport, Uninspectable
from relayfilter.policy.conditions import Facts
from relayfilter.policy.evidence import Decision, Evidence, InspectedMedia, Verb
from relayfilter.policy.rules import Match, Policy

_WORTH_ANOTHER_TRY: Final = (("worker", "no-worker"),)
_ALL: Final = frozenset[Verb](get_args(Verb))
_HARMLESS: Final = Labelled(classifier="", label="", score=0.0)


def decide(policy: Policy, evidence: Evidence, *, enforceable: Set[Verb]) -> Decision:
    """What to do about `evidence`. `enforceable` has the actions beyond accept and reject that can be carried out."""
    facts = Facts.of(evidence, policy.lists)
    if match := policy.first_match(facts):
        return _apply(match, enforceable)
    if any(facts.uninspected):
        return Decision(
            action=policy.table.on_uninspectable,
            rule="on_uninspectable",
            reason="a medium could not be inspected",
            place=policy.places["on_uninspectable"],
            pointers=_pointers(compress(evidence.media, facts.uninspected)),
        )
    return Decision(
        action=policy.table.default, rule="default", reason="no rule matched", place=policy.places["default"]
    )


def deferrable(policy: Policy, decision: Decision, evidence: Evidence) -> bool:
    """Whether trying again later may help: had everything that failed for now been looked at and found harmless, would
    `decision` over `evidence` have been another, and no rejection? What a rule accepts needs no second try."""
    if decision.action == "accept" and decision.rule != "on_uninspectable":
        return False
    media = tuple(msgspec.structs.replace(medium, report=_had_it_worked(medium.report)) for medium in evidence.media)
    hopeful = decide(policy, msgspec.structs.replace(evidence, media=media), enforceable=_ALL)
    return hopeful.rule != decision.rule and hopeful.action != "reject"


def _had_it_worked(report: MediaReport) -> MediaReport:
    findings = tuple(finding for finding in report.findings if not _is_temporary(finding))
    if len(findings) == len(report.findings):
        return report
    return msgspec.structs.replace(report, findings=(*findings, _HARMLESS))


def _is_temporary(finding: Finding) -> bool:
    match finding:
        case Uninspectable(temporary=temporary):
            return temporary
        case CheckFailed(check=check, reason=reason):
            return (check, reason) in _WORTH_ANOTHER_TRY
    return False


def _apply(match: Match, enforceable: Set[Verb]) -> Decision:
    rule, table = match.rule, match.rule.table
    action: Verb = table.action
    if action not in ("accept", "reject") and action not in enforceable:
        action = "reject" if table.fallback is UNSET else table.fallback
    return Decision(
        action=action,
        rule=table.name,
        reason=table.reason,
        place=rule.place,
        pointers=_pointers(match.media),
        wanted=None if action == table.action else table.action,
        silent=table.silent and action == "reject",
    )


def _pointers(media: Iterable[InspectedMedia]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(medium.ref.pointer for medium in media))
