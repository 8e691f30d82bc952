"""Looking at what a delivery only names, before Lemmy fetches it.

A vote, a reply or an announce by id makes Lemmy fetch the object that it names, that object's parents and authors, and
the pictures of all of them. So each document that neither we nor Lemmy can have seen is fetched here first, and its
media are inspected as if they had been delivered. What could not be looked at is reported in the place of a medium,
with the slot `object` or `actor`, so that policy decides.

Strangers decide what is fetched, so all of it is bounded (one activity that sets a whole fediverse fetching is a known
attack):
  - `documents` for one delivery; parents are followed `depth` levels beyond what it names; authors lead nowhere
  - `questions_per_host` within ten seconds, whoever asks for them
  - deliveries that name the same document at the same time share one look, and its outcome is kept for a while, so that
    a storm of votes costs one fetch; not kept is what came of one delivery's lack of time or of our own load
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

import msgspec
import trio

from relayfilter.activity.document import Activity, parse_activity
from relayfilter.activity.media_ref import MediaRef
from relayfilter.activity.media_refs import MAX_URL, find_media
from relayfilter.activity.references import References, find_references
from relayfilter.errors import MalformedRequest
from relayfilter.inspection.inspector import Inspector
from relayfilter.media.finding import MediaReport, Uninspectable
from relayfilter.policy.evidence import InspectedMedia
from relayfilter.remote.objects import LemmysDocuments, ObjectUnavailable, RemoteObject, RemoteObjects
from relayfilter.remote.recent import Recent
from relayfilter.signatures.owner import instance_of

FAILED_FOR = 10.0
"""Seconds for which a server that is down is left alone."""
_KEPT = 256
_KEPT_MEDIA = 32
_KEPT_NAMES = 16_384
_PASSED_ACTORS = 65536

_ACTORS = frozenset({"Application", "Feed", "Group", "Organization", "Person", "Service"})
_SERVER_IS_DOWN = frozenset({"dns", "connect", "tls", "disconnected"})
_OUT_OF_TIME = ObjectUnavailable("deadline", temporary=True)
_UNREAD = MediaReport(findings=(Uninspectable("too-many-references"),))

Kind = Literal["object", "actor"]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=7 * 24 * 3600)]


class LookAheadSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[look_ahead]` table.

    `actors`: whether people and communities are looked at too; `depth`: how many levels of parents are followed beyond
    what a delivery names; `documents`: how many are fetched for one delivery (Lemmy stops at 25);
    `questions_per_host`: how many from one host within ten seconds; `refused_for`: seconds for which an outcome is
    kept for others who name the same document; `stale_after`: seconds after which an actor is looked at again (Lemmy
    fetches actors again after a day).
    """

    enabled: bool = True
    actors: bool = True
    depth: Annotated[int, msgspec.Meta(ge=0, le=32)] = 20
    documents: Annotated[int, msgspec.Meta(ge=1, le=64)] = 24
    questions_per_host: Annotated[int, msgspec.Meta(ge=1)] = 300
    refused_for: Seconds = 600.0
    stale_after: Seconds = 24 * 3600.0


class LookedAt(msgspec.Struct, frozen=True):
    """One document. `id` is its own id once it is `fetched`, else the one that was named, and `reason` says why.
    `published` is what the document says of its making, in seconds since the epoch."""

    id: str
    kind: Kind
    outcome: Literal["fetched", "unavailable", "not-an-object"]
    reason: str = ""
    temporary: bool = False
    published: float | None = None


class LookAheadResult(msgspec.Struct, frozen=True):
    """Facts. The pointer of a medium is its document's id, `#`, and the JSON pointer in that; the pointer of a document
    that could not be looked at is the place that names it, or empty for an actor.

    Reasons are those of RemoteObjects.get and parse_activity, `too-deep` and `too-many-documents`; of all that was left
    out for the last two, the first of each kind stands here.
    """

    media: tuple[InspectedMedia, ...] = ()
    documents: tuple[LookedAt, ...] = ()


class Known(Protocol):
    """Objects that Lemmy has by now. The ledger keeps them."""

    def seen(self, id: str, /) -> bool: ...
    def remember(self, ids: Iterable[str], /) -> None: ...


class _Named(msgspec.Struct, frozen=True):
    """`pointer` is the place that names the document."""

    id: str
    kind: Kind
    pointer: str


class _Found(msgspec.Struct, frozen=True):
    """A document that was looked at: what it shows, and what it leads to."""

    looked_at: LookedAt
    media: tuple[InspectedMedia, ...]
    names: tuple[_Named, ...]


