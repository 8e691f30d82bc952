"""Obtaining the key of an actor: remembered, kept in the ledger, or asked of the actor's server through fetch.

Strangers decide which keys are asked for, so every way to make us ask is bounded:
  - one question at a time for one key; those who want the same key wait for its answer;
  - an answer is remembered: a key until it is `max_age` old (a day, as Lemmy keeps actors), a refusal for a while;
  - a signature that fails may mean that the key was replaced, so the key is asked for again, but only once within
    `refetch_window`;
  - each host has a bucket of `questions_per_host` that fills up again within `question_period` (a question is one
    document, or two where the actor's own has to vouch for the key);
  - what is remembered is bounded in number, the oldest goes first.

A key that cannot be asked for again (a server that is down, a bot wall) stays good until it is too old; one that its
server disowns is forgotten. Times within the process are Trio's; `fetched_at` outlives it and is wall-clock time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
import trio

from relayfilter.errors import RemoteUnavailable
from relayfilter.remote.allowance import Allowance
from relayfilter.remote.messages import DocumentAnswer, FetchFailed
from relayfilter.remote.recent import Recent
from relayfilter.signatures.keys import (
    MAX_DOCUMENT,
    AskActor,
    KeyDocument,
    PublishedKey,
    judge_actor_document,
    judge_key_document,
    read_key_document,
)
from relayfilter.signatures.owner import check_key_id, instance_of, same_id
from relayfilter.signatures.result import ActorKey, BadSignature, KeyUnavailable

ACCEPT = 'application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"'

_DECLARED = frozenset({"application/activity+json", "application/ld+json"})
_JSON = _DECLARED | {"application/json"}
_DISOWNED = frozenset({"key-not-found", "key-gone"})

KeyAnswer = ActorKey | KeyUnavailable | BadSignature

_Name = tuple[str, str]
"""A key id and the actor that it is to be a key of."""


class Documents(Protocol):
    """The fetch process, asked for a document. `deadline` is in seconds from now. Raises RemoteUnavailable."""

    async def fetch(
        self, url: str, *, accept: str, max_bytes: int, deadline: float
    ) -> DocumentAnswer | FetchFailed: ...


class KeyCache(Protocol):
    """Keys that outlive the process, one a key id."""

    async def load_key(self, key_id: str) -> ActorKey | None: ...
    async def store_key(self, key: ActorKey) -> None: ...
    async def forget_key(self, key_id: str) -> None: ...


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in seconds; the last two count what is remembered."""

    max_age: float = 24 * 3600
    refetch_window: float = 300
    refused_for: float = 300
    unavailable_for: float = 10
    questions_per_host: int = 60
    question_period: float = 10
    remembered_keys: int = 4096
    remembered_hosts: int = 4096


class _Refusal(msgspec.Struct, frozen=True):
    answer: KeyUnavailable | BadSignature
    until: float


