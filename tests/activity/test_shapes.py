from __future__ import annotations

import json
from typing import Any

import pytest

from relayfilter.activity.document import parse_activity, parse_object
from relayfilter.errors import MalformedRequest

ACTOR = "https://far.example/u/ann"
POST = "https://far.example/post/1"
IMAGE = {"type": "Image", "url": "https://img.example/1"}


def announce(**members: Any) -> bytes:
    """A community announces that somebody creates a page with `members`."""
    page = {"type": "Page", "id": POST, "attributedTo": ACTOR, "to": ["https://far.example/c/birds"]} | members
    create = {"id": "https://far.example/a/1", "type": "Create", "actor": ACTOR, "object": page}
    return wrapped(type="Announce", object=create)


def wrapped(**members: Any) -> bytes:
    """An activity with `members`."""
    return json.dumps({"id": "https://far.example/a/2", "type": "Like", "actor": ACTOR} | members).encode()


# What serde makes of it stands before each.
READ_OTHERWISE = {
    # a Page, a Vote, a Tombstone
    "a page as the array of its fields": (wrapped(type="Create", object=["Page", POST, ACTOR]), "object-array"),
    "an object as a type and an id": (wrapped(object=[{"Page": None}, POST]), "object-array"),
    "an activity as the array of its fields": (
        wrapped(type="Undo", object=[ACTOR, POST, "Like", "https://far.example/a/1", None]),
        "object-array",
    ),
    "within an array": (wrapped(object=[[POST]]), "object-array"),
    # ImageObject, Link, Image
    "an icon as the array of its fields": (announce(type="Group", icon=["Image", IMAGE["url"]]), "icon-array"),
    "an icon, its type as an object": (announce(type="Group", icon=[{"Image": None}, IMAGE["url"]]), "icon-array"),
    "one such icon of several": (announce(type="Group", icon=[["Image", IMAGE["url"]]]), "icon-array"),
    "a banner as the array of its fields": (announce(type="Group", image=["Image", IMAGE["url"]]), "image-array"),
    "an attachment as the array of its fields": (
        announce(attachment=[["https://img.example/1", None, "Link"]]),
        "attachment-array",
    ),
    "the second attachment": (announce(attachment=[IMAGE, ["Image", IMAGE["url"], None]]), "attachment-array"),
    # a Mention, an AttributedToPeertube, a Source
    "a mention as the array of its fields": (
        announce(tag=[["https://far.example/u/eve", "@eve", "Mention"]]),
        "tag-array",
    ),
    "an author as the array of its fields": (announce(attributedTo=[["Person", ACTOR]]), "attributed-to-array"),
    "a source as the array of its fields": (
        announce(source=["![](https://img.example/1)", "text/markdown"]),
        "source-array",
    ),
    "an empty source": (announce(source=[]), "source-array"),
    # the enum's only variant of that name
    "an inner activity's type": (wrapped(type="Announce", object={"type": {"Create": None}, "object": {}}), "type"),
    "an object's type": (announce(type={"Page": None}), "type"),
    "an attachment's type": (announce(attachment=[IMAGE | {"type": {"Image": None}}]), "type"),
    "the type of an attachment that stands alone": (announce(attachment=IMAGE | {"type": {"Image": None}}), "type"),
    "an icon's type": (announce(icon=IMAGE | {"type": {"Image": None}}), "type"),
    "a mention's type": (announce(tag=[{"href": ACTOR, "type": {"Mention": None}}]), "type"),
    "an author's type": (announce(attributedTo=[{"id": ACTOR, "type": {"Person": None}}]), "type"),
    "media type": (announce(content="![](x)", mediaType={"text/markdown": None}), "media-type"),
    "media type of the source": (
        announce(source={"content": "x", "mediaType": {"text/markdown": None}}),
        "media-type",
    ),
    # the URL without it
    "a blank before": (wrapped(object=f" {POST}"), "unsafe-id"),
    "a line break within": (wrapped(object="https://far.exam\nple/post/1"), "unsafe-id"),
    "a tab in the scheme": (wrapped(object="ht\ttps://far.example/post/1"), "unsafe-id"),
    "backslashes": (wrapped(object="https:\\\\far.example\\post\\1"), "unsafe-id"),
    "one slash": (wrapped(object="https:/far.example/post/1"), "unsafe-id"),
    "no slash": (wrapped(object="HTTPS:far.example/post/1"), "unsafe-id"),
    "three slashes": (wrapped(object="https:///far.example/post/1"), "unsafe-id"),
    "one of several reported": (wrapped(type="Flag", object=[POST, f"{POST} "]), "unsafe-id"),
    "the id of a deleted object": (
        wrapped(type="Delete", object={"type": "Tombstone", "id": f"{POST}\n"}),
        "unsafe-id",
    ),
    "a parent": (announce(type="Note", inReplyTo=f"\x00{POST}"), "unsafe-id"),
    "a target": (wrapped(type="Add", object=POST, target="https:/far.example/c/birds/featured"), "unsafe-id"),
    "an author": (announce(attributedTo=f"{ACTOR}\t"), "unsafe-id"),
    "an author by type": (announce(attributedTo=[{"type": "Person", "id": f"{ACTOR} "}]), "unsafe-id"),
    "the actor of an inner activity": (
        wrapped(type="Announce", object={"type": "Like", "actor": f" {ACTOR}"}),
        "unsafe-id",
    ),
    "an actor as an object": (
        wrapped(type="Announce", object={"type": "Like", "actor": {"id": f" {ACTOR}"}}),
        "unsafe-id",
    ),
    "a recipient": (announce(cc=["https://far.example/c/birds "]), "unsafe-id"),
    "an audience": (announce(audience=" https://far.example/c/birds"), "unsafe-id"),
}


