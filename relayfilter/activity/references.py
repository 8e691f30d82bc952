"""What a delivery points at: the objects that it carries, those that it only names, and the actors behind them.

Lemmy fetches what it does not have, so whatever a delivery names by id is a way past the inbox. What it names follows
from the members that Lemmy reads and the place in which they stand:

| member | of | names |
|---|---|---|
| `object` | Follow, Join, Leave, Block, Move | an actor |
| `object` | Add, Remove with a target `.../moderators` | an actor |
| `object`, an object with a type | Create, Update, Announce, Undo, Accept, Reject | itself: carried, and looked into |
| `object`, anything else | everything | an object: votes, reports, pins, boosts by id, deletions |
| `inReplyTo` | everything | a parent |
| `target` | Add, Remove | a target, when it is no collection of a community |
| `target` | everything else | an actor (Block from a community or a site) |
| `actor`, `attributedTo`, `audience`, `to`, `cc`, Mention tags | everything | actors, Public and followers left out |

The place decides, never the id: somebody who names an object and lists the same id among the recipients, or gives it to
an activity that he carries, has named the object all the same. Only the sender himself is never a named object.

Not here: links in Markdown and attached links, which media_refs.py finds and which are mostly pages; what Lemmy finds
only in documents that it has fetched (an outbox, a Feed's `following`). A community whose id is spelt like a followers
collection is taken for one.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from relayfilter.activity.document import Activity

Kind = Literal["object", "parent", "target"]

_CARRIERS: Final = frozenset({"Accept", "Announce", "Create", "Reject", "Undo", "Update"})
_ABOUT_ACTORS: Final = frozenset({"Block", "Follow", "Join", "Leave", "Move"})
_ACTORS: Final = frozenset({"Application", "Feed", "Group", "Organization", "Person", "Service"})
_PUBLIC: Final = frozenset({"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"})
_AUDIENCE = re.compile(r"/(?:followers|following|subscribers)(?:[/?#]|$)")
_COLLECTION = re.compile(r"/(?:collections|featured|followers|following|moderators|outbox)(?:[/?#]|$)")
_MODERATORS = re.compile(r"/moderators(?:[?#]|$)")


class Reference(msgspec.Struct, frozen=True):
    """`id` as the sender wrote it, and the JSON pointer (RFC 6901) of where it stands."""

    id: str
    pointer: str
    kind: Kind


class References(msgspec.Struct, frozen=True):
    """`own`: the inner activities and objects that the delivery carries, outermost first; no actors, not its own id.
    `named`: what it names, each id once. `actors`: whoever Lemmy may fetch for it, the sender first, mentions last.
    `deletes`: a Delete, announced or not; it refers to what it removes."""

    own: tuple[str, ...]
    named: tuple[Reference, ...]
    actors: tuple[str, ...]
    deletes: bool


def find_references(activity: Activity) -> References:
    """Everything that `activity` points at. Never raises."""
    walk = _Walk(activity.actor)
    walk.over("", activity.document)
    return References(
        own=tuple(walk.own),
        named=tuple(walk.named.values()),
        actors=(*walk.actors, *(mentioned for mentioned in walk.mentioned if mentioned not in walk.actors)),
        deletes=_deletes(activity.document),
    )


class _Walk:
    def __init__(self, sender: str) -> None:
        self.own: dict[str, None] = {}
        self.named: dict[str, Reference] = {}
        self.actors: dict[str, None] = {sender: None}
        self.mentioned: dict[str, None] = {}
        self._sender = sender

    def over(self, at: str, node: dict[str, Any]) -> None:
        kind, target = _text(node.get("type")), node.get("target")
        self._over_actors(node)
        self._name(f"{at}/inReplyTo", node.get("inReplyTo"), "parent")
        about_actors = kind in _ABOUT_ACTORS
        if target and kind in ("Add", "Remove"):
            about_actors = any(_MODERATORS.search(collection) for collection in _ids(target))
            if not any(_COLLECTION.search(collection) for collection in _ids(target)):
                self._name(f"{at}/target", target, "target")
        elif target:
            self._act(target)
        inside = node.get("object")
        if about_actors:
            self._act(inside)
        elif kind in _CARRIERS and isinstance(inside, dict):
            self._carry(f"{at}/object", inside)
        elif kind in _CARRIERS and isinstance(inside, list):
            for index, item in enumerate(inside):
                self._carry(f"{at}/object/{index}", item)
        else:
            self._name(f"{at}/object", inside, "object")

    def _over_actors(self, node: dict[str, Any]) -> None:
        for member in ("actor", "attributedTo", "audience", "to", "cc"):
            if value := node.get(member):
                self._act(value)
        tags = node.get("tag")
        for tag in tags if isinstance(tags, list) else (tags,):
            if isinstance(tag, dict) and tag.get("type") == "Mention" and (mentioned := _text(tag.get("href"))):
                self.mentioned[mentioned] = None

    def _act(self, value: object) -> None:
        for actor in _ids(value):
            if actor not in self.actors and actor not in _PUBLIC and not _AUDIENCE.search(actor):
                self.actors[actor] = None

    def _carry(self, at: str, item: object) -> None:
        kind = _text(item.get("type")) if isinstance(item, dict) else None
        if not isinstance(item, dict) or not kind:
            self._name(at, item, "object")
        elif kind in _ACTORS:
            self._act(item)
        else:
            if own := _text(item.get("id")):
                self.own[own] = None
            self.over(at, item)

    def _name(self, at: str, value: object, kind: Kind) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                self._name_one(f"{at}/{index}", item, kind)
        elif value:
            self._name_one(at, value, kind)

    def _name_one(self, at: str, value: object, kind: Kind) -> None:
        pointer, named = (f"{at}/id", value.get("id")) if isinstance(value, dict) else (at, value)
        if isinstance(named, str) and named and named != self._sender and named not in self.named:
            self.named[named] = Reference(named, pointer, kind)


def _deletes(node: dict[str, Any]) -> bool:
    while node.get("type") == "Announce" and isinstance(inside := node.get("object"), dict):
        node = inside
    return node.get("type") == "Delete"


def _ids(value: object) -> list[str]:
    """The ids of what a member names: URLs, or objects that carry their ids, one or several."""
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, dict):
        return [own] if isinstance(own := value.get("id"), str) and own else []
    return [one for item in value for one in _ids(item)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
