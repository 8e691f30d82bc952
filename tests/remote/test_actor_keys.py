from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from relayfilter.errors import RemoteUnavailable
from relayfilter.remote.actor_keys import ACCEPT, ActorKeys, KeyAnswer, KeyLimits
from relayfilter.remote.messages import DocumentAnswer, FetchFailed
from relayfilter.signatures.keys import MAX_DOCUMENT
from relayfilter.signatures.result import ActorKey, BadSignature, KeyUnavailable
from tests.support.signing import keypair

EPOCH = 1_700_000_000.0
ACTOR = "https://a.test/users/alice"
KEY_ID = f"{ACTOR}#main-key"
SITE = "https://a.test/actor"
OLD_PEM = keypair("alice").public_pem
NEW_PEM = keypair("alice's next").public_pem

Scripted = DocumentAnswer | FetchFailed | RemoteUnavailable | float


class ScriptedDocuments:
    """A web of documents: what each URL answers, in turn, the last again and again. A number is a time to wait."""

    def __init__(self) -> None:
        self.pages: dict[str, list[Scripted]] = {}
        self.asked: list[str] = []

    def serve(self, url: str, *script: Scripted) -> None:
        self.pages[url] = list(script)

    async def fetch(self, url: str, *, accept: str, max_bytes: int, deadline: float) -> DocumentAnswer | FetchFailed:
        assert (accept, max_bytes) == (ACCEPT, MAX_DOCUMENT)
        assert 0 <= deadline <= 5
        self.asked.append(url)
        await trio.lowlevel.checkpoint()
        script = self.pages.get(url) or [DocumentAnswer(url, 404, "text/plain", b"")]
        while isinstance(step := script[0], float):
            script.pop(0)
            with trio.move_on_after(deadline) as scope:
                await trio.sleep(step)
            if scope.cancelled_caught:
                return FetchFailed("timeout", "", temporary=True)
        if len(script) > 1:
            script.pop(0)
        if isinstance(step, RemoteUnavailable):
            raise step
        return step


class MemoryCache:
    """The ledger's part."""

    def __init__(self) -> None:
        self.keys: dict[str, ActorKey] = {}

    async def load_key(self, key_id: str) -> ActorKey | None:
        await trio.lowlevel.checkpoint()
        return self.keys.get(key_id)

    async def store_key(self, key: ActorKey) -> None:
        await trio.lowlevel.checkpoint()
        self.keys[key.key_id] = key

    async def forget_key(self, key_id: str) -> None:
        await trio.lowlevel.checkpoint()
        self.keys.pop(key_id, None)


class World:
    def __init__(self, **limits: Any) -> None:
        self.documents = ScriptedDocuments()
        self.cache = MemoryCache()
        self.limits = KeyLimits(**limits)
        self.clock_error = 0.0
        self.restart()

    def restart(self) -> None:
        self.keys = ActorKeys(self.documents, self.cache, self.wall_clock, self.limits)

    def wall_clock(self) -> float:
        return EPOCH + trio.current_time() + self.clock_error

    async def get(self, key_id: str = KEY_ID, actor: str = ACTOR, *, deadline: float = 5) -> KeyAnswer:
        return await self.keys.get(key_id, actor, deadline=deadline)

    async def pem(self) -> str:
        key = await self.get()
        assert isinstance(key, ActorKey)
        return key.pem


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(10 * 86400):
            await story()

    trio.run(bounded, clock=MockClock(autojump_threshold=0))


def page(url: str, document: Any, content_type: str = "application/activity+json; charset=utf-8") -> DocumentAnswer:
    return DocumentAnswer(url, 200, content_type, json.dumps(document).encode())


def actor(pem: str = OLD_PEM, key_id: str = KEY_ID, actor_id: str = ACTOR, url: str | None = None) -> DocumentAnswer:
    key = {"id": key_id, "owner": actor_id, "publicKeyPem": pem}
    return page(url or actor_id, {"id": actor_id, "type": "Person", "publicKey": key})


def standalone(key_id: str, owner: str = ACTOR) -> DocumentAnswer:
    return page(key_id, {"id": key_id, "owner": owner, "publicKeyPem": OLD_PEM})


STUB = f"{ACTOR}/main-key"
ALONE = f"{ACTOR}/publickey"
QUERY = "https://a.test/?author=0"
SLASHES = "https://a.test//users/3"


