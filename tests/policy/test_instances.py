from __future__ import annotations

import pytest

from relayfilter.policy.instances import InstanceLists, normalise_host, parse_pattern

LISTS = InstanceLists.of(
    {"a": ["one.example", "*.two.example"], "b": ["*.two.example", "x.two.example"], "c": ["*.example"]}
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
    assert LISTS.labels(host) == labels


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
