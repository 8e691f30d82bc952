"""PyLD's part is done by signatures/rdf.py here as it is in the worker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayfilter.activity.jsonld import MAX_POINTER, Unreadable, needs_second_reading, second_reading
from relayfilter.activity.media_ref import MediaRef
from relayfilter.activity.media_refs import find_media
from relayfilter.signatures import rdf
from relayfilter.signatures.contexts import ACTIVITYSTREAMS, KNOWN
from tests.support.linked_signing import sign_linked
from tests.support.signing import keypair
from tests.support.world_activities import (
    announce,
    chat_message,
    comment,
    create,
    delete_self,
    document_attachment,
    emoji_tag,
    image_attachment,
    like,
    link_attachment,
    mastodon_note,
    page,
    peertube_video,
    update,
)
from tests.support.world_actors import Actor

Document = dict[str, Any]

AS = f"{ACTIVITYSTREAMS}#"
ALICE = Actor("a.test", "alice")
GROUP = Actor("l.test", "group", kind="Group", software="lemmy")
PICTURE = "https://a.test/1.png"
HIDDEN = "https://evil.test/hidden.png"


def needs(document: Document) -> bool:
    return needs_second_reading(document, KNOWN)


def read(document: Document) -> tuple[MediaRef, ...] | Unreadable:
    expanded = rdf.expand(document)
    assert isinstance(expanded, list)
    return second_reading(expanded)


def urls_read(document: Document) -> set[str]:
    refs = read(document)
    assert isinstance(refs, tuple)
    return {ref.url for ref in refs}


def urls_in_plain_sight(document: Document) -> set[str]:
    return {ref.url for ref in find_media(document).refs}


NOTE = mastodon_note(
    ALICE,
    f"<p>Hello <img src='{PICTURE}'></p>",
    document_attachment("https://a.test/2.png"),
    tags=(emoji_tag(ALICE, "blobcat", "https://a.test/blobcat.png"),),
    mention=GROUP.id,
)
POST = page(ALICE, GROUP, image_attachment(PICTURE), link_attachment("https://b.test/"), markdown=f"![]({PICTURE})")
MISSKEY_CONTEXT = [
    ACTIVITYSTREAMS,
    "https://w3id.org/security/v1",
    {
        "Key": "sec:Key",
        "sensitive": "as:sensitive",
        "quoteUrl": "as:quoteUrl",
        "toot": "http://joinmastodon.org/ns#",
        "misskey": "https://misskey-hub.net/ns#",
        "_misskey_content": "misskey:_misskey_content",
        "isCat": "misskey:isCat",
        "vcard": "http://www.w3.org/2006/vcard/ns#",
    },
]
ORDINARY = {
    "mastodon's note": NOTE,
    "mastodon's note, signed": sign_linked(NOTE, keypair("alice"), f"{ALICE.id}#main-key"),
    "misskey's note": {**NOTE, "@context": MISSKEY_CONTEXT, "_misskey_content": "Hello"},
    "lemmy's post": create(ALICE, GROUP, POST),
    "lemmy's edit": update(ALICE, GROUP, POST),
    "lemmy's comment": create(ALICE, GROUP, comment(ALICE, GROUP, "![](x)", in_reply_to="https://l.test/post/1")),
    "lemmy's announce": announce(GROUP, create(ALICE, GROUP, POST)),
    "lemmy's announce of mastodon's note": {**announce(GROUP, NOTE), "object": NOTE},
    "lemmy's vote": like(ALICE, GROUP, "https://l.test/post/1"),
    "lemmy's message": chat_message(ALICE, GROUP.id, "Hello"),
    "a deleted account": delete_self(ALICE),
    "peertube's video": peertube_video(ALICE, GROUP, "https://a.test/thumbnail.jpg"),
    "an actor": {
        "@context": ACTIVITYSTREAMS,
        "id": f"{ALICE.id}#1",
        "type": "Update",
        "actor": ALICE.id,
        "object": ALICE.document(),
    },
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_deliveries_need_no_second_reading(name: str) -> None:
    document = json.loads(json.dumps(ORDINARY[name]))
    assert not needs(document)


@pytest.mark.parametrize("name", ORDINARY)
def test_both_readings_of_ordinary_deliveries_find_the_same(name: str) -> None:
    document = ORDINARY[name]
    refs = read(document)
    assert isinstance(refs, tuple)
    assert {(ref.url, ref.slot) for ref in refs} == {(ref.url, ref.slot) for ref in find_media(document).refs}


def post(*contexts: Any, **members: Any) -> Document:
    """A Create of a Page with these members, under these contexts beside ActivityStreams'."""
    thing = {"id": "https://a.test/post/1", "type": "Page", **members}
    context = [ACTIVITYSTREAMS, *contexts]
    return {"@context": context, "id": "https://a.test/1", "type": "Create", "actor": ALICE.id, "object": thing}


