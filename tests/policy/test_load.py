from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from relayfilter.errors import ConfigError
from relayfilter.policy.load import load_policy
from relayfilter.policy.problems import problems

SHIPPED = Path(__file__).parents[2] / "config" / "policy.toml"
TOP = 'default = "accept"\non_uninspectable = "reject"\n'
RULE = '[[rules]]\nname = "{}"\nreason = "r"\naction = "reject"\n'


def rule(name: str = "a", *lines: str) -> str:
    return RULE.format(name) + "".join(f"{line}\n" for line in lines)


# text -> line, path, part of the message
MISTAKES: dict[str, tuple[str, int | None, str, str]] = {
    "empty": ("", None, "$", "missing required field `default`"),
    "no on_uninspectable": ('default = "accept"\n', None, "$", "missing required field `on_uninspectable`"),
    "default may not defer": ('default = "defer"\n', 1, "$.default", "expected one of 'accept', 'reject'"),
    "deferring comes later": (
        'default = "accept"\non_uninspectable = "defer"\n',
        2,
        "$.on_uninspectable",
        "Invalid enum value 'defer', expected one of 'accept', 'reject'",
    ),
    "unknown key": (TOP + "more = 1\n", 3, "$.more", "unknown field"),
    "unknown rule key": (TOP + rule("a", "whem = {}"), 7, "$.rules[0].whem", "unknown field"),
    "unknown condition": (TOP + rule() + rule("b", "when.instanse = 'x'"), 11, "$.rules[1].when.instanse", "unknown"),
    "no name": (TOP + '[[rules]]\nreason = "r"\naction = "reject"\n', 3, "$.rules[0]", "missing required field `name`"),
    "no reason": (
        TOP + '[[rules]]\nname = "r"\naction = "reject"\n',
        3,
        "$.rules[0]",
        "missing required field `reason`",
    ),
    "empty reason": (TOP + rule().replace('"r"', '""'), 5, "$.rules[0].reason", "length >= 1"),
    "odd name": (TOP + rule("two words"), 4, "$.rules[0].name", "matching regex"),
    "unknown action": (
        TOP + rule().replace("reject", "drop"),
        6,
        "$.rules[0].action",
        "expected one of 'accept', 'mark_nsfw', 'reject', 'strip'",
    ),
    "same name twice": (TOP + rule("a", "when.gate = 'inbox'") + rule("a"), 9, "$.rules[1].name", "'a' is taken"),
    "name of the default": (TOP + rule("default"), 4, "$.rules[0].name", "'default' is taken"),
    "unreachable": (TOP + rule("a") + rule("b"), 7, "$.rules[1]", "never reached: 'a' matches everything"),
    "needless fallback": (TOP + rule("a", 'fallback = "accept"'), 7, "$.rules[0].fallback", "needs no fallback"),
    "odd fallback": (TOP + rule("a", 'fallback = "strip"'), 7, "$.rules[0].fallback", "expected one of"),
    "silent acceptance": (
        TOP + rule("a", "silent = true").replace("reject", "accept"),
        7,
        "$.rules[0].silent",
        "only a rejection can be silent",
    ),
    "no host in a list": (
        TOP + "[lists]\nx = [\n  'a.example',\n  'https://b.example',\n]\n",
        6,
        "$.lists.x[1]",
        "not the URL of an actor",
    ),
    "neither host nor URL in a list": (TOP + "lists.x = ['a b']\n", 3, "$.lists.x[0]", "nor the URL of an actor"),
    "number in a list": (TOP + "[lists]\nx = ['a.example', 3]\n", 4, "$.lists.x[1]", "Expected `str`, got `int`"),
    "odd list name": (TOP + "[lists]\n'a b' = []\n", 3, "$.lists", "matching regex"),
    "no such list": (TOP + rule("a", "when.instance = ['@x']"), 7, "$.rules[0].when.instance", "[lists] has no 'x'"),
    "no such list inside": (
        TOP + rule("a", "when.inner_instance = '@x'"),
        7,
        "$.rules[0].when.inner_instance",
        "[lists] has no 'x'",
    ),
    "no such list of actors": (
        TOP + rule("a", "when.actor = ['@x']"),
        7,
        "$.rules[0].when.actor",
        "[lists] has no 'x'",
    ),
    "no such list of communities": (
        TOP + rule("a", "when.community = '@x'"),
        7,
        "$.rules[0].when.community",
        "[lists] has no 'x'",
    ),
    "neither a list nor a file": (TOP + "lists.x = 'a.example'\n", 3, "$.lists.x", "Expected `object | array`"),
    "no such format": (
        TOP + "[lists.x]\nfile = 'x'\nformat = 'csv'\n",
        5,
        "$.lists.x.format",
        "expected one of 'mastodon', 'plain'",
    ),
    "no such severity": (
        TOP + "[lists.x]\nfile = 'x'\nformat = 'mastodon'\nseverity = ['suspend',\n'limit']\n",
        7,
        "$.lists.x.severity[1]",
        "expected one of 'noop', 'silence', 'suspend'",
    ),
    "no severity at all": (
        TOP + "[lists.x]\nfile = 'x'\nformat = 'mastodon'\nseverity = []\n",
        6,
        "$.lists.x.severity",
        "length >= 1",
    ),
    "a plain list with severities": (
        TOP + "[lists.x]\nfile = 'x'\nformat = 'plain'\nseverity = ['suspend']\n",
        6,
        "$.lists.x.severity",
        "a plain list has no severities",
    ),
    "no format": (TOP + "[lists.x]\nfile = 'x'\n", 3, "$.lists.x", "missing required field `format`"),
    "no file": (TOP + "[lists.x]\nfile = ''\nformat = 'plain'\n", 4, "$.lists.x.file", "length >= 1"),
    "no span": (TOP + "withhold_for = '30 days'\n", 3, "$.withhold_for", "no span of time"),
    "deferred for ever": (TOP + "deferral.within = 'forever'\n", 3, "$.deferral.within", "no span of time"),
    "deferred too often": (TOP + "[deferral]\nattempts = 101\n", 4, "$.deferral.attempts", "<= 100"),
    "no validity": (TOP + rule("a", "when.proof = 'bad'"), 7, "$.rules[0].when.proof", "'skipped', 'valid'"),
    "no age": (TOP + rule("a", "when.account_age = '< 7'"), 7, "$.rules[0].when.account_age", "no span of time"),
    "no host": (TOP + rule("a", "when.instance = 'a b'"), 7, "$.rules[0].when.instance", "neither a host"),
    "no comparison": (
        TOP + rule("a", "", "[rules.when.score]", "nsfw = '0.85'"),
        8,
        "$.rules[0].when.score",
        "'>= 0.85'",
    ),
    "a number for a comparison": (
        TOP + rule("a", "when.score = { nsfw = 0.85 }"),
        7,
        "$.rules[0].when.score.nsfw",
        "Expected `str`, got `float`",
    ),
    "percent": (TOP + rule("a", "when.score = { nsfw = '>= 85' }"), 7, "$.rules[0].when.score", "between 0 and 1"),
    "no such slot": (
        TOP + rule("a", "when.slot = ['icon', 'picture']"),
        7,
        "$.rules[0].when.slot[1]",
        "'icon', 'image'",
    ),
    "no such finding": (TOP + rule("a", "when.finding = 'error'"), 7, "$.rules[0].when.finding", "'uninspectable'"),
    "no such scheme": (TOP + rule("a", "when.scheme = 'lds'"), 7, "$.rules[0].when.scheme", "'cavage', 'rfc9421'"),
    "nothing to match": (TOP + rule("a", "when.actor = []"), 7, "$.rules[0].when.actor", "match nothing"),
    "text for a truth": (TOP + rule("a", "when.sensitive = 'yes'"), 7, "$.rules[0].when.sensitive", "Expected `bool`"),
}


