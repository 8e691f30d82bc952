"""TOML into strict msgspec structs, with the file, line and path of every mistake.

tomllib gives no positions, so a line is found by asking which is the shortest prefix of the file that parses and
already holds the path. Definitions are never taken back in TOML, so that search may be a bisection. It runs only when
there is a mistake to report.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, TypeVar

import msgspec

from relayfilter.errors import ConfigError

T = TypeVar("T")

_AT_PATH = re.compile(r"^(?P<message>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"unknown field `([^`]*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")


def parse(text: str, file: str) -> dict[str, Any]:
    """The plain TOML document. Raises ConfigError with the line that tomllib names."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        at_end = text.count("\n") + 1
        raise ConfigError(f"not TOML: {error}", file=file, line=int(line[1]) if line else at_end) from None


def convert(document: dict[str, Any], into: type[T], text: str, file: str) -> T:
    """`document` (the parse of `text`) as the struct `into`. Raises ConfigError with line and path."""
    try:
        return msgspec.convert(document, into, strict=True)
    except msgspec.ValidationError as error:
        match = _AT_PATH.match(str(error))
        assert match is not None
        message, path = match["message"], match["path"] or "$"
        if unknown := _UNKNOWN_FIELD.search(message):
            path = f"{path}.{unknown[1]}"
        raise ConfigError(message, file=file, line=line_of(text, path), path=path) from None


def load(text: str, into: type[T], file: str) -> T:
    """`text` as the struct `into`. Raises ConfigError with file, line and path."""
    return convert(parse(text, file), into, text, file)


def line_of(text: str, path: str) -> int | None:
    """The line (from 1) at which `path`, such as `$.rules[3].when`, is first defined; None when it is not found."""
    steps: list[str | int] = [int(index) if index else key for key, index in _STEP.findall(path) if key or index]
    lines = text.splitlines(keepends=True)
    low, high, found = 1, len(lines), None
    while low <= high:
        middle = (low + high) // 2
        parsed_to, document = _parseable_prefix(lines, middle)
        if _holds(document, steps):
            found, high = parsed_to, parsed_to - 1
        else:
            low = middle + 1
    if found is None:
        return None
    # A value may span lines: its definition starts right after the last prefix that parsed without it.
    before = found - 1
    while before > 0 and not _parses(lines[:before]):
        before -= 1
    start = before + 1
    while start < found and not lines[start - 1].split("#", 1)[0].strip():
        start += 1
    return start


def _parses(lines: list[str]) -> bool:
    try:
        tomllib.loads("".join(lines))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _parseable_prefix(lines: list[str], count: int) -> tuple[int, dict[str, Any]]:
    while count > 0:
        try:
            return count, tomllib.loads("".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            count -= 1
    return 0, {}


def _holds(document: Any, steps: list[str | int]) -> bool:
    for step in steps:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True