IMAGE = {"type": "Image", "url": HIDDEN}
LINK = {"type": "Link", "href": HIDDEN}
HIDING = {
    "prefix": post(**{"as:attachment": LINK}),
    "prefix deep inside": post(**{"as:attachment": [{"as:url": {"as:href": HIDDEN}}]}),
    "prefix of its own": post({"x": AS}, **{"x:attachment": LINK}),
    "prefix that ends in a term": post({"x": {"@id": f"{AS}attach", "@prefix": True}}, **{"x:ment": LINK}),
    "IRI": post(**{f"{AS}image": HIDDEN}),
    "IRI in a value": post(**{f"{AS}attachment": {f"{AS}href": {"@id": HIDDEN}}}),
    "alias": post({"bild": {"@id": "as:image", "@type": "@id"}}, bild=HIDDEN),
    "alias of a link": post({"beigabe": "as:attachment", "ziel": "as:href"}, beigabe={"ziel": HIDDEN}),
    "alias by a prefix": post({"x": AS, "bild": "x:image"}, bild=HIDDEN),
    "alias by an alias": post({"y": "as:image", "bild": {"@id": "y"}}, bild=HIDDEN),
    "alias of a text": post({"inhalt": "as:content"}, inhalt=f"<img src='{HIDDEN}'>"),
    "alias that takes a name": post({"name": "as:attachment"}, name=LINK),
    "names swapped": post({"summary": "as:image", "image": "as:summary"}, summary=HIDDEN),
    "alias of a type": post({"Bild": "as:Image"}, tag={"type": "Bild", "url": HIDDEN}),
    "IRI of a type": post(tag={"type": f"{AS}Image", "url": HIDDEN}),
    "type by prefix": post(tag={"type": "as:Document", "url": HIDDEN}),
    "type as keyword": post(tag={"@type": "Image", "url": HIDDEN}),
    "types": post(tag={"type": ["Thing", "Image"], "url": HIDDEN}),
    "type under an alias": post({"kind": "@type"}, tag={"kind": "Image", "url": HIDDEN}),
    "vocabulary with half of a name": post({"@vocab": f"{AS}attach"}, ment=LINK),
    "context inside": post(tag={"@context": {"bild": "as:image"}, "bild": HIDDEN}),
    "context inside with a prefix from outside": post({"x": AS}, tag={"@context": {"bild": "x:image"}, "bild": HIDDEN}),
    "context of a type": post(
        {"Thing": {"@id": "http://a.test/Thing", "@context": {"bild": "as:image"}}},
        tag={"type": "Thing", "bild": HIDDEN},
    ),
    "context of a member": post(
        {"extra": {"@id": "http://a.test/extra", "@context": {"bild": "as:image"}}}, extra={"bild": HIDDEN}
    ),
    "value object": post(image={"@value": HIDDEN}),
    "id object": post(image={"@id": HIDDEN}),
    "plain id object": post(attachment=[{"id": HIDDEN}]),
    "list": post(attachment={"@list": [LINK]}),
    "set": post(attachment={"@set": [HIDDEN]}),
    "reverse": post(tag={"type": "Link", "href": HIDDEN, "@reverse": {"as:attachment": {"id": "https://a.test/x"}}}),
    "reverse by an alias": post(
        {"of": {"@reverse": "as:attachment"}}, tag={"type": "Link", "href": HIDDEN, "of": {"id": "https://a.test/x"}}
    ),
    "index": post({"attachment": {"@id": "as:attachment", "@container": "@index"}}, attachment={"a": LINK}),
    "id map": post({"image": {"@id": "as:image", "@container": "@id"}}, image={HIDDEN: {}}),
    "language map": post(
        {"attachment": {"@id": "as:attachment", "@container": "@language"}}, attachment={"en": HIDDEN}
    ),
    "texts in a language": post(contentMap={"en": ["Hello", f"<img src='{HIDDEN}'>"]}),
    "texts in a text": post(content=[["Hello", f"<img src='{HIDDEN}'>"]]),
    "names": post(name=["Hello", f"![]({HIDDEN})"]),
    "name in a language": post(nameMap={"en": f"![]({HIDDEN})"}),
    "sources": post(source=[{"content": f"![]({HIDDEN})"}]),
    "media types": post(url=[{"type": "Link", "href": HIDDEN, "mediaType": ["image/png"]}]),
    "prefix in a value": post({"x": "https://evil.test/"}, image="x:hidden.png"),
    "prefix in a list of values": post({"x": "https://evil.test/"}, attachment=["x:hidden.png"]),
    "base": post({"@base": "https://evil.test/"}, image="hidden.png"),
}


