from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.ledger.digests import SIZE, digest_of, digest_of_any_spelling

POST = "https://alpha.example/post/1"


@pytest.mark.parametrize(
    "spelling",
    [
        POST,
        "HTTPS://alpha.example/post/1",
        "https://ALPHA.example/post/1",
        "https://alpha.example:443/post/1",
        "https://alpha.example./post/1",
        "https://alpha.example/./post/1",
        "https://alpha.example/x/../post/1",
        "https://alpha.example/../post/1",
        "https://alpha.example/x/%2E%2e/post/1",
        "https://alpha.example/%70ost/1",
    ],
)
def test_every_spelling_of_an_id_has_one_digest(spelling: str) -> None:
    assert digest_of_any_spelling(spelling) == digest_of(POST)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://bücher.example/a", "https://xn--bcher-kva.example/a"),
        ("https://alpha.example/é", "https://alpha.example/%C3%A9"),
        ("https://alpha.example", "https://alpha.example/"),
        ("https://alpha.example/?x='", "https://alpha.example/?x=%27"),
        ("https://alpha.example/a/.", "https://alpha.example/a/"),
    ],
)
def test_two_spellings_of_an_odd_id_have_one_digest(one: str, other: str) -> None:
    assert digest_of_any_spelling(one) == digest_of_any_spelling(other)


@pytest.mark.parametrize(
    "other",
    [
        "http://alpha.example/post/1",
        "https://alpha.example/post/1/",
        "https://alpha.example/post/1?x",
        "https://alpha.example/post/1#x",
        "https://alpha.example/Post/1",
        "https://alpha.example:8443/post/1",
        "https://beta.example/post/1",
        "https://alpha.example/post/.1",
        "post/1",
        "",
    ],
)
def test_what_may_be_another_object_has_another_digest(other: str) -> None:
    assert digest_of_any_spelling(other) != digest_of(POST)


@given(st.text(max_size=60) | st.text("./%2eE?#a").map(lambda rest: f"https://a.example/{rest}"))
def test_every_text_has_a_digest(text: str) -> None:
    assert len(digest_of_any_spelling(text)) == len(digest_of(text)) == SIZE