_Outcome = _Found | ObjectUnavailable


class _Kept(msgspec.Struct, frozen=True):
    outcome: _Outcome
    until: float


class LookAhead:
    """`domains` are our own hosts, in lower case."""

    def __init__(
        self,
        documents: LemmysDocuments,
        inspector: Inspector,
        known: Known,
        *,
        domains: frozenset[str],
        settings: LookAheadSettings | None = None,
    ) -> None:
        self._documents = documents
        self._inspector = inspector
        self._known = known
        self._domains = domains
        self._settings = settings or LookAheadSettings()
        self._objects = RemoteObjects(documents, questions_per_host=self._settings.questions_per_host)
        self._kept: Recent[str, _Kept] = Recent(_KEPT)
        self._looking: dict[str, trio.Event] = {}
        self._passed_actors: Recent[str, float] = Recent(_PASSED_ACTORS)

    def with_inspector(self, inspector: Inspector) -> LookAhead:
        """The same with another inspector, and without what was found so far: other lists may find more."""
        return LookAhead(self._documents, inspector, self._known, domains=self._domains, settings=self._settings)

    async def look(self, references: References, *, deadline: float) -> LookAheadResult:
        """What is behind the names in a delivery. `deadline` is on Trio's clock.

        What a deletion deletes is left out, as Lemmy does not fetch it."""
        if not self._settings.enabled:
            return LookAheadResult()
        visited: set[str] = set()
        level = self._unseen(_named_by(references), visited)
        outcomes: list[tuple[_Named, _Outcome]] = []
        left = self._settings.documents
        for depth in range(self._settings.depth + 2):
            if not level:
                break
            is_last = depth > self._settings.depth
            too_deep = [named for named in level if is_last and named.kind == "object"]
            followed = [named for named in level if not is_last or named.kind == "actor"]
            outcomes += _left_out(too_deep, "too-deep") + _left_out(followed[left:], "too-many-documents")
            looked = await self._look_at_all(followed[:left], deadline)
            outcomes += looked
            left -= len(looked)
            found = [outcome for _, outcome in looked if isinstance(outcome, _Found)]
            level = self._unseen((named for one in found for named in one.names), visited)
        return LookAheadResult(
            media=tuple(medium for named, outcome in outcomes for medium in _media(named, outcome)),
            documents=tuple(_looked_at(named, outcome) for named, outcome in outcomes),
        )

    def passed(self, result: LookAheadResult) -> None:
        """The delivery that needed this look was passed, so Lemmy has the same documents by now."""
        fetched = [document for document in result.documents if document.outcome == "fetched"]
        self._known.remember([document.id for document in fetched if document.kind == "object"])
        for document in fetched:
            if document.kind == "actor":
                self._passed_actors.put(document.id, trio.current_time())

    def _unseen(self, named: Iterable[_Named], visited: set[str]) -> list[_Named]:
        """Each document once, without ours and those that Lemmy has."""
        unseen = []
        for one in named:
            if one.id in visited or (one.kind == "actor" and not self._settings.actors):
                continue
            visited.add(one.id)
            has = self._has_actor(one.id) if one.kind == "actor" else self._known.seen(one.id)
            if not has and instance_of(one.id) not in self._domains:
                unseen.append(one)
        return unseen

    def _has_actor(self, id: str) -> bool:
        passed_at = self._passed_actors.get(id)
        return passed_at is not None and trio.current_time() - passed_at < self._settings.stale_after

    async def _look_at_all(self, wanted: list[_Named], deadline: float) -> list[tuple[_Named, _Outcome]]:
        outcomes: dict[_Named, _Outcome] = {}

        async def obtain(named: _Named) -> None:
            outcomes[named] = await self._obtain(named.id, deadline)

        async with trio.open_nursery() as nursery:
            for named in wanted:
                nursery.start_soon(obtain, named)
        return [(named, outcomes[named]) for named in wanted]

    async def _obtain(self, id: str, deadline: float) -> _Outcome:
        """Kept from before, found for another delivery meanwhile, or looked at now."""
        while True:
            kept = self._kept.get(id)
            if kept is not None and trio.current_time() < kept.until:
                return kept.outcome
            if (others := self._looking.get(id)) is None:
                break
            with trio.move_on_at(deadline) as waiting:
                await others.wait()
            if waiting.cancelled_caught:
                return _OUT_OF_TIME
        self._looking[id] = done = trio.Event()
        try:
            outcome = await self._look_at(id, deadline)
            if lasts := self._lasts(outcome):
                self._kept.put(id, _Kept(outcome, trio.current_time() + lasts))
            return outcome
        finally:
            del self._looking[id]
            done.set()

    def _lasts(self, outcome: _Outcome) -> float:
        """Seconds for which others may be given the same outcome."""
        if isinstance(outcome, ObjectUnavailable):
            passing = {outcome.reason} if outcome.temporary else set()
        elif len(outcome.media) > _KEPT_MEDIA or sum(len(named.id) for named in outcome.names) > _KEPT_NAMES:
            return 0.0
        else:
            findings = [finding for medium in outcome.media for finding in medium.report.findings]
            passing = {found.reason for found in findings if isinstance(found, Uninspectable) and found.temporary}
        if not all(reason in _SERVER_IS_DOWN or reason.startswith("http-") for reason in passing):
            return 0.0
        return FAILED_FOR if passing else self._settings.refused_for

    async def _look_at(self, id: str, deadline: float) -> _Outcome:
        served = await self._objects.get(id, deadline=deadline)
        if isinstance(served, ObjectUnavailable):
            return served
        try:
            names = tuple(_names_in(served))
        except MalformedRequest as error:
            return ObjectUnavailable(error.reason, not_an_object=True)
        refs = find_media(served.document)
        media = await self._inspector.inspect(
            [msgspec.structs.replace(ref, pointer=_place(served.id, ref.pointer)) for ref in refs.refs],
            deadline=deadline,
        )
        if refs.truncated:
            media += (InspectedMedia(MediaRef(_place(served.id, ""), "", "attachment"), _UNREAD),)
        kind: Kind = "actor" if _is_actor(served.document) else "object"
        looked_at = LookedAt(served.id, kind, "fetched", published=_published(served.document))
        return _Found(looked_at, media, names)


