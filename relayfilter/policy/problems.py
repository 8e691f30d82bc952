"""What is allowed in a policy but probably not meant: warnings for whoever runs `relayfilter check`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Set
from typing import Final

from relayfilter.activity.media_ref import MediaRef, Slot
from relayfilter.media.finding import Finding, HashMatched, MediaReport, Uninspectable
from relayfilter.policy.conditions import NAME_A_LIST
from relayfilter.policy.decide import decide
from relayfilter.policy.evidence import Decision, Evidence, InspectedMedia, Verb
from relayfilter.policy.rules import Policy

_TEST_CARD: Final = HashMatched(list="testcard", algorithm="pdq", distance=0, entry="test card")
_UNREADABLE: Final = Uninspectable(reason="decode-error")
_SHOWN: Final[tuple[Slot, ...]] = ("attachment", "image", "icon", "markdown", "html", "link")


def problems(
    policy: Policy, *, enforceable: Set[Verb] = frozenset(), hash_lists: Collection[str] | None = None
) -> list[str]:
    """One sentence for each doubt, with `file:line` where it has one.

    `enforceable` has the actions beyond accept and reject that can be carried out, `hash_lists` the names of the lists
    that are loaded (None: not known, so that rules which name a list cannot be checked).
    """
    return [
        *_accepted(policy, _TEST_CARD, "the test card", enforceable),
        *_accepted(policy, _UNREADABLE, "a picture that cannot be decoded", enforceable),
        *(
            sentence
            for number in range(len(policy.rules))
            for sentence in _doubts(policy, number, enforceable, hash_lists)
        ),
        *_on_lists(policy),
    ]


def _accepted(policy: Policy, finding: Finding, what: str, enforceable: Set[Verb]) -> Iterator[str]:
    """Would `finding` on a picture from a stranger get in?"""
    slots: dict[Decision, list[Slot]] = {}
    for slot in _SHOWN:
        medium = InspectedMedia(MediaRef("/object/attachment/0/url", "", slot), MediaReport(findings=(finding,)))
        evidence = Evidence(
            gate="inbox",
            actor="https://stranger.invalid/u/somebody",
            instance="stranger.invalid",
            activity_type="Create",
            object_type="Page",
            scheme="cavage",
            media=(medium,),
        )
        slots.setdefault(decide(policy, evidence, enforceable=enforceable), []).append(slot)
    for decision, accepted in slots.items():
        if decision.action == "accept":
            yield f"{decision.place}: {decision.rule} lets {what} in, as {', '.join(accepted)}"


def _doubts(policy: Policy, number: int, enforceable: Set[Verb], hash_lists: Collection[str] | None) -> Iterator[str]:
    rule = policy.rules[number]
    table, asked = rule.table, rule.table.when.asked()
    if table.action not in ("accept", "reject") and table.action not in enforceable:
        yield f"{rule.place}: nothing here can {table.action}, so rule {table.name} does its fallback"
    for earlier in policy.rules[:number]:
        if asked and earlier.table.when.asked() == asked:
            yield f"{rule.place}: rule {table.name} is never reached, as {earlier.table.name} asks the same before it"
    if table.action == "accept" and rule.asks_of_media():
        for later in policy.rules[number:]:
            if later.asks_of_media() and later.table.action != "accept":
                yield (
                    f"{rule.place}: rule {table.name} accepts a whole delivery for one medium, before "
                    f"{later.table.name} has looked at the others; move it down"
                )
                break
    for name in _texts(asked.get("hash_list", ())):
        if hash_lists is not None and name != "*" and name not in hash_lists:
            yield f"{rule.place}: rule {table.name} asks for the hash list {name}, which is not loaded"


def _on_lists(policy: Policy) -> Iterator[str]:
    for name, (example, *others) in policy.skipped.items():
        more = f" and {len(others)} more" if others else ""
        yield f"{example}{more} on the list {name} cannot be read, so nobody matches"
    kinds = {(name, "://" in entry) for entry, names in policy.lists.names_by_entry.items() for name in names}
    used = set()
    for rule in policy.rules:
        for field, value in rule.table.when.asked().items():
            for name in _texts(value) if field in NAME_A_LIST else ():
                used.add(name)
                wants_ids = field in ("actor", "community")
                if (name, not wants_ids) in kinds and (name, wants_ids) not in kinds:
                    kind = "URL" if wants_ids else "host"
                    yield f"{rule.place}: rule {rule.table.name} finds nobody on {name}, which has no {kind}"
    for name in policy.table.lists:
        if f"@{name}" not in used:
            yield f"{policy.file}: no rule uses the list {name}"


def _texts(value: str | Collection[str]) -> Collection[str]:
    return [value] if isinstance(value, str) else value
