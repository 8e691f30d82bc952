from __future__ import annotations

import pytest

from relayfilter.policy.load import load_policy
from relayfilter.policy.problems import problems

TOP = 'default = "accept"\non_uninspectable = "reject"\n'
CARD = '[[rules]]\nname = "card"\nreason = "r"\naction = "reject"\nwhen.hash_list = "testcard"\n'


def rule(name: str, action: str, *lines: str) -> str:
    return f'[[rules]]\nname = "{name}"\nreason = "r"\naction = "{action}"\n' + "".join(f"{line}\n" for line in lines)


DOUBTS = {
    "no rule for the test card": (
        TOP,
        ["policy.toml:1: default lets the test card in, as attachment, image, icon, markdown, html, link"],
    ),
    "a rule before it": (
        TOP + rule("links", "accept", "when.slot = 'link'") + CARD,
        [
            "policy.toml:3: links lets the test card in, as link",
            "policy.toml:3: links lets a picture that cannot be decoded in, as link",
            "policy.toml:3: rule links accepts a whole delivery for one medium, before card has looked at the others; "
            "move it down",
        ],
    ),
    "uninspectable": (
        TOP.replace("reject", "accept") + CARD,
        [
            "policy.toml:2: on_uninspectable lets a picture that cannot be decoded in, as attachment, image, icon, "
            "markdown, html, link"
        ],
    ),
    "nothing strips": (
        TOP + CARD + rule("strip", "strip", "when.finding = 'labelled'"),
        ["policy.toml:8: nothing here can strip, so rule strip does its fallback"],
    ),
    "the same twice": (
        TOP + CARD + rule("b", "reject", "when.slot = 'icon'") + rule("c", "reject", "when = { slot = 'icon' }"),
        ["policy.toml:13: rule c is never reached, as b asks the same before it"],
    ),
    "a hash list that is not loaded": (
        TOP + CARD + rule("b", "reject", "when.hash_list = ['known', '*', 'gone']"),
        ["policy.toml:8: rule b asks for the hash list gone, which is not loaded"],
    ),
    "a list that nobody uses": (
        TOP
        + "[lists]\nx = []\ny = []\nz = []\n"
        + CARD
        + rule("b", "reject", "when.instance = '@x'")
        + rule("c", "reject", "when.inner_instance = ['@y']"),
        ["policy.toml: no rule uses the list z"],
    ),
    "a list of hosts for actors": (
        TOP
        + "[lists]\nhosts = ['a.example']\nboth = ['a.example', 'https://a.example/u/1']\nids = ['https://a.example/c/1']\n"
        + CARD
        + rule("b", "reject", "when.actor = ['@hosts', '@both']")
        + rule("c", "reject", "when.instance = '@ids'")
        + rule("d", "reject", "when.inner_instance = '@both'")
        + rule("e", "reject", "when.community = '@ids'"),
        [
            "policy.toml:12: rule b finds nobody on @hosts, which has no URL",
            "policy.toml:17: rule c finds nobody on @ids, which has no host",
        ],
    ),
    "nothing": (TOP + CARD, []),
}


@pytest.mark.parametrize(("text", "expected"), DOUBTS.values(), ids=DOUBTS)
def test_problems(text: str, expected: list[str]) -> None:
    assert problems(load_policy(text, "policy.toml"), hash_lists=["testcard", "known"]) == expected


def test_what_can_be_enforced_is_no_problem() -> None:
    policy = load_policy(TOP + CARD + rule("strip", "strip", "when.finding = 'labelled'"), "policy.toml")
    assert problems(policy, enforceable=frozenset({"strip"})) == []


def test_without_knowing_the_hash_lists_none_is_missing() -> None:
    assert problems(load_policy(TOP + CARD, "policy.toml")) == []


def test_domains_made_unreadable_are_named_once_for_each_list() -> None:
    text = (
        TOP + "lists.a = { file = 'a.csv', format = 'mastodon' }\n" + CARD + rule("b", "reject", "when.instance = '@a'")
    )
    one = load_policy(text, "policy.toml", lambda _: "#domain\nx.example\ny*.example\n")
    assert problems(one) == ["a.csv:3: 'y*.example' on the list a cannot be read, so nobody matches"]
    more = load_policy(text, "policy.toml", lambda _: "#domain\ny*.example\nz*.example\nw*.example\n")
    assert problems(more) == ["a.csv:2: 'y*.example' and 2 more on the list a cannot be read, so nobody matches"]