def _left_out(named: list[_Named], reason: str) -> list[tuple[_Named, _Outcome]]:
    firsts = {one.kind: one for one in reversed(named)}
    return [(one, ObjectUnavailable(reason)) for one in firsts.values()]


def _looked_at(named: _Named, outcome: _Outcome) -> LookedAt:
    if isinstance(outcome, _Found):
        return outcome.looked_at
    return LookedAt(
        _shown(named.id),
        named.kind,
        "not-an-object" if outcome.not_an_object else "unavailable",
        outcome.reason,
        outcome.temporary,
    )


def _media(named: _Named, outcome: _Outcome) -> tuple[InspectedMedia, ...]:
    if isinstance(outcome, _Found):
        return outcome.media
    finding = Uninspectable(outcome.reason, outcome.detail, outcome.temporary)
    return (InspectedMedia(MediaRef(named.pointer, _shown(named.id), named.kind), MediaReport(findings=(finding,))),)


def _named_by(references: References) -> Iterator[_Named]:
    if not references.deletes:
        for reference in references.named:
            yield _Named(reference.id, "object", reference.pointer)
    for actor in references.actors:
        yield _Named(actor, "actor", "")


def _names_in(served: RemoteObject) -> Iterator[_Named]:
    """What Lemmy fetches on account of an object that it has fetched. Raises MalformedRequest."""
    if _is_actor(served.document):
        return
    for named in _named_by(find_references(_as_activity(served))):
        if named.id not in ("", served.id):
            yield _Named(named.id, named.kind, _place(served.id, named.pointer))


def _as_activity(served: RemoteObject) -> Activity:
    """What was served, or, if that is a plain object, as if its author had sent it by itself."""
    document = served.document
    if "actor" in document and "object" in document:
        return parse_activity(served.body)
    author = document.get("attributedTo")
    return Activity(
        raw=served.body,
        document=document,
        id=served.id,
        type="",
        actor=author if isinstance(author, str) else "",
        object_id=None,
        object_type=None,
        inner_actor=None,
        sensitive=False,
    )


def _published(document: dict[str, Any]) -> float | None:
    said = document.get("published")
    try:
        moment = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return moment.timestamp() if moment is not None and moment.tzinfo is not None else None


def _is_actor(document: dict[str, Any]) -> bool:
    kind = document.get("type")
    return isinstance(kind, str) and kind in _ACTORS


def _shown(id: str) -> str:
    """As MediaRef wants a URL."""
    return id if len(id) <= MAX_URL else id[:MAX_URL] + "\N{HORIZONTAL ELLIPSIS}"


def _place(id: str, pointer: str) -> str:
    return f"{id}#{pointer}"