@pytest.mark.parametrize(
    ("key_id", "who", "pages", "fetches"),
    [
        (KEY_ID, ACTOR, [actor()], 1),
        (STUB, ACTOR, [actor(key_id=STUB, url=STUB)], 1),
        (ALONE, ACTOR, [standalone(ALONE), actor(key_id=ALONE)], 2),
        (f"{QUERY}#main-key", QUERY, [actor(key_id=f"{QUERY}#main-key", actor_id=QUERY)], 1),
        (f"{SLASHES}#main-key", SLASHES, [actor(key_id=f"{SLASHES}#main-key", actor_id=SLASHES)], 1),
        (
            f"{SITE}#main-key",
            "https://a.test/c/group",
            [
                actor(key_id=f"{SITE}#main-key", actor_id=SITE),
                actor(key_id=f"{SITE}#main-key", actor_id="https://a.test/c/group"),
            ],
            2,
        ),
    ],
    ids=["fragment", "stub", "standalone", "query", "slashes", "group-with-the-key-of-its-site"],
)
def test_every_form_of_key_id(key_id: str, who: str, pages: list[DocumentAnswer], fetches: int) -> None:
    async def story() -> None:
        world = World()
        for one in pages:
            world.documents.serve(one.url, one)
        for _ in range(3):
            key = await world.get(key_id, who)
            assert isinstance(key, ActorKey)
            assert (key.key_id, key.actor, key.pem) == (key_id, who, OLD_PEM)
        assert len(world.documents.asked) == fetches

    run(story)


def test_the_second_of_two_keys() -> None:
    async def story() -> None:
        keys = [{"id": f"{ACTOR}#old", "publicKeyPem": OLD_PEM}, {"id": KEY_ID, "publicKeyPem": NEW_PEM}]
        world = World()
        world.documents.serve(ACTOR, page(ACTOR, {"id": ACTOR, "publicKey": keys}))
        assert await world.pem() == NEW_PEM

    run(story)


@pytest.mark.parametrize(
    ("key_id", "pages", "reason", "fetches"),
    [
        ("acct:alice@a.test", [], "key-id-not-https", 0),
        ("http://a.test/users/alice#main-key", [], "key-id-not-https", 0),
        ("https://evil.test/key", [standalone("https://evil.test/key")], "key-foreign-origin", 0),
        (ALONE, [standalone(ALONE), actor()], "key-not-listed-by-actor", 2),
        (ALONE, [standalone(ALONE, "https://a.test/users/bob")], "key-owner-mismatch", 1),
        (KEY_ID, [actor(actor_id="https://a.test/users/bob", url=ACTOR)], "key-document-id", 1),
        (f"{SITE}#main-key", [actor(key_id=f"{SITE}#main-key", actor_id=SITE), actor()], "key-not-listed-by-actor", 2),
        (KEY_ID, [actor(key_id=f"{ACTOR}#another")], "key-not-listed", 1),
    ],
    ids=["acct", "http", "foreign", "unlisted", "bobs", "not-its-id", "instance-actor-for-a-user", "another-key"],
)
def test_keys_that_are_not_the_actors(key_id: str, pages: list[DocumentAnswer], reason: str, fetches: int) -> None:
    async def story() -> None:
        world = World()
        for one in pages:
            world.documents.serve(one.url, one)
        for _ in range(3):
            answer = await world.get(key_id)
            assert isinstance(answer, BadSignature)
            assert answer.reason == reason
        assert len(world.documents.asked) == fetches
        assert not world.cache.keys

    run(story)


def test_a_redirect_to_another_origin_vouches_for_nobody() -> None:
    async def story() -> None:
        world = World()
        world.documents.serve(ACTOR, actor(url="https://evil.test/users/alice"))
        answer = await world.get()
        assert isinstance(answer, BadSignature)
        assert answer.reason == "key-foreign-origin"

    run(story)


def status(code: int) -> DocumentAnswer:
    return DocumentAnswer(ACTOR, code, "application/activity+json", b"{}")


