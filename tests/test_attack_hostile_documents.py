"""Attacks with documents that cost more to read than to write, or that two readers read differently.

Hash floods, deep nesting, bombs of Markdown and HTML, packed bodies, huge numbers, ten thousand references (mastodon
issue 21977, CVE-2026-23962). All are well signed, so that they get as far as they can; each is answered within seconds.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import pytest

from tests.support.attacks import Played, attack
from tests.support.cases import Case, Scene, note, signed
from tests.support.world_actors import Actor
from tests.support.world_delivery import Answer, encode

_ROOM = 250_000
"""Bytes of a body, all but the limit."""
_PICTURES = 32
"""How many references of one delivery are looked at, by default."""


@pytest.fixture(scope="module")
def played() -> Played:
    return Played(_many, _deep, _texts, _packed, _numbers)


def test_ten_thousand_references(played: Played) -> None:
    played.withstood(_many)


def test_deep_nesting(played: Played) -> None:
    played.withstood(_deep)


def test_bombs_of_markdown_and_html(played: Played) -> None:
    played.withstood(_texts)


def test_packed_bodies(played: Played) -> None:
    played.withstood(_packed)


def test_huge_numbers(played: Played) -> None:
    played.withstood(_numbers)


def _with(author: Actor, member: str, text: bytes) -> bytes:
    """A note of `author` with one more member, in JSON as given."""
    return encode(note(author))[:-1] + b',"%b":%b}' % (member.encode(), text)


def _many(scene: Scene) -> Iterator[Case]:
    alice, beta = scene.alice, scene.beta

    def few_fetches(_answer: Answer) -> str | None:
        count = sum(count for target, count in beta.requests.items() if target.startswith("/many/"))
        return None if count <= _PICTURES * len(named) else f"{count} fetches"

    urls = [f"https://beta.example/many/{number}" for number in range(10_000)]
    named: dict[str, dict[str, Any]] = {
        "attachments": {"attachment": urls[:6000]},
        "pictures in Markdown": {"source": {"content": "".join(f"![]({url})" for url in urls[:6500])}},
        "emojis": {"tag": [{"type": "Emoji", "icon": {"url": url}} for url in urls[:3000]]},
    }
    for name, members in named.items():
        activity = partial(_noted, alice, members)
        yield attack(f"thousands of {name}", signed(alice, activity), 403, "", within=5, also=few_fetches)
    flood = ",".join(f'"{number:x}":0' for number in range(25_000))
    yield _harmless("25,000 members in an object", scene, partial(_with, alice, "x", f"{{{flood}}}".encode()))
    yield _harmless("60,000 items in an array", scene, partial(_with, alice, "x", str([[]] * 60_000).encode()))


def _noted(author: Actor, members: dict[str, Any]) -> dict[str, Any]:
    activity = note(author)
    activity["object"] |= members
    return activity


def _harmless(name: str, scene: Scene, activity: Any) -> Case:
    """Nothing is to be withheld, but it has to be fast."""
    return Case(0, name, signed(scene.alice, activity), "F", within=2)


def _deep(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    for name, opening, closing in (("arrays", b"[", b"]"), ("objects", b'{"object":', b"}")):
        for depth in (100, 1_000, 20_000):
            text = opening * depth + b"0" + closing * depth
            yield attack(f"{depth} {name}", signed(alice, partial(_with, alice, "x", text)), 400, "too-deep", within=2)
        unclosed = signed(alice, partial(bytes, opening * (_ROOM // len(opening))))
        yield attack(f"{name} that never end", unclosed, 400, "", within=2)
    wrapped = b'{"type":"Announce","object":' * 1_000 + b"0" + b"}" * 1_000
    yield attack("announces in announces", signed(alice, partial(_with, alice, "object2", wrapped)), 400, "too-deep")


def _texts(scene: Scene) -> Iterator[Case]:
    expected: tuple[tuple[str, str, int | Literal["F"]], ...] = (
        ("[", "[", "F"),
        ("![", "![", 403),
        ("nested pictures", "![a](", 403),
        ("nested links", "[a](<", "F"),
        ("quotes", ">", "F"),
        ("nested lists", "* ", "F"),
        ("emphasis", "*a_", "F"),
        ("code fences", "``` ", "F"),
        ("entities", "&#0;", "F"),
        ("brackets and parentheses", "[](", "F"),
        ("definitions", "[a]: b\n", "F"),
        ("tags", "<a>", "F"),
        ("unclosed pictures", "<img src=", 403),
        ("comments", "<!--", "F"),
        ("processing instructions", "<?", "F"),
        ("nested tables", "<table>", "F"),
    )
    for name, piece, verdict in expected:
        text = piece * (_ROOM // 2 // len(piece))
        for member in ("markdown", "html"):
            members = {"source": {"content": text}} if member == "markdown" else {"content": text}
            request = signed(scene.alice, partial(_noted, scene.alice, members))
            yield Case(0, f"{name} as {member}", request, verdict, within=3)


def _packed(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    plain = encode(note(alice))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("activity.json", plain)
    for name, encoding, body in (
        ("gzip", "gzip", gzip.compress(plain)),
        ("deflate", "deflate", zlib.compress(plain)),
        ("zip", "zip", archive.getvalue()),
        ("a gzip bomb", "gzip", gzip.compress(bytes(100_000_000))),
    ):
        packed = signed(alice, partial(bytes, body))
        yield attack(name, packed, 400, "", within=2)
        labelled = signed(alice, partial(bytes, body), extra=[("Content-Encoding", encoding)])
        yield attack(f"{name}, and says so", labelled, 415, "content-encoding", within=2)
    lie = signed(alice, extra=[("Content-Encoding", "gzip")])
    yield attack("not packed, but says so", lie, 415, "content-encoding")


def _numbers(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    for name, number, reason in (
        ("200,000 digits", b"1" * 200_000, "number-too-long"),
        ("a negative one", b"-" + b"9" * 200_000, "number-too-long"),
        ("an exponent of a billion", b"1e1000000000", "not-finite"),
        ("a long exponent", b"1e" + b"9" * 100_000, "not-finite"),
        ("Infinity", b"Infinity", "not-finite"),
        ("a leading zero", b"01", "not-json"),
        ("a plus sign", b"+1", "not-json"),
        ("hexadecimal", b"0x10", "not-json"),
    ):
        yield attack(name, signed(alice, partial(_with, alice, "x", number)), 400, reason, within=2)
    for name, number in (("a tiny one", b"1e-1000000000"), ("200,000 decimals", b"0." + b"1" * 200_000)):
        yield _harmless(name, scene, partial(_with, alice, "x", number))
