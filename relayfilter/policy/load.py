"""From the text of a policy file to a Policy, or to the file, line and path of what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import UNSET

from relayfilter import strict_toml
from relayfilter.errors import ConfigError
from relayfilter.policy.conditions import DELIVERY_TESTS, MEDIUM_TESTS, When, instance_labels
from relayfilter.policy.instances import InstanceLists, parse_pattern
from relayfilter.policy.rules import Policy, Rule
from relayfilter.policy.tables import PolicyTable, RuleTable

T = TypeVar("T")
V = TypeVar("V")


def load_policy(text: str, file: str) -> Policy:
    """The policy in `text`; messages and places call it `file`. Raises ConfigError."""
    return _Loader(text, file).policy()


class _Loader:
    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._table = strict_toml.load(text, PolicyTable, file)
        self._lines = strict_toml.lines(text)

    def policy(self) -> Policy:
        lists = {
            name: [self._explain(parse_pattern, entry, "lists", name, n) for n, entry in enumerate(entries)]
            for name, entries in self._table.lists.items()
        }
        rules = tuple(self._rule(number, table) for number, table in enumerate(self._table.rules))
        by_instance: dict[str, list[int]] = {}
        for rule in rules:
            for label in rule.instances or ():
                by_instance.setdefault(label, []).append(rule.number)
        anywhere = tuple(rule for rule in rules if rule.instances is None)
        return Policy(
            file=self._file,
            table=self._table,
            places={name: self._place(name) for name in ("default", "on_uninspectable")},
            rules=rules,
            lists=InstanceLists.of(lists),
            anywhere=anywhere,
            anywhere_without_media=tuple(rule for rule in anywhere if not rule.medium_tests),
            by_instance={label: tuple(numbers) for label, numbers in by_instance.items()},
        )

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
        return Rule(
            number=number,
            place=self._place("rules", number),
            table=table,
            instances=self._instances(number, table.when),
            delivery_tests=self._tests(DELIVERY_TESTS, number, table.when),
            medium_tests=self._tests(MEDIUM_TESTS, number, table.when),
        )

    def _instances(self, number: int, when: When) -> frozenset[str] | None:
        for field in ("instance", "inner_instance"):
            if field in when.asked():
                labels = self._explain(instance_labels, when.asked()[field], "rules", number, "when", field)
                for label in sorted(labels):
                    if label.startswith("@") and label[1:] not in self._table.lists:
                        raise self._mistake(f"[lists] has no {label[1:]!r}", "rules", number, "when", field)
        return None if when.instance is UNSET else instance_labels(when.instance)

    def _tests(self, compilers: Mapping[str, Callable[[Any], T]], number: int, when: When) -> tuple[T, ...]:
        return tuple(
            self._explain(compilers[name], value, "rules", number, "when", name)
            for name, value in when.asked().items()
            if name in compilers
        )

    def _explain(self, compile_value: Callable[[V], T], value: V, *path: str | int) -> T:
        try:
            return compile_value(value)
        except ValueError as error:
            raise self._mistake(str(error), *path) from None

    def _mistake(self, message: str, *path: str | int) -> ConfigError:
        return ConfigError(
            message, file=self._file, line=strict_toml.line_of(self._lines, path), path=strict_toml.show(path)
        )

    def _place(self, *path: str | int) -> str:
        return f"{self._file}:{strict_toml.line_of(self._lines, path)}"
