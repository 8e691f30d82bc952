"""The decision: the first rule that matches, or what the policy says for when none does. Pure, and never an exception.

A failure is never an acceptance by itself: what was not fully looked at reaches `on_uninspectable` before `default`,
and a rule whose action cannot be enforced here does what its `fallback` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from msgspec import UNSET

from relayfilter.policy.conditions import Facts
from relayfilter.policy.evidence import Decision, Evidence, InspectedMedia, Verb
from relayfilter.policy.rules import Policy, Rule


def decide(policy: Policy, evidence: Evidence, *, enforceable: Set[Verb]) -> Decision:
    """What to do about `evidence`. `enforceable` has the actions beyond accept and reject that can be carried out."""
    facts = Facts.of(evidence, policy.lists)
    for rule in policy.candidates(facts):
        if (media := rule.matches(facts)) is not None:
            return _apply(rule, media, enforceable)
    if facts.uninspected:
        return Decision(
            action=policy.table.on_uninspectable,
            rule="on_uninspectable",
            reason="a medium could not be inspected",
            place=policy.places["on_uninspectable"],
            pointers=_pointers(facts.uninspected),
        )
    return Decision(
        action=policy.table.default, rule="default", reason="no rule matched", place=policy.places["default"]
    )


def _apply(rule: Rule, media: Iterable[InspectedMedia], enforceable: Set[Verb]) -> Decision:
    table = rule.table
    action: Verb = table.action
    if action not in ("accept", "reject") and action not in enforceable:
        action = "reject" if table.fallback is UNSET else table.fallback
    return Decision(
        action=action,
        rule=table.name,
        reason=table.reason,
        place=rule.place,
        pointers=_pointers(media),
        wanted=None if action == table.action else table.action,
        silent=table.silent and action == "reject",
    )


def _pointers(media: Iterable[InspectedMedia]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(medium.ref.pointer for medium in media))
