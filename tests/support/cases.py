"""Cases: a request, and what the daemon has to make of it; with the small vocabulary in which they are written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from tests.support.fediverse import Host
from tests.support.servers import Script
from tests.support.signing import Keypair
from tests.support.world import World
from tests.support.world_actors import ACTIVITYSTREAMS, PUBLIC, Actor
from tests.support.world_answers import document, reply
from tests.support.world_delivery import Answer, signed_post

Send = Callable[[bytes], Awaitable[Answer]]
Request = Callable[[Send], Awaitable[bytes]]


class Case(NamedTuple):
    """One request, and what has to become of it. `row` is that of the conformance matrix, 0 where there is none.

    `request` gets a way to send what has to come first, and returns the bytes that are judged; it is called anew for
    every pace. `verdict` is F for forwarded byte by byte (the answer is then Lemmy's, `lemmy`), or our status.
    `reason` is what the log says; any will do when it is empty. `log` are further fields of the log's line, or how they
    begin. `also` looks at the answer and at the world right after it, and says what is wrong. `pending` says why it is
    not so yet. `within` is how many seconds the answer may take.
    """

    row: int
    name: str
    request: Request
    verdict: int | Literal["F"]
    reason: str = ""
    lemmy: int = 200
    log: Mapping[str, Any] = {}
    also: Callable[[Answer], str | None] | None = None
    pending: str = ""
    within: float = 8.0

    @property
    def expected(self) -> str:
        return f"F {self.lemmy}" if self.verdict == "F" else f"{self.verdict} {self.reason}"


def alone(make: Callable[[], bytes]) -> Request:
    """A request with nothing before it."""

    async def request(_send: Send) -> bytes:
        return make()

    return request


def note(author: Actor, **members: Any) -> dict[str, Any]:
    """A short Create of a Note, new at every call."""
    post = f"https://{author.host}/posts/{uuid4()}"
    return {
        "@context": ACTIVITYSTREAMS,
        "id": f"{post}/activity",
        "type": "Create",
        "actor": author.id,
        "to": [PUBLIC],
        "object": {"id": post, "type": "Note", "attributedTo": author.id, "to": [PUBLIC], "content": "Hi"},
    } | members


def signed(author: Actor, activity: Callable[[], dict[str, Any] | bytes] | None = None, **changes: Any) -> Request:
    """The `request` of an activity (a note by default) as `author`'s server signs it: see signed_post."""
    return alone(lambda: signed_post(author, note(author) if activity is None else activity(), **changes))


class Borrower(Actor):
    """An actor with a key that was made for somebody else: making one takes long."""

    def __init__(self, host: str, name: str, key: Keypair, **kind: Any) -> None:
        super().__init__(host, name, **kind)
        self.borrowed = key

    @property
    def key(self) -> Keypair:
        return self.borrowed


class Scene:
    """The world with some people in it. All but a few have one key, which changes nothing for a verifier."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.alpha, self.beta = world.fediverse["alpha.example"], world.fediverse["beta.example"]
        self.alice = self.alpha.actor("alice")
        self.bob = self.beta.actor("bob")
        self._count = 0

    def somebody(self, name: str = "", host: Host | None = None, script: Script | None = None, **kind: Any) -> Borrower:
        """A new actor; `script` is what their document's URL answers instead of the document."""
        self._count += 1
        host = host or self.alpha
        actor = Borrower(host.name, f"{name or 'actor'}{self._count}", self.alice.key, **kind)
        host.actors[actor.id] = actor
        host.add(actor.path, script or document(actor.document))
        if actor.key_path != actor.path:
            host.add(actor.key_path, document(actor.key_document))
        return actor


def missing(status: int) -> Script:
    return reply(status=status)
