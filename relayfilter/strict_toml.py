"""TOML into strict msgspec structs, with the file, line and path of every mistake.

tomllib gives values without positions and msgspec gives paths, so the lines come from a scan of their own. It reads a
document that tomllib has accepted, so it need not judge, only count; and it runs when there is a mistake to report or
when somebody asks where something stands.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from relayfilter.errors import ConfigError

T = TypeVar("T")
Path = tuple[str | int, ...]

_AT_PATH = re.compile(r"^(?P<message>.*?)(?: - at (?:`key` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"^Object contains unknown field `([^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(\.\.\.)\]")
_TOKEN = re.compile(
    r"""(?P<newline>\n) | (?P<blank>[ \t\r]+|\#[^\n]*)
    | (?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    | (?P<mark>[\[\]{}=,]) | (?P<bare>[^\s\[\]{}=,"'#]+)""",
    re.VERBOSE | re.DOTALL,
)


def parse(text: str, file: str) -> dict[str, Any]:
    """The plain TOML document. Raises ConfigError with the line that tomllib names."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        named = re.search(r"at line (\d+)", str(error))
        line = int(named[1]) if named else text.count("\n") + 1
        raise ConfigError(f"not TOML: {error}", file=file, line=line) from None


def convert(document: dict[str, Any], into: type[T], text: str, file: str) -> T:
    """`document` (the parse of `text`) as the struct `into`. Raises ConfigError with line and path."""
    try:
        return msgspec.convert(document, into, strict=True)
    except msgspec.ValidationError as error:
        match = _AT_PATH.match(str(error))
        assert match is not None
        message, path = match["message"], _complete(match["path"] or "$", document, into, str(error))
        if unknown := _UNKNOWN_FIELD.match(message):
            path = (*path, unknown[1])
        if allowed := _allowed(into, path):
            message = f"{message}, expected one of {allowed}"
        raise ConfigError(message, file=file, line=line_of(lines(text), path), path=show(path)) from None


def load(text: str, into: type[T], file: str) -> T:
    """`text` as the struct `into`. Raises ConfigError with file, line and path."""
    return convert(parse(text, file), into, text, file)


def line_of(known: Mapping[Path, int], path: Path) -> int | None:
    """The line (from 1) of `path`, such as `("rules", 3, "when")`, among the `known` lines of a document; when it is
    missing, that of what encloses it; None for the document as a whole."""
    while path and path not in known:
        path = path[:-1]
    return known.get(path)


def show(path: Path) -> str:
    """`$.rules[3].when`, as msgspec writes paths."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def lines(text: str) -> dict[Path, int]:
    """The line on which each table, key and array element of the valid document `text` is first defined."""
    return _Scan(text).document()


def _complete(path: str, document: dict[str, Any], into: type[Any], error: str) -> Path:
    """msgspec leaves the keys of dicts out (`[...]`): the culprit is the key that, alone, gives the same error."""
    steps: Path = ()
    for key, index, unnamed in _STEP.findall(path):
        if not unnamed:
            steps = (*steps, int(index) if index else key)
            continue
        for candidate in _at(document, steps):
            try:
                msgspec.convert(_with_only(document, (*steps, candidate)), into, strict=True)
            except msgspec.ValidationError as same:
                if str(same) == error:
                    steps = (*steps, candidate)
                    break
    return steps


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def _with_only(document: Any, path: Path) -> Any:
    """A copy of `document` in which the table that holds the last step of `path` holds nothing else."""
    step, *rest = path
    if not rest:
        return {step: document[step]}
    copy = document.copy()
    copy[step] = _with_only(document[step], tuple(rest))
    return copy


def _allowed(into: type[Any], path: Path) -> str:
    """The literals that may stand at `path`, if only such may."""
    types: list[inspect.Type] = [inspect.type_info(into)]
    for step in path:
        types = [inner for kind in types for inner in _inner_types(kind, step)]
    types = [member for kind in types for member in (kind.types if isinstance(kind, inspect.UnionType) else (kind,))]
    literals = [repr(value) for kind in types if isinstance(kind, inspect.LiteralType) for value in kind.values]
    return ", ".join(literals)


def _inner_types(kind: inspect.Type, step: str | int) -> Iterator[inspect.Type]:
    match kind:
        case inspect.StructType():
            yield from (field.type for field in kind.fields if field.encode_name == step)
        case inspect.ListType() | inspect.VarTupleType():
            yield kind.item_type
        case inspect.DictType():
            yield kind.value_type
        case inspect.UnionType():
            for member in kind.types:
                yield from _inner_types(member, step)


class _Scan:
    """A walk over the tokens of a valid TOML document."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str, int]] = []
        line = 1
        for token in _TOKEN.finditer(text):
            kind, value = str(token.lastgroup), token[0]
            if kind != "blank":
                self._tokens.append((kind, value, line))
            line += value.count("\n")
        self._tokens.append(("end", "", line))
        self._next = 0
        self._lines: dict[Path, int] = {}
        self._array_lengths: dict[Path, int] = {}

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while (ahead := self._peek()) != "end":
            if ahead == "\n":
                self._next += 1
            elif ahead == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _header(self) -> Path:
        line = self._tokens[self._next][2]
        opening = self._take_while("[")
        *outer, name = self._key()
        self._take_while("]")
        path: Path = ()
        for step in outer:
            self._define((*path, step), line)
            path = self._latest((*path, step))
        path = (*path, name)
        self._define(path, line)
        if opening == 2:
            path = (*path, self._array_lengths.get(path, 0))
            self._array_lengths[path[:-1]] = int(path[-1]) + 1
            self._define(path, line)
        return path

    def _latest(self, path: Path) -> Path:
        """`path`, or its last element so far when it is an array of tables."""
        return (*path, self._array_lengths[path] - 1) if path in self._array_lengths else path

    def _pair(self, table: Path) -> None:
        line = self._tokens[self._next][2]
        path = table
        for step in self._key():
            path = (*path, step)
            self._define(path, line)
        self._next += 1  # the equals sign
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self._peek()
        if opening not in ("[", "{"):
            while self._peek() not in (",", "]", "}", "\n", "end"):
                self._next += 1
            return
        self._next += 1
        index = 0
        while (ahead := self._peek()) not in ("]", "}"):
            if ahead in (",", "\n"):
                self._next += 1
            elif opening == "[":
                self._define((*path, index), self._tokens[self._next][2])
                self._value((*path, index))
                index += 1
            else:
                self._pair(path)
        self._next += 1

    def _key(self) -> list[str]:
        steps: list[str] = []
        while self._peek() not in ("=", "]"):
            kind, value, _ = self._tokens[self._next]
            self._next += 1
            steps += [tomllib.loads(f"key = {value}")["key"]] if kind == "string" else filter(None, value.split("."))
        return steps

    def _peek(self) -> str:
        """The next token: a mark as it is, and the name of its kind for anything else."""
        kind, value, _ = self._tokens[self._next]
        return value if kind in ("mark", "newline") else kind

    def _take_while(self, mark: str) -> int:
        start = self._next
        while self._peek() == mark:
            self._next += 1
        return self._next - start

    def _define(self, path: Path, line: int) -> None:
        self._lines.setdefault(path, line)
