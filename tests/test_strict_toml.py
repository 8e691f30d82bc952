from __future__ import annotations

import time
import tomllib
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayfilter import strict_toml
from relayfilter.errors import ConfigError


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    colour: Literal["red", "green"] = "red"
    limits: dict[str, int] = {}


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    inner: Inner = Inner()
    tags: str | list[str] = ""
    mode: Literal["a", "b"] | list[Literal["a", "b"]] = "a"


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    items: tuple[Item, ...] = ()
    lists: dict[str, list[str]] = {}
    inner: Inner = Inner()
    ports: dict[int, str] = {}


def mistake(text: str) -> tuple[int | None, str | None, str]:
    with pytest.raises(ConfigError) as caught:
        strict_toml.load(text, Document, "x.toml")
    error = caught.value
    assert error.file == "x.toml"
    place = "x.toml" if error.line is None else f"x.toml:{error.line}"
    assert str(error).startswith(f"{place}: ")
    return error.line, error.path, error.message


def test_a_right_document() -> None:
    text = 'title = "t"\n[[items]]\nname = "a"\ninner = { colour = "green", limits = { x = 1 } }\n'
    assert strict_toml.load(text, Document, "x.toml") == Document(
        title="t", items=(Item(name="a", inner=Inner(colour="green", limits={"x": 1})),)
    )


# text -> line, path, part of the message
MISTAKES: dict[str, tuple[str, int | None, str | None, str]] = {
    "not TOML": ('title = "t"\n\nx = = 1\n', 3, None, "not TOML"),
    "not TOML at the end": ('title = "t"\nx = [1,\n2\n', 4, None, "not TOML"),
    "string without an end": ('title = "t\n', 1, None, "not TOML"),
    "key twice": ('title = "t"\n\ntitle = "u"\n', 3, None, "not TOML"),
    "table twice": ('title = "t"\n[inner]\n[lists]\n[inner]\n', 4, None, "not TOML"),
    "nothing at all": ("", None, "$", "missing required field `title`"),
    "missing at the top": ("\n[inner]\n", None, "$", "missing required field `title`"),
    "wrong type": ("\n# comment\ntitle = 3\n", 3, "$.title", "Expected `str`, got `int`"),
    "unknown at the top": ('title = "t"\nmore = 1\n', 2, "$.more", "unknown field `more`"),
    "unknown table": ('title = "t"\n\n[more]\nx = 1\n', 3, "$.more", "unknown field `more`"),
    "unknown nested table": ('title = "t"\n\n[more.and.more]\nx = 1\n', 3, "$.more", "unknown field `more`"),
    "unknown in a table": ('title = "t"\n[inner]\ncolour = "red"\nmore = 1\n', 4, "$.inner.more", "unknown field"),
    "unknown by a dotted key": ('title = "t"\ninner.more = 1\n', 2, "$.inner.more", "unknown field"),
    "unknown in an inline table": ('title = "t"\ninner = { colour = "red", more = 1 }\n', 2, "$.inner.more", "unknown"),
    "unknown in an array of tables": (
        'title = "t"\n[[items]]\nname = "a"\n\n[[items]]\nname = "b"\n# comment\nmore = 1\n',
        8,
        "$.items[1].more",
        "unknown field",
    ),
    "missing in an array of tables": (
        'title = "t"\n[[items]]\nname = "a"\n\n[[items]]\ntags = "x"\n',
        5,
        "$.items[1]",
        "missing required field `name`",
    ),
    "missing in an inline array": (
        'title = "t"\nitems = [\n  { name = "a" },\n  # comment\n  { tags = "x" },\n]\n',
        5,
        "$.items[1]",
        "missing required field `name`",
    ),
    "literal": ('title = "t"\n[inner]\ncolour = "blue"\n', 3, "$.inner.colour", "expected one of 'green', 'red'"),
    "literal in an array of tables": (
        'title = "t"\n[[items]]\nname = "a"\n[items.inner]\ncolour = "blue"\n',
        5,
        "$.items[0].inner.colour",
        "expected one of 'green', 'red'",
    ),
    "literal or array of them": (
        'title = "t"\n[[items]]\nname = "a"\nmode = "c"\n',
        4,
        "$.items[0].mode",
        "expected one of 'a', 'b'",
    ),
    "literal in an array": (
        'title = "t"\n[[items]]\nname = "a"\nmode = [\n"a",\n"c"]\n',
        6,
        "$.items[0].mode[1]",
        "expected one of 'a', 'b'",
    ),
    "constraint": ('title = "t"\n[[items]]\nname = ""\n', 3, "$.items[0].name", "length >= 1"),
    "element of a long array": (
        'title = "t"\n[lists]\nok = ["a"]\nbad = [\n  "a", # one\n\n  "b",\n  3,\n]\n',
        8,
        "$.lists.bad[2]",
        "Expected `str`, got `int`",
    ),
    "element on one line": ('title = "t"\nlists.bad = ["a", 3]\n', 2, "$.lists.bad[1]", "Expected `str`, got `int`"),
    "value of a dict in an array": (
        'title = "t"\n[[items]]\nname = "a"\n[items.inner.limits]\ngood = 1\n"b.ad" = "x"\n',
        6,
        "$.items[0].inner.limits.b.ad",
        "Expected `int`, got `str`",
    ),
    "value of a dict, inline": (
        'title = "t"\ninner.limits = { good = 1, bad = "x" }\n',
        2,
        "$.inner.limits.bad",
        "Expected `int`, got `str`",
    ),
    "after a long string": (
        'title = """\n[[items]]\nname = 3\n"""\n[[items]]\nname = 3\n',
        6,
        "$.items[0].name",
        "Expected `str`, got `int`",
    ),
    "long literal string": ("title = '''\n'quoted'\n[x]'''\nmore = 1\n", 4, "$.more", "unknown field"),
    "string with a hash and brackets": ('title = "# [x] = \\" {"\nmore = 1\n', 2, "$.more", "unknown field"),
    "quotes at the end of a long string": ('title = """a""""\'\nmore = 1\n'.replace("'", ""), 2, "$.more", "unknown"),
    "carriage returns": ('title = "t"\r\n\r\n[inner]\r\nmore = 1\r\n', 4, "$.inner.more", "unknown field"),
    "blanks in a header": ('title = "t"\n[ inner . limits ]\nx = "y"\n', 3, "$.inner.limits.x", "Expected `int`"),
    "quoted keys": ('title = "t"\n["inner".\'limits\']\n"x y" = "y"\n', 3, "$.inner.limits.x y", "Expected `int`"),
    "a date before": ("title = 1979-05-27 07:32:00 # x\n", 1, "$.title", "Expected `str`"),
    "table instead of an array": ('title = "t"\n[items]\nname = "a"\n', 2, "$.items", "Expected `array`, got `object`"),
    "value instead of a table": ('title = "t"\n\ninner = 3\n', 3, "$.inner", "Expected `object`, got `int`"),
    "key of a dict": ('title = "t"\n[ports]\nx = "y"\n', 2, "$.ports", "Expected `int`, got `str`"),
}


