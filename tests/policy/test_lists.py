from __future__ import annotations

import pytest

from relayfilter.policy.lists import NamedLists, normalise_host, parse_entry, parse_id, parse_pattern

ANN = "https://one.example/u/ann"
LISTS = NamedLists.of(
    {"a": ["one.example", "*.two.example", ANN], "b": ["*.two.example", "x.two.example", ANN], "c": ["*.example"]}
)


@pytest.mark.parametrize(
    ("host", "labels"),
    [
        ("one.example", {"one.example", "*.example", "@a", "@c"}),
        ("two.example", {"two.example", "*.example", "@c"}),
        ("y.two.example", {"y.two.example", "*.two.example", "*.example", "@a", "@b", "@c"}),
        ("z.y.two.example", {"z.y.two.example", "*.y.two.example", "*.two.example", "*.example", "@a", "@b", "@c"}),
        ("anothertwo.example", {"anothertwo.example", "*.example", "@c"}),
        ("ONE.Example.", {"one.example", "*.example", "@a", "@c"}),
        ("localhost", {"localhost"}),
        ("", {""}),
    ],
)
def test_labels(host: str, labels: set[str]) -> None:
    assert LISTS.labels_of_host(host) == labels


@pytest.mark.parametrize(
    ("pattern", "normalised"),
    [
        ("A.Example", "a.example"),
        ("a.example.", "a.example"),
        ("*.A.example", "*.a.example"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("*.b\u00fccher.example", "*.xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("my_host.example", "my_host.example"),
    ],
)
def test_patterns(pattern: str, normalised: str) -> None:
    assert parse_pattern(pattern) == normalised


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "*",
        "*.",
        ".example",
        "a..example",
        "*a.example",
        "a.*.example",
        "*.*.example",
        "https://a.example",
        "a.example/x",
        "a.example:443",
        "@ann@a.example",
        "a b",
        "a" * 64 + ".example",
        "a." * 130 + "example",
        "\u2024.example",
    ],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="neither a host"):
        parse_pattern(pattern)


def test_a_host_that_has_no_ascii_form_stays_as_it_is() -> None:
    assert normalise_host("\u2024.example") == "\u2024.example"


def test_ids_are_called_by_themselves_and_by_their_lists() -> None:
    assert LISTS.labels_of_id(ANN) == (ANN, "@a", "@b")
    assert LISTS.labels_of_id("https://one.example/u/bob") == ("https://one.example/u/bob",)


@pytest.mark.parametrize("spelling", ["https://ONE.example/u/ann", "HTTPS://one.example.:443/u/ann"])
def test_nobody_leaves_a_list_by_another_spelling(spelling: str) -> None:
    assert LISTS.labels_of_id(spelling) == (ANN, "@a", "@b")


def test_an_entry_twice_on_a_list_counts_once() -> None:
    assert NamedLists.of({"a": ["x.example", "x.example"]}).names_by_entry == {"x.example": ("@a",)}


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("*.Far.example", "*.far.example"),
        ("HTTPS://Far.Example/u/Ann", "https://far.example/u/Ann"),
        ("https://B\u00fccher.example:443/u/ann", "https://xn--bcher-kva.example/u/ann"),
        ("https://far.example/", "https://far.example/"),
        ("https://far.example/c/x?y#z", "https://far.example/c/x?y#z"),
    ],
)
def test_entries(text: str, entry: str) -> None:
    assert parse_entry(text) == entry


@pytest.mark.parametrize(
    "text",
    [
        "ftp://far.example/x",
        "http://far.example/x",
        "https://",
        "https:///x",
        "https://far.example",
        "https://far.example/a b",
        "https://?x",
    ],
)
def test_what_is_no_id(text: str) -> None:
    for parse in (parse_id, parse_entry):
        with pytest.raises(ValueError, match="not the URL of an actor or community"):
            parse(text)


def test_what_is_no_entry_hears_of_both_kinds() -> None:
    with pytest.raises(ValueError, match=r"neither a host .* nor the URL of an actor or community"):
        parse_entry("@ann@far.example")