@pytest.mark.parametrize(("text", "line", "path", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(text: str, line: int | None, path: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_policy(text, "policy.toml")
    assert (caught.value.line, caught.value.path) == (line, path)
    assert message in caught.value.message


def test_places_and_order() -> None:
    policy = load_policy(TOP + rule("a", "when.gate = 'inbox'") + "\n# comment\n" + rule("b"), "p.toml")
    assert [(rule.table.name, rule.place) for rule in policy.rules] == [
        ("a", "p.toml:3"),
        ("b", "p.toml:10"),
    ]
    assert policy.places == {"default": "p.toml:1", "on_uninspectable": "p.toml:2"}


def test_the_shipped_policy_loads_without_doubts() -> None:
    policy = load_policy(SHIPPED.read_text("utf-8"), "policy.toml")
    assert problems(policy, hash_lists=["testcard"]) == []
    assert (policy.table.default, policy.table.on_uninspectable) == ("accept", "reject")


def test_what_the_shipped_policy_offers_as_comments_is_valid_too() -> None:
    text = re.sub(r"^# (?=\[|\w+(?:\.\w+)? = )", "", SHIPPED.read_text("utf-8"), flags=re.MULTILINE)
    policy = load_policy(
        text, "policy.toml", {"lists/trusted.txt": "", "lists/domain_blocks.csv": "#domain"}.__getitem__
    )
    assert {"blocked", "blocked-author", "new-account", "hardly-seen"} <= {rule.table.name for rule in policy.rules}
    assert set(policy.table.lists) == {"partners", "trusted", "blocked"}


def test_every_setting_of_the_shipped_policy_is_explained() -> None:
    lines = SHIPPED.read_text("utf-8").splitlines()
    for above, line in itertools.pairwise(lines):
        if line.startswith(("[", "default", "on_uninspectable", "withhold_for", "attempts", "within")):
            assert above.startswith("#"), line


FILES = {
    "etc/blocks.csv": "#domain,#severity\nbad.example,suspend\nx*y.example,suspend\nloud.example,silence\n",
    "etc/lists/people.txt": "https://far.example/u/eve\n",
    "/abs.txt": "abs.example\n",
}
LISTS_IN_FILES = (
    TOP
    + """
[lists]
inline = ["in.example", "https://far.example/c/birds"]
people = { file = "lists/people.txt", format = "plain" }
absolute = { file = "/abs.txt", format = "plain" }

[lists.blocked]
file = "blocks.csv"
format = "mastodon"

[lists.loud]
file = "blocks.csv"
format = "mastodon"
severity = ["silence", "noop"]
"""
)


def read(file: str) -> str:
    try:
        return FILES[file]
    except KeyError:
        raise ConfigError("cannot be read: no such file", file=file) from None


def test_lists_from_files() -> None:
    policy = load_policy(LISTS_IN_FILES, "etc/policy.toml", read)
    assert policy.lists.names_by_entry == {
        "in.example": ("@inline",),
        "https://far.example/c/birds": ("@inline",),
        "https://far.example/u/eve": ("@people",),
        "abs.example": ("@absolute",),
        "bad.example": ("@blocked",),
        "*.bad.example": ("@blocked",),
        "loud.example": ("@loud",),
        "*.loud.example": ("@loud",),
    }
    assert policy.skipped == {"blocked": ["etc/blocks.csv:3: 'x*y.example'"]}


def test_a_mistake_in_a_list_file_names_that_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FILES, "etc/lists/people.txt", "https://far.example/u/eve\neve\u00e9 @far\n")
    with pytest.raises(ConfigError, match=r"^etc/lists/people.txt:2: .* is neither a host"):
        load_policy(LISTS_IN_FILES, "etc/policy.toml", read)


@pytest.mark.parametrize("reader", [(), (read,)], ids=["no files here", "missing"])
def test_a_list_file_that_cannot_be_read(reader: tuple[Callable[[str], str], ...]) -> None:
    with pytest.raises(ConfigError, match=r"^etc/gone.txt: cannot be read"):
        load_policy(TOP + 'lists.x = { file = "gone.txt", format = "plain" }\n', "etc/policy.toml", *reader)


def test_how_long_things_are_withheld_and_deferred() -> None:
    policy = load_policy(TOP, "p.toml")
    assert (policy.withhold_for, policy.defer_attempts, policy.defer_within) == (30 * 86_400, 3, 600)
    text = TOP + "withhold_for = 'forever'\n[deferral]\nattempts = 0\nwithin = '90s'\n"
    policy = load_policy(text, "p.toml")
    assert (policy.withhold_for, policy.defer_attempts, policy.defer_within) == (math.inf, 0, 90)
