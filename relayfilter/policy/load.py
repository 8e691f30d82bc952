"""From the text of a policy file to a Policy, or to the file, line and path of what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import TypeVar

from msgspec import UNSET

from relayfilter import strict_toml
from relayfilter.errors import ConfigError
from relayfilter.policy.comparisons import parse_span, parse_span_or_forever
from relayfilter.policy.conditions import NAME_A_LIST, OF_DELIVERY, OF_MEDIUM, When
from relayfilter.policy.list_files import ListRead, read_mastodon, read_plain
from relayfilter.policy.lists import NamedLists, parse_entry
from relayfilter.policy.rules import Policy, Rule, RuleIndex
from relayfilter.policy.tables import ListFile, PolicyTable, RuleTable

T = TypeVar("T")
V = TypeVar("V")


def _read_nothing(file: str) -> str:
    raise ConfigError("cannot be read here", file=file)


def load_policy(text: str, file: str, read: Callable[[str], str] = _read_nothing) -> Policy:
    """The policy in `text`; messages and places call it `file`. Raises ConfigError.

    `read` gives the text of a list file; it gets the file's name as seen from where `file` is seen from, and raises
    ConfigError when it cannot."""
    return _Loader(text, file, read).policy()


class _Loader:
    def __init__(self, text: str, file: str, read: Callable[[str], str]) -> None:
        self._file = file
        self._read = read
        self._table = strict_toml.load(text, PolicyTable, file)
        self._lines = strict_toml.lines(text)

    def policy(self) -> Policy:
        table = self._table
        lists = {name: self._list(name, content) for name, content in table.lists.items()}
        rules = tuple(self._rule(number, rule) for number, rule in enumerate(table.rules))
        return Policy(
            file=self._file,
            table=table,
            places={name: self._place(name) for name in ("default", "on_uninspectable")},
            withhold_for=self._explain(parse_span_or_forever, table.withhold_for, "withhold_for"),
            defer_attempts=table.deferral.attempts,
            defer_within=self._explain(parse_span, table.deferral.within, "deferral", "within"),
            rules=rules,
            index=RuleIndex.of(rules),
            lists=NamedLists.of({name: read.entries for name, read in lists.items()}),
            skipped={name: read.skipped for name, read in lists.items() if read.skipped},
        )

    def _list(self, name: str, content: list[str] | ListFile) -> ListRead:
        if isinstance(content, list):
            return ListRead([self._explain(parse_entry, text, "lists", name, n) for n, text in enumerate(content)], [])
        if content.format == "plain" and content.severity is not UNSET:
            raise self._mistake("a plain list has no severities", "lists", name, "severity")
        file = str(PurePath(self._file).parent / content.file)
        if content.format == "plain":
            return read_plain(self._read(file), file)
        return read_mastodon(self._read(file), file, content.severity or ["suspend"])

    def _rule(self, number: int, table: RuleTable) -> Rule:
        earlier = self._table.rules[:number]
        if table.name in ("default", "on_uninspectable") or any(table.name == other.name for other in earlier):
            raise self._mistake(f"the name {table.name!r} is taken", "rules", number, "name")
        if earlier and not earlier[-1].when.asked():
            raise self._mistake(f"never reached: {earlier[-1].name!r} matches everything", "rules", number)
        if table.fallback is not UNSET and table.action not in ("strip", "mark_nsfw"):
            raise self._mistake(f"{table.action!r} needs no fallback", "rules", number, "fallback")
        if table.silent and table.action == "accept":
            raise self._mistake("only a rejection can be silent", "rules", number, "silent")
        self._check(number, table.when)
        return Rule(self._place("rules", number), table)

    def _check(self, number: int, when: When) -> None:
        for name, value in when.asked().items():
            condition = OF_DELIVERY.get(name) or OF_MEDIUM[name]
            self._explain(condition.check, value, "rules", number, "when", name)
            if name in NAME_A_LIST:
                for label in [value] if isinstance(value, str) else value:
                    if label.startswith("@") and label[1:] not in self._table.lists:
                        raise self._mistake(f"[lists] has no {label[1:]!r}", "rules", number, "when", name)

    def _explain(self, read_value: Callable[[V], T], value: V, *path: str | int) -> T:
        try:
            return read_value(value)
        except ValueError as error:
            raise self._mistake(str(error), *path) from None

    def _mistake(self, message: str, *path: str | int) -> ConfigError:
        return ConfigError(
            message, file=self._file, line=strict_toml.line_of(self._lines, path), path=strict_toml.show(path)
        )

    def _place(self, *path: str | int) -> str:
        return f"{self._file}:{strict_toml.line_of(self._lines, path)}"
