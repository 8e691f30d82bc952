from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.activity.document import parse_activity
from relayfilter.activity.references import References, find_references
from tests.support import world_activities as say
from tests.support.world_actors import PUBLIC, Actor

ALICE = Actor("alpha.example", "alice", software="lemmy")
BOB = Actor("beta.example", "bob")
CATS = Actor("gamma.example", "cats", kind="Group", software="lemmy")
POST = "https://delta.example/post/1"
OTHER = "https://delta.example/comment/2"


def references(document: dict[str, Any]) -> References:
    return find_references(parse_activity(json.dumps(document).encode()))


def act(verb: str, thing: Any, /, **more: Any) -> dict[str, Any]:
    """An activity of Alice's about `thing`."""
    return {"id": "https://alpha.example/act/1", "type": verb, "actor": ALICE.id, "object": thing, **more}


def short(found: References) -> dict[str, list[str]]:
    """What was found, without what is empty."""
    named = [f"{reference.kind} {reference.pointer} {reference.id}" for reference in found.named]
    parts = {"own": list(found.own), "named": named, "actors": list(found.actors[1:])}
    return {name: values for name, values in parts.items() if values}


PAGE = say.page(ALICE, CATS, say.image_attachment("https://alpha.example/a.png"), markdown="![x](https://a.example/b)")
COMMENT = say.comment(ALICE, CATS, "Yes", in_reply_to=POST)
NOTE = say.mastodon_note(BOB, "<p>Hi</p>", mention=CATS.id)
VIDEO = say.peertube_video(BOB, CATS, "https://beta.example/t.jpg")
CHAT = say.chat_message(ALICE, BOB.id, "Hi")
CREATE_PAGE, CREATE_COMMENT = say.create(ALICE, CATS, PAGE), say.create(ALICE, CATS, COMMENT)
LIKE = say.like(ALICE, CATS, POST)
GROUP = {"type": "Group", "id": CATS.id, "attributedTo": f"{CATS.id}/moderators", "featured": f"{CATS.id}/featured"}
DELETE = act("Delete", POST, cc=[CATS.id], to=[PUBLIC])

