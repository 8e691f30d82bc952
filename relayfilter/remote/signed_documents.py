"""Documents from servers that show them to strangers and from those that want to know who asks.

The key of a sender is asked for unsigned first: most servers give it away, and a server that wants a signature says so
with 401 or 403 (Threads with 404). Then it is asked once more, signed. A host that was content with that is signed to
at once for some hours.

What Lemmy would fetch is asked for `as_lemmy`, signed at once, as Lemmy signs everything: some servers answer unsigned
questions with a stub (an actor without picture and text), which would show us less than Lemmy gets to see. A server
that rejects our signature, say because it cannot look us up, is asked unsigned.

So there are never more than two questions. A signature is for one URL; where that redirects to, the question is
unsigned, and if it is refused there the second question goes to that URL, signed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from relayfilter.remote.instance_actor import InstanceActor
from relayfilter.remote.messages import DocumentAnswer, FetchFailed
from relayfilter.remote.recent import Recent
from relayfilter.signatures.owner import instance_of, same_id

_WANTS_SIGNATURE = frozenset({401, 403, 404})
_REJECTS_SIGNATURE = frozenset({400, 401, 403})


class FetchDocument(Protocol):
    """The fetch process. `deadline` is in seconds from now. Raises RemoteUnavailable."""

    async def fetch(
        self, url: str, *, accept: str, max_bytes: int, deadline: float, headers: tuple[tuple[str, str], ...] = ()
    ) -> DocumentAnswer | FetchFailed: ...


class SignedDocuments:
    """Without an `actor` nothing is ever signed. `wall_clock` gives epoch seconds, `remembered_for` is in seconds."""

    def __init__(
        self,
        documents: FetchDocument,
        actor: InstanceActor | None,
        wall_clock: Callable[[], float],
        *,
        remembered_for: float = 6 * 3600,
        remembered_hosts: int = 4096,
    ) -> None:
        self._documents = documents
        self._actor = actor
        self._wall_clock = wall_clock
        self._remembered_for = remembered_for
        self._demanding: Recent[str, float] = Recent(remembered_hosts)

    async def fetch(
        self, url: str, *, accept: str, max_bytes: int, deadline: float, as_lemmy: bool = False
    ) -> DocumentAnswer | FetchFailed:
        """The document at `url`, whatever its server's status, within `deadline` seconds. Raises RemoteUnavailable."""
        until = trio.current_time() + deadline

        async def ask(url: str, *, signed: bool) -> DocumentAnswer | FetchFailed:
            headers = self._actor.signed_headers(url, self._wall_clock()) if signed and self._actor else ()
            left = until - trio.current_time()
            return await self._documents.fetch(url, accept=accept, max_bytes=max_bytes, deadline=left, headers=headers)

        demanding = self._is_demanding(url)
        signed = self._actor is not None and (as_lemmy or demanding)
        answer = await ask(url, signed=signed)
        if self._actor is None or isinstance(answer, FetchFailed) or trio.current_time() >= until:
            return answer
        if answer.status in _WANTS_SIGNATURE and not (signed and same_id(answer.url, url.partition("#")[0])):
            second = await ask(answer.url, signed=True)
            if isinstance(second, DocumentAnswer) and second.status == 200:
                self._remember(answer.url)
            return second
        if signed and not demanding and answer.status in _REJECTS_SIGNATURE:
            return await ask(url, signed=False)
        return answer

    def _is_demanding(self, url: str) -> bool:
        since = self._demanding.get(instance_of(url) or "")
        return since is not None and trio.current_time() - since < self._remembered_for

    def _remember(self, url: str) -> None:
        self._demanding.put(instance_of(url) or "", trio.current_time())