RESHAPED = {
    "nest": post({"in": "@nest"}, **{"in": {"image": HIDDEN}}),
    "nest as keyword": post(**{"@nest": {"image": HIDDEN}}),
    "included": post(**{"@included": [{"id": "https://a.test/x", "image": HIDDEN}]}),
    "graph": post(**{"@graph": [{"id": "https://a.test/x", "image": HIDDEN}]}),
}


@pytest.mark.parametrize("name", RESHAPED)
def test_media_among_keywords_are_found_by_both_readings(name: str) -> None:
    document = RESHAPED[name]
    assert needs(document)
    assert HIDDEN in urls_in_plain_sight(document)
    assert HIDDEN in urls_read(document)


@pytest.mark.parametrize("name", HIDING)
def test_hidden_media_are_looked_for_and_found(name: str) -> None:
    document = HIDING[name]
    assert HIDDEN not in urls_in_plain_sight(document)
    assert needs(document)
    assert HIDDEN in urls_read(document)


@pytest.mark.parametrize(
    ("document", "pointer", "slot"),
    [
        (post(**{"as:image": HIDDEN}), f"{AS}image/0", "image"),
        (post(**{"as:attachment": [IMAGE]}), f"{AS}attachment/0/{AS}url/0", "attachment"),
        (post(**{"as:attachment": ["https://a.test/1", IMAGE]}), f"{AS}attachment/1/{AS}url/0", "attachment"),
        (post(**{"as:attachment": {**LINK, "mediaType": "text/html"}}), f"{AS}attachment/0/{AS}href/0", "attachment"),
        (post(**{"as:content": f"<img src='{HIDDEN}'>"}), f"{AS}content/0", "html"),
        (post(**{"as:source": {"content": f"![]({HIDDEN})"}}), f"{AS}source/0", "markdown"),
        (post(**{"as:icon": IMAGE, "http://a.test/x y\u202e": 1}), f"{AS}icon/0/{AS}url/0", "icon"),
        (post(**{"http://a.test/\u202e": {"as:image": HIDDEN}}), f"http://a.test/?/0/{AS}image/0", "image"),
        (post(**{"as:url": [{**LINK, "mediaType": "image/png"}]}), f"{AS}url/0/{AS}href/0", "attachment"),
    ],
)
def test_pointers_are_made_of_iris(document: Document, pointer: str, slot: str) -> None:
    refs = read(document)
    assert isinstance(refs, tuple)
    assert [ref for ref in refs if ref.url == HIDDEN] == [MediaRef(f"jsonld:/{AS}object/0/{pointer}", HIDDEN, slot)]  # type: ignore[arg-type]


