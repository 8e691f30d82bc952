"""Lists in files of their own: plain ones, and the domain blocks that Mastodon exports.

- plain: one entry a line (see lists.py); what follows a `#` at the start of a line or behind a blank is a comment.
- mastodon: CSV, its first line `#domain,#severity,...` in any order, with or without the `#`. As in Mastodon, an entry
  means a domain and everything below it, and one without a severity suspends. Domains that were made unreadable for
  publication (`ex*mple.social`) can match nobody: they are skipped, and said to be.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from relayfilter.errors import ConfigError
from relayfilter.policy.lists import parse_entry, parse_pattern

_COMMENT = re.compile(r"(?:^|\s)#.*")


class ListRead(NamedTuple):
    """The entries of a list file as `parse_entry` gives them, and the `file:line: entry` of those that were skipped."""

    entries: list[str]
    skipped: list[str]


def read_plain(text: str, file: str) -> ListRead:
    """Raises ConfigError with the line of the first entry that is none."""
    entries = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if entry := _COMMENT.sub("", line).strip():
            try:
                entries.append(parse_entry(entry))
            except ValueError as error:
                raise ConfigError(str(error), file=file, line=number) from None
    return ListRead(entries, [])


def read_mastodon(text: str, file: str, severities: Collection[str]) -> ListRead:
    """The domains with one of `severities`. Raises ConfigError with the line of what is no such export."""
    read = ListRead([], [])
    for number, domain, severity in _rows(text, file):
        if severity not in severities:
            continue
        if "*" in domain:
            read.skipped.append(f"{file}:{number}: {domain!r}")
            continue
        try:
            host = parse_pattern(domain)
        except ValueError as error:
            raise ConfigError(str(error), file=file, line=number) from None
        read.entries.extend((host, f"*.{host}"))
    return read


def _rows(text: str, file: str) -> Iterator[tuple[int, str, str]]:
    """Line, domain and severity of each row."""
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    number = 1
    try:
        columns = [name.strip().removeprefix("#") for name in next(rows, [])]
        if "domain" not in columns:
            raise ConfigError(
                "the first line names no column #domain, as an export of Mastodon does", file=file, line=1
            )
        number = rows.line_num + 1
        for row in rows:
            if row:
                cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
                yield number, cells.get("domain", ""), cells.get("severity") or "suspend"
            number = rows.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"not CSV: {error}", file=file, line=number) from None
