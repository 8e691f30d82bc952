"""Attacks that deliver nothing bad and name it instead: Lemmy would fetch what a vote, a reply or a pin only mentions.

The attacker's server plays along: to whoever looks ahead it shows a harmless version of what was withheld before. And
those attacks that make others work: an endless chain of replies, a crowd of names in one activity (mastodon issue
21977).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from relayfilter.media.testcard import render
from tests.support import world_activities as say
from tests.support import world_answers
from tests.support.attacks import Played, attack
from tests.support.cases import Case, Request, Scene, Send
from tests.support.world import SHIPPED_POLICY
from tests.support.world_actors import PUBLIC
from tests.support.world_delivery import Answer, signed_post

Document = dict[str, Any]

_DOCUMENTS = 24
"""How many documents are fetched on account of one delivery, by default."""


@pytest.fixture(scope="module")
def played() -> Played:
    return Played(_withheld, _amplified, policy=SHIPPED_POLICY.read_text())


def test_what_was_withheld_is_not_let_in_by_reference(played: Played) -> None:
    played.withstood(_withheld)


def test_nobody_is_made_to_fetch_without_end(played: Played) -> None:
    played.withstood(_amplified)


def _withheld(scene: Scene) -> Iterator[Case]:
    alice, beta = scene.somebody("voter", software="lemmy"), scene.beta
    author = scene.somebody("author", host=beta, software="lemmy")
    group = scene.somebody("group", kind="Group", software="lemmy")
    card = beta.add_image("/card.png", render("png"))

    def after_withholding(name_it: Callable[[str], Document], *, elsewhere: str = "") -> Request:
        """A post of `author` is withheld; then its id, or `elsewhere` which leads to it, is what `name_it` names."""

        async def request(send: Send) -> bytes:
            post = say.page(author, group, say.image_attachment(card))
            harmless = post | {"attachment": []}
            beta.add_document(post["id"].partition(".example")[2], harmless)
            if elsewhere:
                beta.add(elsewhere, world_answers.redirect(post["id"]))
            answer = await send(signed_post(author, say.create(author, group, post)))
            assert answer.status == 403, answer
            return signed_post(alice, name_it(beta.url(elsewhere) if elsewhere else post["id"]))

        return request

    def vote(thing: Any) -> Document:
        return say.like(alice, group, thing)

    def reply(thing: Any) -> Document:
        return say.create(alice, group, say.comment(alice, group, "Hi", in_reply_to=thing))

    def announced(thing: Any) -> Document:
        return say.announce(alice, say.announce(group, thing))

    def pinned(thing: Any) -> Document:
        return vote(thing) | {"type": "Add", "target": f"{group.id}/featured"}

    for name, name_it in (
        ("by its id", vote),
        ("by a reply", reply),
        ("by an announce in an announce", announced),
        ("by a pin", pinned),
        ("by a report", lambda thing: vote(thing) | {"type": "Flag", "summary": "bad"}),
        ("by taking a vote back", lambda thing: vote(thing) | {"type": "Undo", "object": vote(thing)}),
        ("by a type that nobody knows", lambda thing: vote(thing) | {"type": "Ponder"}),
        ("as an object with nothing but its id", lambda thing: vote({"id": thing})),
        ("as an object that is said to be whole", lambda thing: vote({"id": thing, "type": "Page", "name": "x"})),
        ("as the parent's object", lambda thing: reply({"id": thing, "type": "Note"})),
        ("with the host in capitals", lambda thing: vote(thing.replace("beta", "BETA"))),
        ("with the default port", lambda thing: vote(thing.replace(".example", ".example:443"))),
        ("with a fragment", lambda thing: vote(f"{thing}#x")),
        ("with a trailing dot", lambda thing: vote(thing.replace(".example", ".example."))),
        ("with a capital scheme", lambda thing: vote(thing.replace("https", "HTTPS"))),
        ("with a dot segment", lambda thing: vote(thing.replace("/post", "/x/../post"))),
    ):
        yield attack(f"withheld, then named {name}", after_withholding(name_it), 403, "")
    for name, name_it in (
        ("with a blank before it", lambda thing: vote(f" {thing}")),
        ("with a line feed in it", lambda thing: vote(thing.replace("post", "po\nst"))),
        ("with a backslash", lambda thing: vote(thing.replace("/post", "\\post"))),
    ):
        yield attack(f"withheld, then named {name}", after_withholding(name_it), 400, "unsafe-id")
    listed = after_withholding(lambda thing: vote([thing]))
    yield attack("withheld, then named in a list", listed, 403, "")
    led = after_withholding(vote, elsewhere="/another-way")
    yield attack("withheld, then named by what leads to it", led, 403, "")


def _amplified(scene: Scene) -> Iterator[Case]:
    alice, beta = scene.somebody("voter", software="lemmy"), scene.beta
    group = scene.somebody("group", kind="Group", software="lemmy")
    for number in range(100):
        path, parent = f"/chain/{number}", beta.url(f"/chain/{number + 1}")
        beta.add_document(path, _reply_to(parent, beta.url(path), beta.url(f"/author/{number}")))
    before: list[int] = []

    def counted(make: Callable[[], Document]) -> Request:
        async def request(_send: Send) -> bytes:
            before.append(beta.requests.total())
            return signed_post(alice, make())

        return request

    def few(_answer: Answer) -> str | None:
        count = beta.requests.total() - before[-1]
        return None if count <= _DOCUMENTS else f"{count} fetches"

    def crowd(name: str) -> list[str]:
        return [beta.url(f"/{name}/{number}") for number in range(500)]

    post = {"type": "Page", "id": f"https://{alice.host}/post/1", "attributedTo": alice.id, "to": [PUBLIC], "name": "x"}
    for name, make in (
        ("an endless chain of replies", lambda: say.like(alice, group, beta.url("/chain/0"))),
        ("500 objects", lambda: say.like(alice, group, "") | {"type": "Flag", "object": crowd("objects")}),
        ("500 parents", lambda: say.create(alice, group, post | {"inReplyTo": crowd("parents")})),
        ("500 recipients", lambda: say.create(alice, group, post) | {"to": crowd("recipients")}),
        ("500 authors", lambda: say.create(alice, group, post | {"attributedTo": crowd("authors")})),
        ("500 mentions", lambda: say.create(alice, group, post | {"tag": _mentions(crowd("mentioned"))})),
    ):
        yield attack(name, counted(make), 403, "", also=few)


def _reply_to(parent: str, own: str, author: str) -> Document:
    return {"id": own, "type": "Note", "attributedTo": author, "inReplyTo": parent, "content": "Hi", "to": [PUBLIC]}


def _mentions(people: list[str]) -> list[Document]:
    return [{"type": "Mention", "href": person, "name": "@x"} for person in people]