@pytest.mark.parametrize(("raw", "reason"), READ_OTHERWISE.values(), ids=READ_OTHERWISE)
def test_refuses_what_serde_reads_and_others_do_not(raw: bytes, reason: str) -> None:
    for parse in (parse_activity, parse_object):
        with pytest.raises(MalformedRequest) as caught:
            parse(raw)
        assert (caught.value.status, caught.value.reason) == (400, reason)


IN_USE = {
    "Lemmy": announce(
        source={"content": "x", "mediaType": "text/markdown"},
        mediaType="text/html",
        attachment=[{"type": "Link", "href": "https://img.example/1"}],
        tag=[{"type": "Hashtag", "href": "https://far.example/t/x", "name": "#x"}],
        image=IMAGE,
    ),
    "Mastodon": announce(type="Note", summary=None, inReplyTo=None, attachment=[], tag=[], contentMap={"en": "x"}),
    "Mastodon's report": wrapped(type="Flag", object=["https://far.example/u/bob", POST], content=""),
    "Pleroma": announce(type="Note", source="x", to="https://far.example/c/birds", cc=None),
    "PeerTube": announce(
        type="Video",
        attributedTo=[{"type": "Person", "id": ACTOR}, {"type": "Group", "id": "https://far.example/c/birds"}],
        icon=[IMAGE, IMAGE],
        url=[{"type": "Link", "mediaType": "text/html", "href": "https://far.example/v/1"}],
        tag=[{"type": "Hashtag", "name": "x"}],
    ),
    "an icon by URL": announce(type="Group", icon="https://img.example/1", image=["https://img.example/2"]),
    "several types": announce(type=["Note", "sm:Post"], tag=[{"type": ["Hashtag", "x"]}]),
    "tags as words": announce(tag=["x", {"type": "Hashtag"}]),
    "an attachment that stands alone": announce(attachment=IMAGE),
    "Public": announce(to=["as:Public"], cc="Public"),
    "authors mixed": announce(attributedTo=[ACTOR, {"type": "Person", "id": ACTOR}]),
    "ids of other kinds": wrapped(object="at://did:plc:x/app.bsky.feed.post/1", target="urn:uuid:1"),
    "odd but unmistakable": wrapped(object="HTTPS://Far.Example:443/a/../%62?x#y@z"),
    "no id at all": announce(inReplyTo="", id=None),
    "actor as an object": wrapped(actor={"type": "Person", "id": ACTOR}),
    "free text elsewhere": announce(name=" a\\b\n", content="https:/x y", summary=["x"]),
    "members that Lemmy does not read": announce(x=[["Image", "https://img.example/1"]], y={"type": {"Page": None}}),
}


@pytest.mark.parametrize("raw", IN_USE.values(), ids=IN_USE)
def test_leaves_real_senders_alone(raw: bytes) -> None:
    assert parse_activity(raw).document == parse_object(raw) == json.loads(raw)