@pytest.mark.parametrize(
    ("served", "unavailable"),
    [
        (status(404), KeyUnavailable("key-not-found", temporary=False)),
        (status(410), KeyUnavailable("key-gone", temporary=False, gone=True)),
        (status(401), KeyUnavailable("key-refused", temporary=False)),
        (status(403), KeyUnavailable("key-refused", temporary=False)),
        (status(204), KeyUnavailable("key-refused", temporary=False)),
        (status(429), KeyUnavailable("key-server-error", temporary=True)),
        (status(500), KeyUnavailable("key-server-error", temporary=True)),
        (status(503), KeyUnavailable("key-server-error", temporary=True)),
        (FetchFailed("timeout", "", temporary=True), KeyUnavailable("key-timeout", temporary=True)),
        (FetchFailed("private-address", "", temporary=False), KeyUnavailable("key-private-address", temporary=False)),
        (FetchFailed("too-large", "", temporary=False), KeyUnavailable("key-too-large", temporary=False)),
        (page(ACTOR, {"id": ACTOR}, "text/html"), KeyUnavailable("key-wrong-type", temporary=False)),
        (page(ACTOR, {"id": ACTOR}, ""), KeyUnavailable("key-wrong-type", temporary=False)),
        (
            DocumentAnswer(ACTOR, 200, "application/activity+json", b"<html>"),
            KeyUnavailable("key-document-not-json", temporary=False),
        ),
        (RemoteUnavailable(), KeyUnavailable("key-fetch-unavailable", temporary=True)),
    ],
)
def test_keys_that_cannot_be_had_are_not_asked_for_again_at_once(served: Scripted, unavailable: KeyUnavailable) -> None:
    async def story() -> None:
        world = World()
        world.documents.serve(ACTOR, served, actor())
        silence = 10 if unavailable.temporary else 300
        assert await world.get() == unavailable
        await trio.sleep(silence - 1)
        assert await world.get() == unavailable
        assert len(world.documents.asked) == 1
        await trio.sleep(2)
        assert await world.pem() == OLD_PEM

    run(story)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/activity+json",
        'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
        "Application/JSON",
    ],
)
def test_content_types(content_type: str) -> None:
    async def story() -> None:
        world = World()
        document = {"id": ACTOR, "publicKey": {"id": KEY_ID, "publicKeyPem": OLD_PEM}}
        world.documents.serve(ACTOR, page(ACTOR, document, content_type))
        assert await world.pem() == OLD_PEM

    run(story)


def test_an_upload_that_calls_itself_the_actor() -> None:
    async def story() -> None:
        upload = "https://a.test/files/1.json"
        world = World()
        document = {"id": ACTOR, "publicKey": {"id": upload, "publicKeyPem": OLD_PEM}}
        world.documents.serve(upload, page(upload, document, "application/json"))
        answer = await world.get(upload)
        assert isinstance(answer, BadSignature)
        assert answer.reason == "key-document-id"

    run(story)


def test_a_hundred_at_once_ask_once() -> None:
    async def story() -> None:
        world = World()
        world.documents.serve(ACTOR, 1.0, actor())
        answers: list[KeyAnswer] = []

        async def one() -> None:
            answers.append(await world.get())

        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(one)
        assert len(answers) == 100
        assert all(isinstance(answer, ActorKey) for answer in answers)
        assert len(world.documents.asked) == 1

    run(story)


def test_when_the_one_who_asks_is_cancelled_another_asks() -> None:
    async def story() -> None:
        world = World()
        world.documents.serve(ACTOR, 3.0, actor())
        waited: list[KeyAnswer] = []
        asking = trio.CancelScope()

        async def first() -> None:
            with asking:
                await world.get()

        async def second() -> None:
            waited.append(await world.get())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            await wait_all_tasks_blocked()
            nursery.start_soon(second)
            await wait_all_tasks_blocked()
            asking.cancel()
        assert isinstance(waited[0], ActorKey)
        assert len(world.documents.asked) == 2

    run(story)


def test_nobody_waits_beyond_the_deadline() -> None:
    async def story() -> None:
        world = World()
        world.documents.serve(ACTOR, 60.0, actor())
        started = trio.current_time()
        answers: list[KeyAnswer] = []

        async def one(deadline: float) -> None:
            answers.append(await world.get(deadline=deadline))

        async with trio.open_nursery() as nursery:
            for deadline in (4.0, 1.0, 2.0):
                nursery.start_soon(one, deadline)
        assert answers == [KeyUnavailable("key-timeout", temporary=True)] * 3
        assert trio.current_time() - started <= 4.0
        assert await world.get() == KeyUnavailable("key-timeout", temporary=True)
        await trio.sleep(11)
        assert await world.pem() == OLD_PEM

    run(story)


def test_who_comes_without_time_spoils_nothing_for_others() -> None:
    async def story() -> None:
        world = World()
        world.documents.serve(ACTOR, actor())
        for late in (0.0, -1.0):
            assert await world.get(deadline=late) == KeyUnavailable("key-timeout", temporary=True)
        assert world.documents.asked == []
        assert await world.pem() == OLD_PEM

    run(story)


def test_a_replaced_key_is_found_with_one_question() -> None:
    async def story() -> None:
        world = World()
        world.documents.serve(ACTOR, actor(OLD_PEM), actor(NEW_PEM))
        old = await world.get()
        assert isinstance(old, ActorKey)
        fresh = await world.keys.refetch(old, deadline=5)
        assert isinstance(fresh, ActorKey)
        assert fresh.pem == NEW_PEM
        assert await world.pem() == NEW_PEM
        assert await world.keys.refetch(old, deadline=5) == fresh
        assert len(world.documents.asked) == 2
        assert world.cache.keys[KEY_ID].pem == NEW_PEM

    run(story)


