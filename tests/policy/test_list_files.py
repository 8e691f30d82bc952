from __future__ import annotations

import pytest

from relayfilter.errors import ConfigError
from relayfilter.policy.list_files import read_mastodon, read_plain

EXPORT = """#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate
bad.example,suspend,true,true,"spam, and
worse",false
Loud.example,silence,false,false,,false
quiet.example,noop,true,false,"",false
ob*****ed.example,suspend,true,true,,true

plain.example,,,,,
b\u00fccher.example,suspend,,,,
"""


def test_plain() -> None:
    text = "\ufeff# ours\r\nA.example  # why\n\n *.b.example\t\n  #c.example\nhttps://d.example/u/ann#main # a person\n"
    assert read_plain(text, "x.txt") == (["a.example", "*.b.example", "https://d.example/u/ann#main"], [])


@pytest.mark.parametrize("entry", ["a b.example", "*", "@ann@a.example", "http://", "a.example,suspend"])
def test_a_mistake_in_a_plain_list_has_its_line(entry: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_plain(f"good.example\n\n{entry}\n", "lists/x.txt")
    assert str(caught.value).startswith("lists/x.txt:3: ")


def test_mastodon_blocks_cover_what_is_below() -> None:
    read = read_mastodon(EXPORT, "blocks.csv", ["suspend"])
    hosts = ["bad.example", "plain.example", "xn--bcher-kva.example"]
    assert read.entries == [entry for host in hosts for entry in (host, f"*.{host}")]


def test_mastodon_severities() -> None:
    read = read_mastodon(EXPORT, "blocks.csv", ["silence", "noop"])
    assert read == (["loud.example", "*.loud.example", "quiet.example", "*.quiet.example"], [])


def test_obfuscated_domains_are_skipped_and_named() -> None:
    assert read_mastodon(EXPORT, "blocks.csv", ["suspend"]).skipped == ["blocks.csv:6: 'ob*****ed.example'"]


@pytest.mark.parametrize("head", ["#severity,#domain", "severity , domain", "\ufeff#severity,#domain,#more"])
def test_columns_go_by_their_names(head: str) -> None:
    assert read_mastodon(f"{head}\r\nsuspend, a.example\r\n", "x", ["suspend"]).entries == ["a.example", "*.a.example"]


def test_without_severities_all_suspend() -> None:
    assert read_mastodon("domain\na.example\n", "x", ["suspend"]).entries == ["a.example", "*.a.example"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("a.example\nb.example\n", 1),
        ("#domain,#severity\na.example,suspend\n\nhttps://b.example,suspend\n", 4),
        ('#domain,#public_comment\na.example,"x\ny"\nnot a host,\n', 4),
        ('#domain\na.example\n"b"c\n', 3),
        ("#severity,#domain\nsuspend,a.example\nsuspend\n", 3),
    ],
    ids=["empty", "no head", "a URL", "after a comment of two lines", "not CSV", "no domain in the row"],
)
def test_a_mistake_in_an_export_has_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        read_mastodon(text, "lists/blocks.csv", ["suspend"])
    assert str(caught.value).startswith(f"lists/blocks.csv:{line}: ")
