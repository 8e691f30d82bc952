from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import pytest

from relayfilter.signatures import rdf
from relayfilter.signatures.contexts import ACTIVITYSTREAMS, KNOWN, OWN
from relayfilter.signatures.rdf import Refused

AS = "https://www.w3.org/ns/activitystreams#"
Document = dict[str, Any]


def note(**members: Any) -> Document:
    return {"@context": ACTIVITYSTREAMS, "id": "https://a.test/1", "type": "Note", **members}


def nested(depth: int) -> Document:
    """`depth` objects and arrays within each other, the document counted."""
    inner: Document = {"id": "https://a.test/x"}
    for level in range(depth - 1):
        inner = {"id": f"https://a.test/{level}", "object": inner}
    return {"@context": ACTIVITYSTREAMS, **inner}


def clique(size: int) -> Document:
    """Labelled blank nodes, each pointing to all others: 574 bytes at seven."""
    names = [f"_:b{number}" for number in range(size)]
    nodes = [{"id": name, "tag": [other for other in names if other != name]} for name in names]
    return note(tag=nodes)


def forks(size: int) -> Document:
    """A tree without a label in it: two nodes that look alike, each with leaves that do."""
    return note(attachment=[{"tag": [{"type": "Image"}] * size}] * 2)


def shared_types(size: int) -> Document:
    """Types that nobody has defined are blank nodes in ActivityStreams, whose @vocab is `_:`."""
    return note(attachment=[{"type": [f"T{number}" for number in range(size)]}] * size)


def ring(size: int) -> Document:
    names = [f"_:b{number}" for number in range(size)]
    return note(tag=[{"id": one, "object": other} for one, other in pairwise([*names, names[0]])])


def chain(length: int) -> Document:
    """A list of equal items: each is a blank node that points to the next."""
    return note(**{"@context": [ACTIVITYSTREAMS, {"l": {"@id": "as:l", "@container": "@list"}}], "l": [1] * length})


def binary_tree(depth: int) -> Document:
    inner: Document = {"type": "Image"}
    for _ in range(depth):
        inner = {"tag": [inner, inner]}
    return note(attachment=[inner, inner])


POISON = {
    "clique": clique(7),
    "forks": forks(8),
    "types": shared_types(7),
    "ring": ring(60),
    "chain": chain(300),
    "tree": binary_tree(6),
}


@pytest.mark.parametrize("name", POISON)
def test_graphs_that_poison_canonicalisation_are_refused_at_once(name: str) -> None:
    rdf.canonical_nquads(note())
    started = time.process_time()
    assert rdf.canonical_nquads(POISON[name]) == Refused("blank-nodes-alike")
    assert time.process_time() - started < 5


FOCAL_POINT = {"focalPoint": {"@id": "http://joinmastodon.org/ns#focalPoint", "@container": "@list"}}


@pytest.mark.parametrize(
    "members",
    [
        {"attachment": [{"type": "Image", "url": "https://a.test/1.png"}] * 2, "tag": [{"type": "Mention"}] * 20},
        {"attachment": [{"type": "Image", "name": str(n), "icon": {"name": str(n)}} for n in range(30)]},
        {
            "@context": [ACTIVITYSTREAMS, FOCAL_POINT],
            "attachment": [{"url": f"https://a.test/{n}.png", "focalPoint": [0.0, 0.0]} for n in range(16)],
        },
        {
            "@context": [ACTIVITYSTREAMS, FOCAL_POINT],
            "attachment": [{"type": "Image", "focalPoint": [0.0, 0.0]} for n in range(4)],
        },
    ],
    ids=["the same twice", "many", "focal points", "the same with focal points"],
)
def test_what_honest_documents_repeat_is_canonicalised(members: Document) -> None:
    started = time.process_time()
    assert isinstance(rdf.canonical_nquads(note(**members)), str)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (nested(200), "too-deep"),
        (nested(25), "too-deep"),
        (note(tag=[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]), "too-deep"),
        (note(to=["https://a.test/x"] * 1000), "too-many-values"),
        (note(tag=[{"@context": ACTIVITYSTREAMS} for n in range(40)]), "too-many-contexts"),
        (note(tag=[{"@context": [ACTIVITYSTREAMS] * 16}] * 2), "too-many-contexts"),
        (note(**{"@context": "https://evil.test/context"}), "unknown-context"),
        (note(**{"@context": [ACTIVITYSTREAMS, "https://evil.test/context"]}), "unknown-context"),
        (note(**{"@context": f"{ACTIVITYSTREAMS}#"}), "unknown-context"),
        (note(**{"@context": "context.json"}), "unknown-context"),
        (note(**{"@context": {"@import": "https://evil.test/context"}}), "unknown-context"),
        (note(**{"@context": {"@import": ["https://evil.test/context"]}}), "unknown-context"),
        (note(**{"@context": {"x": {"@id": "as:x", "@context": "https://evil.test/"}}}), "unknown-context"),
        (note(object={"@context": "https://evil.test/context"}), "unknown-context"),
        (note(tag=[[{"@context": [None, "https://evil.test/context"]}]]), "unknown-context"),
    ],
)
@pytest.mark.parametrize("read", [rdf.expand, rdf.canonical_nquads])
def test_what_pyld_never_sees(document: Document, reason: str, read: Any) -> None:
    started = time.process_time()
    refused = read(document)
    assert isinstance(refused, Refused)
    assert refused.reason == reason
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (note(**{"@context": {"type": 7}}), "invalid term definition"),
        (note(**{"@context": 7}), "invalid local context"),
        (note(**{"@context": {"a": "b:c", "b": "a:c"}}), "cyclic IRI mapping"),
        (note(**{"@type": 7}), "invalid type value"),
        (note(content={"@value": {}}), "invalid value object value"),
    ],
)
@pytest.mark.parametrize("read", [rdf.expand, rdf.canonical_nquads])
def test_what_is_no_json_ld(document: Document, code: str, read: Any) -> None:
    assert read(document) == Refused("json-ld-error", code)


def test_the_deepest_document_that_is_read() -> None:
    assert isinstance(rdf.expand(nested(24)), list)
    assert isinstance(rdf.canonical_nquads(nested(24)), str)


def test_a_document_without_a_context_is_activitystreams() -> None:
    assert rdf.expand({"id": "https://a.test/1", "content": "x"}) == [
        {"@id": "https://a.test/1", f"{AS}content": [{"@value": "x"}]}
    ]
    assert rdf.canonical_nquads({"id": "https://a.test/1", "content": "x"}) == ""


def test_the_document_is_left_alone() -> None:
    document = note(tag=[{"name": "x"}])
    before = json.dumps(document)
    rdf.expand(document)
    rdf.canonical_nquads(document)
    assert json.dumps(document) == before


@pytest.mark.parametrize("url", sorted(KNOWN))
def test_every_known_context_is_there_and_sound(url: str) -> None:
    expanded = rdf.expand({"@context": [ACTIVITYSTREAMS, url], "id": "https://a.test/1", "type": "Note"})
    assert expanded == [{"@id": "https://a.test/1", "@type": [f"{AS}Note"]}]


@pytest.mark.parametrize("path", OWN.values(), ids=lambda path: path.name)
def test_no_context_of_ours_gives_a_medium_another_name(path: Any) -> None:
    """Whatever the plain reading finds by name must have its meaning under that name only."""
    terms = ("attachment", "image", "icon", "url", "href", "preview", "content", "summary", "source", "mediaType")
    text = path.read_text()
    assert not [term for term in terms if f'"as:{term}"' in text or f'"{AS}{term}"' in text]