def test_several_values_where_one_is_usual() -> None:
    document = post(
        **{
            "as:name": ["![](https://a.test/1.png)", "![](https://a.test/2.png)"],
            "as:content": ["<img src='https://a.test/3.png'>", {"@value": "<img src='https://a.test/4.png'>"}],
            "as:source": [{"content": "![](https://a.test/5.png)"}, "![](https://a.test/6.png)"],
            "as:url": {"type": "Link", "href": "https://a.test/7.png", "mediaType": ["text/html", "image/png"]},
        }
    )
    assert urls_read(document) == {f"https://a.test/{n}.png" for n in range(1, 8)}


def test_pointers_are_bounded() -> None:
    document = post(**{"http://a.test/" + "x" * 1000: {"as:image": HIDDEN}})
    refs = read(document)
    assert isinstance(refs, tuple)
    assert [len(ref.pointer) for ref in refs] == [MAX_POINTER]


def test_more_media_than_are_looked_at() -> None:
    document = post(**{"as:attachment": [f"https://a.test/{n}.png" for n in range(100)]})
    assert read(document) == Unreadable("too-many-references")


@pytest.mark.parametrize("expanded", [[], [None], ["x"], [{}], [{"@id": 7}], [{"@type": None}], [{"@value": None}]])
def test_whatever_was_expanded(expanded: list[Any]) -> None:
    assert second_reading(expanded) == ()


# The promise of needs_second_reading, over documents made of what hides media.
NAMES = st.sampled_from(
    "attachment image icon url href tag content bild x type id name as:image x:image @id @type @value @list @nest "
    f"@reverse @included {AS}attachment".split()
)
TARGETS = st.sampled_from(
    f"as:image as:attachment as:href as:Image as:content as:sensitive as: {AS} {AS}im x:image x:age bild x @type @nest "
    "@id @reverse http://a.test/ https://evil.test/".split()
)
DEFINITIONS = (
    TARGETS
    | st.none()
    | st.fixed_dictionaries(
        {"@id": TARGETS},
        optional={
            "@type": st.sampled_from(["@id", "@vocab", "@json"]),
            "@container": st.sampled_from(["@list", "@index", "@language", "@id"]),
            "@context": st.dictionaries(st.sampled_from(["bild", "image"]), TARGETS, max_size=2),
        },
    )
)
CONTEXTS = st.lists(
    st.dictionaries(
        st.sampled_from(["bild", "x", "image", "name", "Bild", "href", "@vocab", "@base", "type"]),
        DEFINITIONS,
        max_size=4,
    ),
    max_size=2,
).map(lambda own: [ACTIVITYSTREAMS, *own])
VALUES = st.recursive(
    st.sampled_from(
        [HIDDEN, PICTURE, "x:hidden.png", "hidden.png", "Image", "Bild", "x:Image", f"<img src='{HIDDEN}'>"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(NAMES, inner, max_size=4)
        | st.tuples(CONTEXTS, st.dictionaries(NAMES, inner, max_size=3)).map(lambda it: {**it[1], "@context": it[0]})
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(CONTEXTS, st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
def test_what_only_the_second_reading_sees_is_never_passed_over(context: Any, members: Document) -> None:
    document = {**members, "@context": context}
    if needs(document):
        return
    expanded = rdf.expand(document)
    if isinstance(expanded, list) and isinstance(found := second_reading(expanded), tuple):
        assert {ref.url for ref in found} <= urls_in_plain_sight(document) or find_media(document).truncated
