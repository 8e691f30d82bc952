"""Obtaining an object by its id, as Lemmy obtains it, so that we see what Lemmy would see.

activitypub_federation (`fetch_object_http`) signs every question, follows redirects, and then wants the object's `id`
to be the URL where it was found. Where the id differs but stays on the host it asks once more at the id; on another
host it gives up. The same is done here, only that there is no third question.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
import trio

from relayfilter.activity.document import parse_object
from relayfilter.errors import MalformedRequest, RemoteUnavailable
from relayfilter.remote.actor_keys import ACCEPT
from relayfilter.remote.allowance import Allowance
from relayfilter.remote.messages import DocumentAnswer, FetchFailed
from relayfilter.signatures.owner import MAX_ID, CanonicalId, canonical_id, same_id, same_origin

MAX_DOCUMENT = 1024 * 1024
"""Bytes of the largest document that is read."""
QUESTION_PERIOD = 10.0
REMEMBERED_HOSTS = 4096

_JSON = frozenset({"application/activity+json", "application/ld+json", "application/json"})
_TEMPORARY = frozenset({408, 425, 429})


class LemmysDocuments(Protocol):
    """SignedDocuments. `deadline` is in seconds from now. Raises RemoteUnavailable."""

    async def fetch(
        self, url: str, *, accept: str, max_bytes: int, deadline: float, as_lemmy: bool = False
    ) -> DocumentAnswer | FetchFailed: ...


class RemoteObject(msgspec.Struct, frozen=True):
    """`id` is the id that the object gives itself; `document` was read from `body`."""

    id: str
    document: dict[str, Any]
    body: bytes


class ObjectUnavailable(msgspec.Struct, frozen=True):
    """No object. `not_an_object`: something was served, but nothing that Lemmy could read as one."""

    reason: str
    detail: str = ""
    temporary: bool = False
    not_an_object: bool = False


class RemoteObjects:
    """`questions_per_host`: how often one host is asked within ten seconds."""

    def __init__(self, documents: LemmysDocuments, *, questions_per_host: int) -> None:
        self._documents = documents
        self._allowance = Allowance(questions_per_host, QUESTION_PERIOD, REMEMBERED_HOSTS)

    async def get(self, id: str, *, deadline: float) -> RemoteObject | ObjectUnavailable:
        """The object named `id`. `deadline` is on Trio's clock.

        Reasons: those of canonical_id, of FetchFailed, and of parse_object; `http-STATUS`, `wrong-type`, `without-id`,
        `object-foreign-origin`, `object-id`, `deadline`, `rate-limited`, `filter-unavailable`.
        """
        with trio.move_on_at(deadline):
            found = await self._ask(id, deadline)
            if isinstance(found, _Elsewhere):
                found = await self._ask(found.id, deadline)
            if isinstance(found, _Elsewhere):
                return ObjectUnavailable("object-id", found.id[:MAX_ID], not_an_object=True)
            return found
        return ObjectUnavailable("deadline", temporary=True)

    async def _ask(self, id: str, deadline: float) -> RemoteObject | ObjectUnavailable | _Elsewhere:
        place = canonical_id(id)
        if not isinstance(place, CanonicalId):
            return ObjectUnavailable(place.reason)
        if not self._allowance.take(place.host):
            return ObjectUnavailable("rate-limited", place.host, temporary=True)
        left = deadline - trio.current_time()
        url = id.partition("#")[0]
        try:
            answer = await self._documents.fetch(
                url, accept=ACCEPT, max_bytes=MAX_DOCUMENT, deadline=left, as_lemmy=True
            )
        except RemoteUnavailable as unavailable:
            return ObjectUnavailable("filter-unavailable", str(unavailable), temporary=True)
        if isinstance(answer, FetchFailed):
            return ObjectUnavailable(answer.reason, answer.detail, answer.temporary)
        if answer.status != 200:
            temporary = answer.status >= 500 or answer.status in _TEMPORARY
            return ObjectUnavailable(f"http-{answer.status}", temporary=temporary)
        return _read(answer, id)


class _Elsewhere(msgspec.Struct, frozen=True):
    """The host serves the object under another id."""

    id: str


def _read(answer: DocumentAnswer, asked: str) -> RemoteObject | ObjectUnavailable | _Elsewhere:
    content_type = answer.content_type.partition(";")[0].strip().lower()
    if content_type not in _JSON:
        return ObjectUnavailable("wrong-type", content_type, not_an_object=True)
    try:
        document = parse_object(answer.body)
    except MalformedRequest as error:
        return ObjectUnavailable(error.reason, not_an_object=True)
    own_id = document.get("id")
    if not isinstance(own_id, str):
        return ObjectUnavailable("without-id", not_an_object=True)
    if not same_origin(own_id, answer.url):
        return ObjectUnavailable("object-foreign-origin", own_id[:MAX_ID], not_an_object=True)
    if same_id(own_id, asked) or same_id(own_id, answer.url):
        return RemoteObject(own_id, document, answer.body)
    return _Elsewhere(own_id)