@pytest.mark.parametrize(("text", "line", "path", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_has_its_line_and_path(text: str, line: int | None, path: str | None, message: str) -> None:
    found_line, found_path, found_message = mistake(text)
    assert (found_line, found_path) == (line, path)
    assert message in found_message


def test_of_several_wrong_entries_the_first_is_named() -> None:
    assert mistake('title = "t"\n[lists]\na = ["x"]\nb = [1]\nc = [2]\n')[:2] == (4, "$.lists.b[0]")


def test_a_mistake_further_down_does_not_blame_a_right_entry() -> None:
    text = 'title = "t"\n[lists]\na = ["x"]\nb = [1]\n[inner]\ncolour = "blue"\n'
    assert mistake(text)[:2] == (4, "$.lists.b[0]")


def test_line_of_something_missing_is_that_of_what_encloses_it() -> None:
    known = strict_toml.lines("a = 1\n[b]\nc = [\n1]\n")
    assert strict_toml.line_of(known, ("b", "c", 5, "x")) == 3
    assert strict_toml.line_of(known, ("b", "d")) == 2
    assert strict_toml.line_of(known, ("e",)) is None


def test_lines_of_nested_arrays_of_tables() -> None:
    text = "[[a]]\nx = 1\n[[a.b]]\n[[a.b]]\ny = [[1,\n2], [{z = 1}]]\n[[a]]\n[[a.b]]\n[a.b.c]\n"
    assert strict_toml.lines(text) == {
        ("a",): 1,
        ("a", 0): 1,
        ("a", 0, "x"): 2,
        ("a", 0, "b"): 3,
        ("a", 0, "b", 0): 3,
        ("a", 0, "b", 1): 4,
        ("a", 0, "b", 1, "y"): 5,
        ("a", 0, "b", 1, "y", 0): 5,
        ("a", 0, "b", 1, "y", 0, 0): 5,
        ("a", 0, "b", 1, "y", 0, 1): 6,
        ("a", 0, "b", 1, "y", 1): 6,
        ("a", 0, "b", 1, "y", 1, 0): 6,
        ("a", 0, "b", 1, "y", 1, 0, "z"): 6,
        ("a", 1): 7,
        ("a", 1, "b"): 8,
        ("a", 1, "b", 0): 8,
        ("a", 1, "b", 0, "c"): 9,
    }


def test_a_mistake_in_a_huge_list_is_found_quickly() -> None:
    hosts = "".join(f'  "h{n}.example", # {n}\n' for n in range(50_000))
    started = time.process_time()
    assert mistake(f'title = "t"\nlists.big = [\n{hosts}  7,\n]\n')[:2] == (50_003, "$.lists.big[50000]")
    assert time.process_time() - started < 5


KEYS = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True) | st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), max_size=6
).map(lambda key: "'" + key.replace("'", "") + "'")
# fmt: off
SCALARS = st.sampled_from([
    "1", "-1.5e3", "true", "inf", "0xff", "1979-05-27T07:32:00Z", "07:32:00", '"a # [b"', "'{x'", '"\\""', '""', "''",
    '"""\na\n"b" ""\\\n  c"""', "'''\n''a'''", '"""a"""""', "''''a'''''",
])
# fmt: on
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ", # ]\n".join(items) + "\n]")
        | st.dictionaries(KEYS, inner, max_size=3).map(
            lambda table: "{ " + ", ".join(f"{key} = {value}" for key, value in table.items()) + " }"
        )
    ),
    max_leaves=6,
)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(" = ".join),
    st.tuples(KEYS, KEYS, VALUES).map(lambda parts: f"{parts[0]} . {parts[1]} = {parts[2]}"),
    st.tuples(KEYS, KEYS).map(lambda parts: f"[{parts[0]}.{parts[1]}]"),
    KEYS.map(lambda key: f"[[ {key} ]] # x"),
    st.just("# [comment]"),
)


@given(st.lists(LINES, max_size=8))
def test_every_value_of_every_document_has_a_line(parts: list[str]) -> None:
    text = "\n".join(parts)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    known = strict_toml.lines(text)
    assert set(known) == set(paths(document))
    assert set(known.values()) <= set(range(1, text.count("\n") + 2))


def paths(value: Any, at: strict_toml.Path = ()) -> list[strict_toml.Path]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[strict_toml.Path] = []
    for step, inner in members:
        found += [(*at, step), *paths(inner, (*at, step))]
    return found