class ActorKeys:
    """The keys of actors. `wall_clock` gives seconds since the epoch."""

    def __init__(
        self, documents: Documents, cache: KeyCache, wall_clock: Callable[[], float], limits: KeyLimits | None = None
    ) -> None:
        self._documents = documents
        self._cache = cache
        self._wall_clock = wall_clock
        self._limits = limits or KeyLimits()
        self._keys: Recent[_Name, ActorKey] = Recent(self._limits.remembered_keys)
        self._refusals: Recent[_Name, _Refusal] = Recent(self._limits.remembered_keys)
        self._allowance = Allowance(
            self._limits.questions_per_host, self._limits.question_period, self._limits.remembered_hosts
        )
        self._refetched: Recent[_Name, float] = Recent(self._limits.remembered_keys)
        self._asking: dict[_Name, trio.Event] = {}

    async def get(self, key_id: str, actor: str, *, deadline: float) -> KeyAnswer:
        """The key that `key_id` names, which `actor` lists as theirs, within `deadline` seconds.

        BadSignature (reasons of check_key_id, judge_key_document and judge_actor_document): it is not the actor's.
        KeyUnavailable: `key-not-found`, `key-gone`, `key-refused`, `key-server-error`, `key-wrong-type`,
        `key-timeout`, `key-rate-limited`, `key-fetch-unavailable`, those of read_key_document, or `key-` before the
        reason of a FetchFailed.
        """
        return await self._within(deadline, (key_id, actor), None)

    async def refetch(self, key: ActorKey, *, deadline: float) -> KeyAnswer:
        """The key once more, for a signature that failed; the same again when that was asked within the window."""
        return await self._within(deadline, (key.key_id, key.actor), key)

    async def _within(self, deadline: float, name: _Name, failed: ActorKey | None) -> KeyAnswer:
        if bad := check_key_id(*name):
            return bad
        too_late = KeyUnavailable("key-timeout", temporary=True)
        key = self._keys.get(name)
        if failed is None and key is not None and self._is_good(key, None):
            return key  # the usual case needs no deadline
        if deadline <= 0:
            return too_late
        with trio.move_on_after(deadline):
            return await self._obtain(name, failed)
        return self._refuse(name, too_late)

    async def _obtain(self, name: _Name, failed: ActorKey | None) -> KeyAnswer:
        while True:
            key = await self._remembered(name)
            if key is not None and self._is_good(key, failed):
                return key
            refusal = self._refusals.get(name)
            if refusal is not None and trio.current_time() < refusal.until:
                return refusal.answer
            if (others := self._asking.get(name)) is None:
                if failed is not None:
                    if key is not None and not self._may_refetch(name):
                        return key
                    self._refetched.put(name, trio.current_time())
                return await self._ask(name)
            await others.wait()

    async def _remembered(self, name: _Name) -> ActorKey | None:
        key = self._keys.get(name)
        if key is None:
            key = await self._cache.load_key(name[0])
            if key is None or not same_id(key.actor, name[1]):
                return None
            self._keys.put(name, key)
        return key

    def _is_good(self, key: ActorKey, failed: ActorKey | None) -> bool:
        if failed is None:
            return self._age(key) < self._limits.max_age
        return key.pem != failed.pem or key.fetched_at > failed.fetched_at

    def _may_refetch(self, name: _Name) -> bool:
        last = self._refetched.get(name)
        return last is None or trio.current_time() - last >= self._limits.refetch_window

    def _age(self, key: ActorKey) -> float:
        """Seconds; a clock that was set back since makes a key older, not younger."""
        return abs(self._wall_clock() - key.fetched_at)

    async def _ask(self, name: _Name) -> KeyAnswer:
        """Ask the actor's server and remember the answer. Only one task at a time for one name."""
        if not self._allowance.take(instance_of(name[1]) or ""):
            return KeyUnavailable("key-rate-limited", temporary=True)
        self._asking[name] = done = trio.Event()
        try:
            answer = await self._fetch_key(*name)
            if isinstance(answer, ActorKey):
                self._keys.put(name, answer)
                await self._cache.store_key(answer)
                return answer
            disowned = isinstance(answer, BadSignature) or answer.reason in _DISOWNED
            if disowned and self._keys.get(name) is not None:
                self._keys.drop(name)
                await self._cache.forget_key(name[0])
            return self._refuse(name, answer)
        finally:
            del self._asking[name]
            done.set()

    def _refuse(self, name: _Name, answer: KeyUnavailable | BadSignature) -> KeyUnavailable | BadSignature:
        temporary = isinstance(answer, KeyUnavailable) and answer.temporary
        lasts = self._limits.unavailable_for if temporary else self._limits.refused_for
        self._refusals.put(name, _Refusal(answer, trio.current_time() + lasts))
        return answer

    async def _fetch_key(self, key_id: str, actor: str) -> KeyAnswer:
        served = await self._fetch_document(key_id)
        if isinstance(served, KeyUnavailable):
            return served
        key: PublishedKey | AskActor | BadSignature = judge_key_document(
            served.document, url=served.url, key_id=key_id, actor=actor, declared=served.declared
        )
        if isinstance(key, AskActor):
            served = await self._fetch_document(actor)
            if isinstance(served, KeyUnavailable):
                return served
            key = judge_actor_document(served.document, url=served.url, key_id=key_id, actor=actor)
        if isinstance(key, BadSignature):
            return key
        return ActorKey(key_id, actor, key.pem, self._wall_clock())

    async def _fetch_document(self, url: str) -> _Served | KeyUnavailable:
        left = max(0.0, trio.current_effective_deadline() - trio.current_time())
        try:
            answer = await self._documents.fetch(
                url.partition("#")[0], accept=ACCEPT, max_bytes=MAX_DOCUMENT, deadline=left
            )
        except RemoteUnavailable:
            return KeyUnavailable("key-fetch-unavailable", temporary=True)
        if isinstance(answer, FetchFailed):
            return KeyUnavailable(f"key-{answer.reason}", temporary=answer.temporary)
        if bad := _check_status(answer.status):
            return bad
        content_type = answer.content_type.partition(";")[0].strip().lower()
        if content_type not in _JSON:
            return KeyUnavailable("key-wrong-type", temporary=False)
        document = read_key_document(answer.body)
        if isinstance(document, KeyUnavailable):
            return document
        return _Served(document, answer.url, content_type in _DECLARED)


class _Served(msgspec.Struct, frozen=True):
    document: KeyDocument
    url: str
    declared: bool


def _check_status(status: int) -> KeyUnavailable | None:
    if status == 200:
        return None
    if status == 410:
        return KeyUnavailable("key-gone", temporary=False, gone=True)
    if status == 404:
        return KeyUnavailable("key-not-found", temporary=False)
    if status in (408, 425, 429) or status >= 500:
        return KeyUnavailable("key-server-error", temporary=True)
    return KeyUnavailable("key-refused", temporary=False)
