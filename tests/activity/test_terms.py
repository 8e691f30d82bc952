from __future__ import annotations

from typing import Any

import pytest

from relayfilter.activity.terms import MAX_CONTEXT, aliases

AS = "https://www.w3.org/ns/activitystreams"
KNOWN = frozenset({AS, "https://w3id.org/security/v1"})

MASTODON = {
    "ostatus": "http://ostatus.org#",
    "atomUri": "ostatus:atomUri",
    "toot": "http://joinmastodon.org/ns#",
    "sensitive": "as:sensitive",
    "Hashtag": "as:Hashtag",
    "movedTo": {"@id": "as:movedTo", "@type": "@id"},
    "focalPoint": {"@container": "@list", "@id": "toot:focalPoint"},
    "schema": "http://schema.org#",
    "value": "schema:value",
    "quote": {"@id": "https://w3id.org/fep/044f#quote", "@type": "@id"},
}
MISSKEY = {
    "Key": "sec:Key",
    "misskey": "https://misskey-hub.net/ns#",
    "isCat": "misskey:isCat",
    "quoteUrl": "as:quoteUrl",
}
PEERTUBE = {
    "pt": "https://joinpeertube.org/ns#",
    "sc": "http://schema.org/",
    "uuid": "sc:identifier",
    "icons": "as:icon",
}
FRIENDICA = {"vcard": "http://www.w3.org/2006/vcard/ns#", "dfrn": "http://purl.org/macgirvin/dfrn/1.0/"}
PLEROMA = {"@language": "und"}


@pytest.mark.parametrize(
    ("context", "found"),
    [
        (AS, set()),
        ([AS, "https://w3id.org/security/v1"], set()),
        (None, set()),
        ([AS, MASTODON], set()),
        ([AS, MISSKEY], set()),
        ([AS, PEERTUBE], {"icons"}),
        ([AS, FRIENDICA, PLEROMA], set()),
        ([AS, {"id": "@id", "type": "@type"}], set()),
        ([AS, {"url": "as:url", "image": {"@id": "as:image", "@type": "@id"}, "icon": f"{AS}#icon"}], set()),
        ([AS, {"contentMap": {"@id": "as:content", "@container": "@language"}}], set()),
        ([AS, {"image": "http://schema.org/image", "content": None, "preview": {"@type": "@id"}}], set()),
        ([AS, {"bild": "as:image"}], {"bild"}),
        ([AS, {"bild": {"@id": "as:image"}}], {"bild"}),
        ([AS, {"bild": f"{AS}#image"}], {"bild"}),
        ([AS, {"Bild": "as:Image"}], {"Bild"}),
        ([AS, {"x": f"{AS}#", "bild": "x:image"}], {"bild"}),
        ([AS, {"x": f"{AS}#im", "bild": "x:age"}], {"bild"}),
        ([AS, {"x": "as:im", "y": "x:a", "bild": "y:ge"}], {"bild"}),
        ([AS, {"x": {"@id": f"{AS}#"}, "bild": {"@id": "x:image"}}], {"bild"}),
        ([AS, {"x": f"{AS}#"}, {"bild": "x:image"}, {"x": "http://other.test/"}], {"bild"}),
        ([AS, {"as": "http://other.test/", "bild": "as:image"}], set()),
        ([AS, {"other": "as:image", "bild": "other"}], {"other", "bild"}),
        ([AS, {"bild": "other"}], {"bild"}),
        ([AS, {"a": "b:x", "b": "a:x"}], {"a", "b"}),
        ([AS, {"name": "as:image"}], {"name"}),
        ([AS, {"image": "as:icon"}], {"image"}),
        ([AS, {"image": {"@id": "as:image", "@container": "@id"}}], {"image"}),
        ([AS, {"attachment": {"@id": "as:attachment", "@container": "@language"}}], {"attachment"}),
        ([AS, {"url": {"@id": "as:url", "@type": "@vocab"}}], {"url"}),
        ([AS, {"kind": "@type", "more": "@included", "in": "@nest", "one": "@value"}], {"kind", "more", "in", "one"}),
        ([AS, {"of": {"@reverse": "as:image"}}], {"of"}),
        ([AS, {"Thing": {"@id": "http://a.test/Thing", "@context": {"bild": "as:image"}}}], {"Thing"}),
        ([AS, {"odd": 7, "odder": {"@id": ["as:image"]}}], {"odd", "odder"}),
        ([AS, {"bild": {"@id": None}}], set()),
    ],
)
def test_names_that_might_be_media(context: Any, found: set[str]) -> None:
    assert aliases(context, KNOWN, nested=False) == frozenset(found)


@pytest.mark.parametrize(
    "context",
    [
        "https://evil.test/context",
        [AS, "https://evil.test/context"],
        [AS, {"@vocab": f"{AS}#at"}],
        [AS, {"@base": "https://evil.test/"}],
        [AS, {"@import": AS}],
        [AS, {"@propagate": False}],
        [AS, [AS]],
        7,
        [AS, {f"term{n}": "http://a.test/" for n in range(MAX_CONTEXT // 20)}],
    ],
)
def test_contexts_that_cannot_be_told(context: Any) -> None:
    assert aliases(context, KNOWN, nested=False) is None


def test_a_nested_context_may_use_a_prefix_of_the_one_around_it() -> None:
    context = [AS, {"bild": "x:image", "sensitive": "as:sensitive"}]
    assert aliases(context, KNOWN, nested=False) == frozenset()
    assert aliases(context, KNOWN, nested=True) == frozenset({"bild"})