# Each row: the activity, what it carries, names and involves, the sender left out.
WAYS: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "a post": (CREATE_PAGE, {"own": [PAGE["id"]], "actors": [CATS.id]}),
    "an edited post": (say.update(ALICE, CATS, PAGE), {"own": [PAGE["id"]], "actors": [CATS.id]}),
    "a comment whose parent may be unknown": (
        CREATE_COMMENT,
        {"own": [COMMENT["id"]], "named": [f"parent /object/inReplyTo {POST}"], "actors": [CATS.id]},
    ),
    "an announced comment": (
        say.announce(CATS, CREATE_COMMENT),
        {
            "own": [CREATE_COMMENT["id"], COMMENT["id"]],
            "named": [f"parent /object/object/inReplyTo {POST}"],
            "actors": [ALICE.id],
        },
    ),
    "a status": (NOTE, {"own": [NOTE["object"]["id"]], "actors": [CATS.id]}),
    "a video with an owner and a channel": (VIDEO, {"own": [VIDEO["object"]["id"]], "actors": [CATS.id]}),
    "a private message": (CHAT, {"own": [CHAT["object"]["id"]], "actors": [BOB.id]}),
    "an edited community": (say.update(ALICE, CATS, GROUP), {"actors": [CATS.id]}),
    "a vote": (LIKE, {"named": [f"object /object {POST}"], "actors": [CATS.id]}),
    "a vote against": (act("Dislike", POST), {"named": [f"object /object {POST}"]}),
    "an announced vote": (
        say.announce(CATS, LIKE),
        {"own": [LIKE["id"]], "named": [f"object /object/object {POST}"], "actors": [ALICE.id]},
    ),
    "a vote taken back": (
        act("Undo", LIKE),
        {"own": [LIKE["id"]], "named": [f"object /object/object {POST}"], "actors": [CATS.id]},
    ),
    "a vote taken back by id": (act("Undo", LIKE["id"]), {"named": [f"object /object {LIKE['id']}"]}),
    "a report": (
        act("Flag", POST, to=[CATS.id], summary="spam"),
        {"named": [f"object /object {POST}"], "actors": [CATS.id]},
    ),
    "Mastodon's report": (
        act("Flag", [BOB.id, POST, OTHER]),
        {"named": [f"object /object/0 {BOB.id}", f"object /object/1 {POST}", f"object /object/2 {OTHER}"]},
    ),
    "a lock": (act("Lock", POST, cc=[CATS.id]), {"named": [f"object /object {POST}"], "actors": [CATS.id]}),
    "a lock taken off": (
        act("Undo", act("Lock", POST) | {"id": "https://alpha.example/act/2"}),
        {"own": ["https://alpha.example/act/2"], "named": [f"object /object/object {POST}"]},
    ),
    "a pin": (
        act("Add", POST, target=f"{CATS.id}/featured", cc=[CATS.id]),
        {"named": [f"object /object {POST}"], "actors": [CATS.id]},
    ),
    "Mastodon's pin": (
        act("Remove", POST, target=f"{ALICE.id}/collections/featured"),
        {"named": [f"object /object {POST}"]},
    ),
    "a pin to something": (
        act("Add", POST, target=OTHER),
        {"named": [f"target /target {OTHER}", f"object /object {POST}"]},
    ),
    "a new moderator": (act("Add", BOB.id, target=f"{CATS.id}/moderators"), {"actors": [BOB.id]}),
    "a boost by id": (say.announce(CATS, POST), {"named": [f"object /object {POST}"]}),
    "boosts by id": (
        say.announce(CATS, LIKE) | {"object": [POST, OTHER]},
        {"named": [f"object /object/0 {POST}", f"object /object/1 {OTHER}"]},
    ),
    "a boost of an object": (
        say.announce(CATS, COMMENT),
        {"own": [COMMENT["id"]], "named": [f"parent /object/inReplyTo {POST}"], "actors": [ALICE.id]},
    ),
    "an update by id": (act("Update", POST), {"named": [f"object /object {POST}"]}),
    "an update by an id alone": (act("Update", {"id": POST}), {"named": [f"object /object/id {POST}"]}),
    "a deletion": (DELETE, {"named": [f"object /object {POST}"], "actors": [CATS.id]}),
    "a deletion with a tombstone": (
        act("Delete", {"type": "Tombstone", "id": POST}),
        {"named": [f"object /object/id {POST}"]},
    ),
    "an actor who deletes himself": (say.delete_self(BOB), {}),
    "a follower": (act("Follow", CATS.id), {"actors": [CATS.id]}),
    "an accepted follower": (
        act("Accept", {"id": "https://beta.example/f/1", "type": "Follow", "actor": BOB.id, "object": ALICE.id}),
        {"own": ["https://beta.example/f/1"], "actors": [BOB.id]},
    ),
    "a ban from a community": (act("Block", BOB.id, target=CATS.id), {"actors": [CATS.id, BOB.id]}),
    "a lifted ban": (
        act("Undo", act("Block", BOB.id, target=CATS.id) | {"id": "https://alpha.example/act/2"}),
        {"own": ["https://alpha.example/act/2"], "actors": [CATS.id, BOB.id]},
    ),
    "mentions come last": (
        act("Create", {"type": "Note", "id": POST, "tag": [{"type": "Mention", "href": BOB.id}]}, to=[CATS.id]),
        {"own": [POST], "actors": [CATS.id, BOB.id]},
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_every_way_into_lemmy(name: str) -> None:
    document, expected = WAYS[name]
    found = references(document)
    assert found.actors[0] == document["actor"]
    assert short(found) == expected


@pytest.mark.parametrize(
    ("document", "deletes"),
    [
        (DELETE, True),
        (say.announce(CATS, DELETE), True),
        (say.delete_self(BOB), True),
        (act("Undo", DELETE), False),
        (act("Remove", POST), False),
        (act("Create", {"type": "Delete", "id": POST, "object": OTHER}), False),
        (say.announce(CATS, LIKE) | {"object": [DELETE, LIKE]}, False),
        (CREATE_PAGE, False),
    ],
)
def test_only_a_deletion_deletes(document: dict[str, Any], deletes: bool) -> None:
    assert references(document).deletes is deletes


HIDDEN: dict[str, dict[str, Any]] = {
    "among the recipients": act("Like", POST, to=[POST], cc=[POST], audience=POST),
    "as the id of the activity that carries it": say.announce(CATS, CREATE_COMMENT | {"id": POST}),
    "as the id of the comment itself": act("Create", COMMENT | {"id": POST}),
    "in a vote that carries an object with its id": act("Like", {"type": "Page", "id": POST}),
    "in a page that is an activity too": act("Create", PAGE | {"object": POST}),
    "in a list of one": act("Like", [POST]),
    "in a parent with a type": act("Create", COMMENT | {"inReplyTo": {"type": "Note", "id": POST}}),
    "in an object without a type": act("Announce", {"id": POST, "content": "x"}),
    "in an object whose type is a list": act("Announce", {"id": POST, "type": ["Page"]}),
    "in an activity of an unheard-of type": act("Bless", POST),
    "deep in announcements": say.announce(CATS, say.announce(CATS, say.announce(CATS, act("Undo", LIKE)))),
    "in a second activity": act("Announce", [LIKE, act("Like", OTHER)]),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_reference_cannot_be_hidden(name: str) -> None:
    assert POST in [reference.id for reference in references(HIDDEN[name]).named]


def test_an_object_that_is_only_named_is_never_taken_for_carried() -> None:
    for verb in ("Like", "Dislike", "Flag", "Lock", "Add", "Delete", "Resolve"):
        assert references(act(verb, {"type": "Page", "id": POST, "name": "x"})).own == ()


def test_collections_and_the_public_are_no_actors() -> None:
    everybody = [PUBLIC, "as:Public", "Public", f"{ALICE.id}/followers", "https://f.example/followers/alice"]
    assert references(act("Like", POST, to=everybody, cc=everybody, audience=PUBLIC)).actors == (ALICE.id,)


def test_an_id_that_is_named_twice_is_found_once() -> None:
    assert len(references(act("Flag", [POST, POST])).named) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", POST, OTHER, "Like", "Announce", "Page"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "object", "target", "actor", "to", "tag", "href", "inReplyTo"]), inner
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["object", "target", "to", "tag", "inReplyTo", "attributedTo"]), JSON), JSON)
def test_nothing_raises(members: dict[str, Any], inside: Any) -> None:
    activity = parse_activity(json.dumps(act("Like", POST)).encode())
    activity.document.update(members)
    for verb in ("Announce", "Create", "Like", "Follow", "Add"):
        activity.document.update({"type": verb, "object": inside})
        assert find_references(activity).actors[0] == ALICE.id


def test_a_large_activity_costs_little() -> None:
    many = [f"https://delta.example/{number}" for number in range(8000)]
    activity = parse_activity(json.dumps(act("Flag", many, to=many, cc=[many], tag=[])).encode())
    began = time.process_time()
    found = find_references(activity)
    assert time.process_time() - began < 5
    assert len(found.named) == 8000
