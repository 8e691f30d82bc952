from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

from tests.support import world_activities as activities
from tests.support.lemmy import Lemmy
from tests.support.world_actors import PUBLIC, Actor
from tests.support.world_delivery import exchange, signed_post

ALICE = Actor("alpha.example", "alice", software="lemmy")
COMMUNITY = Actor("alpha.example", "technology", kind="Group", software="lemmy")
IMAGE = activities.image_attachment("https://beta.example/1.png", "alt")
PARENT = "https://alpha.example/post/1"


def a_page() -> activities.Document:
    return activities.page(ALICE, COMMUNITY, IMAGE, markdown="Some *words*")


MAKERS: dict[str, tuple[Actor, Callable[[], activities.Document]]] = {
    "Create Page": (ALICE, lambda: activities.create(ALICE, COMMUNITY, a_page())),
    "Update Page": (ALICE, lambda: activities.update(ALICE, COMMUNITY, a_page())),
    "Create Note": (
        ALICE,
        lambda: activities.create(ALICE, COMMUNITY, activities.comment(ALICE, COMMUNITY, "Hi", in_reply_to=PARENT)),
    ),
    "Like": (ALICE, lambda: activities.like(ALICE, COMMUNITY, PARENT)),
    "Announce Create Page": (
        COMMUNITY,
        lambda: activities.announce(COMMUNITY, activities.create(ALICE, COMMUNITY, a_page())),
    ),
    "Announce of an id": (COMMUNITY, lambda: activities.announce(COMMUNITY, PARENT)),
    "private message": (ALICE, lambda: activities.chat_message(ALICE, "https://lemmy.example/u/bob", "Hi")),
    "Mastodon": (
        ALICE,
        lambda: activities.mastodon_note(
            ALICE,
            "<p>Hi :blob:</p>",
            activities.document_attachment("https://beta.example/1.png"),
            tags=(activities.emoji_tag(ALICE, "blob", "https://beta.example/blob.png"),),
            mention=COMMUNITY.id,
        ),
    ),
    "Delete": (ALICE, lambda: activities.delete_self(ALICE)),
    "PeerTube": (ALICE, lambda: activities.peertube_video(ALICE, COMMUNITY, "https://beta.example/1.jpg")),
}


@pytest.mark.parametrize("name", MAKERS)
def test_lemmy_takes_it_twice_because_every_call_makes_new_ids(name: str) -> None:
    actor, make = MAKERS[name]

    async def main() -> None:
        async with Lemmy({actor.id: actor.public_key}.get) as lemmy:
            for _ in range(2):
                raw = signed_post(actor, make(), shape="lemmy")
                assert (await exchange(lemmy.port, raw)).status == 200

    trio.run(main)


@pytest.mark.parametrize("name", MAKERS)
def test_every_object_is_of_its_authors_host_and_new(name: str) -> None:
    _, make = MAKERS[name]
    first, second = (list(objects(make())) for _ in range(2))
    assert all(thing["id"].startswith("https://alpha.example/") for thing in first)
    made_up = [thing["id"] for thing in first if "Emoji" not in thing["type"]]
    assert not set(made_up).intersection(thing["id"] for thing in second)


def objects(document: Any) -> Iterator[dict[str, Any]]:
    """The document and what is embedded in it, as far as it has an id of its own."""
    if isinstance(document, dict):
        if "id" in document and document["id"] not in (ALICE.id, COMMUNITY.id):
            yield document
        for value in document.values():
            yield from objects(value)
    elif isinstance(document, list):
        for value in document:
            yield from objects(value)


def test_markdown_is_sent_as_lemmy_sends_it() -> None:
    note = activities.comment(ALICE, COMMUNITY, "Look: ![cat](https://beta.example/cat.png)", in_reply_to=PARENT)
    assert note["source"] == {
        "content": "Look: ![cat](https://beta.example/cat.png)",
        "mediaType": "text/markdown",
    }
    assert note["content"] == '<p>Look: <img src="https://beta.example/cat.png" alt="cat" /></p>\n'
    assert (note["mediaType"], note["inReplyTo"], note["to"]) == ("text/html", PARENT, [PUBLIC])


def test_an_announce_carries_the_inner_activity_without_a_context_of_its_own() -> None:
    inner = activities.create(ALICE, COMMUNITY, a_page())
    announced = activities.announce(COMMUNITY, inner)
    assert announced["object"] == {key: value for key, value in inner.items() if key != "@context"}
    assert (announced["actor"], announced["object"]["actor"]) == (COMMUNITY.id, ALICE.id)
    assert announced["object"]["object"]["attachment"] == [IMAGE]
    assert "@context" in inner
