"""What instances, actors and communities are called in a policy: by name, by domains above, by the lists they are on.

An entry of a list is a host, `*.domain` for everything below one, or the URL of an actor or a community.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import idna
import msgspec

from relayfilter.signatures.owner import CanonicalId, canonical_id

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*")


class NamedLists(msgspec.Struct, frozen=True):
    """The `@name`s of the lists on which each entry stands: built once, asked for every delivery."""

    names_by_entry: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, lists: Mapping[str, Iterable[str]]) -> NamedLists:
        """`lists` has entries as `parse_entry` gives them, by the name of the list."""
        by_entry: dict[str, tuple[str, ...]] = {}
        for name, entries in lists.items():
            alone = (f"@{name}",)
            for entry in dict.fromkeys(entries):
                by_entry[entry] = by_entry[entry] + alone if entry in by_entry else alone
        return cls(by_entry)

    def labels_of_host(self, host: str) -> frozenset[str]:
        """Everything that a rule may call `host`: itself, `*.` and each domain above it, `@` and each list."""
        patterns = list(_patterns(normalise_host(host)))
        return frozenset(patterns).union(*(self.names_by_entry.get(pattern, ()) for pattern in patterns))

    def labels_of_id(self, url: str) -> tuple[str, ...]:
        """Everything that a rule may call the actor or community `url`: itself, `@` and each list."""
        url = normalise_id(url)
        return (url, *self.names_by_entry.get(url, ()))


def parse_entry(text: str) -> str:
    """An entry of a list, normalised. Raises ValueError saying what it should be."""
    if "://" in text:
        return parse_id(text)
    try:
        return parse_pattern(text)
    except ValueError as error:
        raise ValueError(f"{error} nor the URL of an actor or community") from None


def parse_id(text: str) -> str:
    """The URL of an actor or community, normalised. Raises ValueError on what is none, or has no path."""
    if text.count("/") < 3 or not isinstance(canonical_id(text), CanonicalId):
        raise ValueError(f"{text!r} is not the URL of an actor or community (https://social.example/u/ann)")
    return normalise_id(text)


def normalise_id(url: str) -> str:
    """`url` in the one spelling of canonical_id, if it has one."""
    canonical = canonical_id(url)
    return f"https://{canonical.host}{canonical.rest}" if isinstance(canonical, CanonicalId) else url


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
    """A host or `*.domain`, normalised. Raises ValueError saying what it should be."""
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