def test_a_hundred_bad_signatures_make_one_question_a_window() -> None:
    async def story() -> None:
        world = World()
        world.documents.serve(ACTOR, actor())
        for window in range(1, 4):
            key = await world.get()
            assert isinstance(key, ActorKey)
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(lambda: world.keys.refetch(key, deadline=5))  # noqa: B023 - ends in the loop
            for _ in range(100):
                again = await world.keys.refetch(key, deadline=5)
                assert isinstance(again, ActorKey)
                assert again.pem == key.pem
            assert len(world.documents.asked) == 1 + window
            await trio.sleep(301)

    run(story)


@pytest.mark.parametrize(
    ("served", "kept"),
    [
        (status(503), True),
        (status(403), True),
        (FetchFailed("timeout", "", temporary=True), True),
        (page(ACTOR, {}, "text/html"), True),
        (RemoteUnavailable(), True),
        (status(404), False),
        (status(410), False),
        (actor(key_id=f"{ACTOR}#next"), False),
    ],
)
def test_a_refetch_that_fails_costs_the_key_only_when_its_server_disowns_it(served: Scripted, kept: bool) -> None:
    async def story() -> None:
        world = World()
        world.documents.serve(ACTOR, actor(), served)
        key = await world.get()
        assert isinstance(key, ActorKey)
        for _ in range(5):
            assert not isinstance(await world.keys.refetch(key, deadline=5), ActorKey)
        assert len(world.documents.asked) == 2
        assert isinstance(await world.get(), ActorKey) == kept
        assert (KEY_ID in world.cache.keys) == kept
        assert len(world.documents.asked) == 2

    run(story)


def test_a_stranger_cannot_make_the_owners_key_forgotten() -> None:
    async def story() -> None:
        world = World()
        bob = "https://a.test/users/bob"
        world.documents.serve(ACTOR, actor())
        world.documents.serve(bob, actor(key_id=f"{bob}#main-key", actor_id=bob))
        await world.get()
        answer = await world.get(KEY_ID, bob)
        assert isinstance(answer, BadSignature)
        assert answer.reason == "key-not-listed-by-actor"
        assert KEY_ID in world.cache.keys
        assert isinstance(await world.get(), ActorKey)

    run(story)


def test_a_key_is_asked_for_again_when_it_is_old() -> None:
    async def story() -> None:
        world = World(max_age=3600)
        world.documents.serve(ACTOR, actor(OLD_PEM), actor(NEW_PEM), status(503))
        assert await world.pem() == OLD_PEM
        await trio.sleep(3599)
        assert await world.pem() == OLD_PEM
        await trio.sleep(2)
        assert await world.pem() == NEW_PEM
        world.restart()
        await trio.sleep(3601)
        assert await world.get() == KeyUnavailable("key-server-error", temporary=True)

    run(story)


def test_a_clock_that_was_set_back_keeps_no_key_for_ever() -> None:
    async def story() -> None:
        world = World()
        world.documents.serve(ACTOR, actor(OLD_PEM), actor(NEW_PEM))
        assert await world.pem() == OLD_PEM
        world.clock_error = -1.0
        assert await world.pem() == OLD_PEM
        world.clock_error = -2 * 86_400.0
        assert await world.pem() == NEW_PEM

    run(story)


def test_one_host_is_asked_so_many_times_in_a_period() -> None:
    async def story() -> None:
        world = World(questions_per_host=10)
        limited = KeyUnavailable("key-rate-limited", temporary=True)
        answers = [await world.get(f"https://a.test/users/{n}#k", f"https://a.test/users/{n}") for n in range(15)]
        assert answers.count(limited) == 5
        assert len(world.documents.asked) == 10
        world.documents.serve("https://b.test/u", actor(key_id="https://b.test/u#k", actor_id="https://b.test/u"))
        assert isinstance(await world.get("https://b.test/u#k", "https://b.test/u"), ActorKey)
        await trio.sleep(2.5)
        world.documents.serve(ACTOR, actor())
        assert await world.pem() == OLD_PEM
        assert await world.get("https://a.test/users/20#k", "https://a.test/users/20") != limited
        assert await world.get("https://A.TEST/users/21#k", "https://a.test/users/21") == limited

    run(story)


def test_what_is_remembered_is_bounded() -> None:
    async def story() -> None:
        world = World(remembered_keys=2, questions_per_host=1000)
        for name in ("one", "two", "one", "three"):
            who = f"https://a.test/{name}"
            world.documents.serve(who, actor(key_id=f"{who}#k", actor_id=who))
            assert isinstance(await world.get(f"{who}#k", who), ActorKey)
        world.cache.keys.clear()
        world.documents.asked.clear()
        for name in ("one", "three", "two"):
            who = f"https://a.test/{name}"
            assert isinstance(await world.get(f"{who}#k", who), ActorKey)
        assert world.documents.asked == ["https://a.test/two"]

    run(story)
