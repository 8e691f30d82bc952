"""What an instance is called in a policy: by its host, by the domains above it, by the lists that it is on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import idna
import msgspec

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*")


class InstanceLists(msgspec.Struct, frozen=True):
    """Which lists an instance pattern (`host` or `*.domain`) stands on: built once, asked for every delivery."""

    lists_by_pattern: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, lists: Mapping[str, Iterable[str]]) -> InstanceLists:
        by_pattern: dict[str, tuple[str, ...]] = {}
        for name, patterns in lists.items():
            for pattern in dict.fromkeys(patterns):
                by_pattern[pattern] = (*by_pattern.get(pattern, ()), f"@{name}")
        return cls(by_pattern)

    def labels(self, host: str) -> frozenset[str]:
        """Everything that a rule may call `host`: itself, `*.` and each domain above it, `@` and each list."""
        patterns = list(_patterns(normalise_host(host)))
        return frozenset(patterns).union(*(self.lists_by_pattern.get(pattern, ()) for pattern in patterns))


def normalise_host(host: str) -> str:
    """Lower case, ASCII (IDNA 2008 with UTS 46 mapping), without the dot of the root."""
    host = host.lower().removesuffix(".")
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        return host


def parse_pattern(pattern: str) -> str:
    """An entry of a list, normalised. Raises ValueError saying what it should be."""
    star, _, domain = pattern.rpartition("*.")
    domain = normalise_host(domain)
    if star or not _HOST.fullmatch(domain):
        raise ValueError(f"{pattern!r} is neither a host (social.example) nor everything below one (*.social.example)")
    return f"*.{domain}" if pattern.startswith("*.") else domain


def _patterns(host: str) -> Iterator[str]:
    yield host
    while "." in host:
        host = host.partition(".")[2]
        yield f"*.{host}"
