from __future__ import annotations

import functools
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from relayfilter.activity.document import parse_activity
from relayfilter.activity.media_ref import MediaRef
from relayfilter.activity.references import References, find_references
from relayfilter.inspection.inspector import Inspector
from relayfilter.inspection.lookahead import LookAhead, LookAheadResult, LookAheadSettings, LookedAt
from relayfilter.inspection.worker import look as look_at_picture
from relayfilter.media import testcard
from relayfilter.media.finding import HashMatched, Labelled, MediaReport, Uninspectable
from relayfilter.media.hashlist import HashLists
from relayfilter.remote.instance_actor import InstanceActor
from relayfilter.remote.messages import DocumentAnswer, FetchFailed, Pong
from relayfilter.remote.signed_documents import SignedDocuments
from tests.remote.fetching import fetch_service, is_signed_by, secure, settings_for
from tests.support import world_activities as says
from tests.support.fediverse import Fediverse, Host
from tests.support.signing import keypair
from tests.support.world_actors import Actor
from tests.support.world_answers import document, redirect, reply

OURS = InstanceActor(keypair("instance").private, domain="lemmy.test")  # type: ignore[arg-type]
DOMAINS = frozenset({"lemmy.test"})
SEEN = MediaReport(findings=(Labelled("stand-in", "seen", 0.5),))
NOTHING = References(own=(), named=(), actors=(), deletes=False)
DAY = 24 * 3600.0

Json = dict[str, Any]
Served = Json | DocumentAnswer | FetchFailed


class Ledger:
    """What Lemmy has."""

    def __init__(self, *ids: str) -> None:
        self.ids = set(ids)

    def seen(self, id: str, /) -> bool:
        return id in self.ids

    def remember(self, ids: Iterable[str], /) -> None:
        self.ids.update(ids)


class Web:
    """Documents and pictures by URL, on Trio's clock. `takes` is how long a document is in coming, in seconds."""

    def __init__(self) -> None:
        self.pages: dict[str, Served] = {}
        self.asked: Counter[str] = Counter()
        self.pictures: Counter[str] = Counter()
        self.takes = 0.0
        self.picture = SEEN

    def add(self, *objects: Json) -> None:
        for each in objects:
            self.pages[each["id"]] = each

    async def fetch(
        self, url: str, *, accept: str, max_bytes: int, deadline: float, as_lemmy: bool = False
    ) -> DocumentAnswer | FetchFailed:
        assert as_lemmy
        self.asked[url] += 1
        await trio.sleep(self.takes)
        page = self.pages.get(url) or DocumentAnswer(url, 404, "text/plain", b"")
        if isinstance(page, dict):
            return DocumentAnswer(url, 200, "application/activity+json", json.dumps(page).encode())
        return page

    async def media(self, url: str, *, deadline: float, may_be_page: bool) -> MediaReport:
        self.pictures[url] += 1
        await trio.lowlevel.checkpoint()
        return self.picture


class World:
    def __init__(self, *known: str, **settings: Any) -> None:
        self.web = Web()
        self.ledger = Ledger(*known)
        self.inspector = Inspector(self.web, HashLists())
        self.ahead = LookAhead(
            self.web, self.inspector, self.ledger, domains=DOMAINS, settings=LookAheadSettings(**settings)
        )

    async def look(self, activity: Json, *, deadline: float = 5.0) -> LookAheadResult:
        return await self.ahead.look(references(activity), deadline=trio.current_time() + deadline)


def references(activity: Json) -> References:
    return find_references(parse_activity(json.dumps(activity).encode()))


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(30 * DAY):
            await story()

    trio.run(bounded, clock=MockClock(autojump_threshold=0))


def post(number: int | str, *, host: str = "a.test", by: str | None = None, **more: Any) -> Json:
    picture = {"type": "Image", "url": f"https://{host}/{number}.png"}
    author = {"attributedTo": by} if by else {}
    return {"id": f"https://{host}/post/{number}", "type": "Page", "attachment": [picture]} | author | more


def vote(for_: str, *, by: str = "https://lemmy.test/u/bob") -> Json:
    return {"id": "https://b.test/like/1", "type": "Like", "actor": by, "object": for_}


def person(name: str, **more: Any) -> Json:
    return {"id": f"https://a.test/u/{name}", "type": "Person"} | more


def places(result: LookAheadResult) -> list[tuple[str, str]]:
    return [(medium.ref.pointer, medium.ref.url) for medium in result.media]


def failures(result: LookAheadResult) -> dict[str, tuple[str, str]]:
    """Slot and reason by id."""
    return {
        medium.ref.url: (medium.ref.slot, finding.reason)
        for medium in result.media
        for finding in medium.report.findings
        if isinstance(finding, Uninspectable)
    }


POST = post(1)
LIKE = vote(POST["id"])


def test_what_nobody_has_seen_is_fetched_and_its_media_are_inspected() -> None:
    async def story() -> None:
        world = World()
        world.web.add(POST)
        result = await world.look(LIKE)
        (medium,) = result.media
        assert medium.ref == MediaRef(f"{POST['id']}#/attachment/0/url", "https://a.test/1.png", "attachment")
        assert medium.report == SEEN
        assert result.documents == (LookedAt(POST["id"], "object", "fetched"),)

    run(story)


@pytest.mark.parametrize(
    ("activity", "known"),
    [
        (LIKE, [POST["id"]]),
        (vote("https://lemmy.test/post/1"), []),
        (vote("https://LEMMY.test./post/1"), []),
        ({"id": "https://b.test/1", "type": "Create", "actor": "https://lemmy.test/u/bob", "object": POST}, []),
        ({"id": "https://b.test/1", "type": "Delete", "actor": "https://lemmy.test/u/bob", "object": POST["id"]}, []),
    ],
    ids=["known", "ours", "ours-in-another-spelling", "carried", "deleted"],
)
def test_what_needs_no_look(activity: Json, known: list[str]) -> None:
    async def story() -> None:
        world = World(*known)
        assert await world.look(activity) == LookAheadResult()
        assert not world.web.asked

    run(story)


def test_switched_off() -> None:
    async def story() -> None:
        world = World(enabled=False)
        assert await world.look(LIKE) == LookAheadResult()
        assert not world.web.asked

    run(story)


@pytest.mark.parametrize(
    ("page", "outcome", "reason", "temporary"),
    [
        (FetchFailed("dns", "NXDOMAIN", temporary=False), "unavailable", "dns", False),
        (DocumentAnswer(POST["id"], 404, "", b""), "unavailable", "http-404", False),
        (DocumentAnswer(POST["id"], 503, "", b""), "unavailable", "http-503", True),
        (DocumentAnswer(POST["id"], 200, "text/html", b"<html>"), "not-an-object", "wrong-type", False),
        (post(1) | {"id": "https://evil.test/1"}, "not-an-object", "object-foreign-origin", False),
        ({"id": POST["id"], "type": "Announce", "actor": "no", "object": "x"}, "not-an-object", "actor", False),
    ],
)
def test_an_object_that_cannot_be_looked_at_is_a_fact(page: Served, outcome: Any, reason: str, temporary: bool) -> None:
    async def story() -> None:
        world = World()
        world.web.pages[POST["id"]] = page
        result = await world.look(LIKE)
        (medium,) = result.media
        assert medium.ref == MediaRef("/object", POST["id"], "object")
        (finding,) = medium.report.findings
        assert isinstance(finding, Uninspectable)
        assert (finding.reason, finding.temporary) == (reason, temporary)
        assert result.documents == (LookedAt(POST["id"], "object", outcome, reason, temporary),)

    run(story)


def test_an_id_too_long_to_show_is_cut() -> None:
    async def story() -> None:
        result = await World().look(vote(f"https://a.test/{'x' * 100_000}"))
        assert len(result.media[0].ref.url) == len(result.documents[0].id) == 2049
        assert failures(result)[result.documents[0].id] == ("object", "id-too-long")

    run(story)


def test_an_announce_by_id_of_an_activity_that_carries_a_post() -> None:
    async def story() -> None:
        world = World()
        create = {"id": "https://a.test/create/1", "type": "Create", "actor": "https://a.test/u/eve", "object": POST}
        world.web.add(create, person("eve"))
        result = await world.look(
            {"id": "https://b.test/1", "type": "Announce", "actor": "https://lemmy.test/c/x", "object": create["id"]}
        )
        assert places(result) == [(f"{create['id']}#/object/attachment/0/url", "https://a.test/1.png")]
        assert [document.id for document in result.documents] == [create["id"], "https://a.test/u/eve"]

    run(story)


def chain(length: int) -> list[Json]:
    """A post and comments on it, each on the one before; everybody is somebody else."""
    objects: list[Json] = []
    for number in range(length):
        parent = {"inReplyTo": objects[-1]["id"]} if objects else {}
        objects += [post(number, by=f"https://a.test/u/{number}", **parent)]
    return objects


@pytest.mark.parametrize(("depth", "looked_at"), [(0, [4]), (1, [4, 3]), (2, [4, 3, 2]), (8, [4, 3, 2, 1, 0])])
def test_unknown_parents_are_followed_so_far_and_no_further(depth: int, looked_at: list[int]) -> None:
    async def story() -> None:
        world = World(depth=depth, documents=20)
        objects = chain(5)
        world.web.add(*objects, *(person(str(number)) for number in range(5)))
        result = await world.look(vote(objects[4]["id"]))
        fetched = {document.id for document in result.documents if document.outcome == "fetched"}
        assert fetched == {url for n in looked_at for url in (objects[n]["id"], f"https://a.test/u/{n}")}
        if depth < 4:
            child, parent = looked_at[-1], looked_at[-1] - 1
            assert failures(result) == {objects[parent]["id"]: ("object", "too-deep")}
            assert f"{objects[child]['id']}#/inReplyTo" in dict(places(result))
        else:
            assert failures(result) == {}

    run(story)


def test_a_known_parent_ends_the_chain() -> None:
    async def story() -> None:
        objects = chain(5)
        world = World(objects[3]["id"])
        world.web.add(*objects, person("4"))
        result = await world.look(vote(objects[4]["id"]))
        assert failures(result) == {}
        assert set(world.web.asked) == {objects[4]["id"], "https://a.test/u/4"}

    run(story)


def test_documents_that_name_each_other_are_fetched_once() -> None:
    async def story() -> None:
        world = World(depth=8)
        world.web.add(post(1, inReplyTo=post(2)["id"]), post(2, inReplyTo=[post(1)["id"], post(2)["id"]]))
        result = await world.look(LIKE)
        assert len(result.documents) == 2
        assert set(world.web.asked.values()) == {1}

    run(story)


# Attacks


def test_amplification_by_one_delivery_is_bounded() -> None:
    """One activity that names thousands, and documents that name thousands more (as in mastodon#21977)."""

    async def story() -> None:
        world = World(depth=8, documents=8)
        victims = [f"https://victim.test/{number}" for number in range(3000)]
        world.web.add(post(1, inReplyTo=victims, to=[f"{victim}/actor" for victim in victims]))
        result = await world.look(
            {**LIKE, "object": [POST["id"], *victims], "cc": [f"https://v{number}.test/c" for number in range(3000)]}
        )
        assert world.web.asked.total() == 8
        # An object and an actor of the delivery's, and an actor of the post's, stand for all.
        assert [reason for _, reason in failures(result).values()].count("too-many-documents") == 3
        assert len(result.media) < 20

    run(story)


def test_an_inner_activity_that_calls_itself_like_the_post_does_not_hide_it() -> None:
    async def story() -> None:
        world = World()
        world.web.add(POST)
        inner = vote(POST["id"]) | {"id": POST["id"]}
        announce = {"id": "https://b.test/1", "type": "Announce", "actor": "https://lemmy.test/c/x", "object": inner}
        assert len((await world.look(announce)).media) == 1

    run(story)


def test_amplification_by_many_deliveries_is_bounded_by_host() -> None:
    async def story() -> None:
        world = World(questions_per_host=10)
        for number in range(50):
            result = await world.look(vote(f"https://victim.test/{number}"))
        assert world.web.asked.total() == 10
        assert failures(result) == {"https://victim.test/49": ("object", "rate-limited")}

    run(story)


def test_a_storm_of_votes_costs_one_fetch() -> None:
    async def story() -> None:
        world = World()
        world.web.takes = 1.0
        world.web.add(POST)
        results: list[LookAheadResult] = []

        async def one() -> None:
            results.append(await world.look(LIKE))

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(one)
        await one()
        assert world.web.asked == {POST["id"]: 1}
        assert world.web.pictures == {"https://a.test/1.png": 1}
        assert len(results) == 51
        assert all(result == results[0] for result in results)

    run(story)


@pytest.mark.parametrize(
    ("page", "kept_for"),
    [
        (POST, 600.0),
        (DocumentAnswer(POST["id"], 404, "", b""), 600.0),
        (DocumentAnswer(POST["id"], 503, "", b""), 10.0),
        (FetchFailed("connect", "", temporary=True), 10.0),
        (FetchFailed("timeout", "", temporary=True), 0.0),
        (FetchFailed("busy", "", temporary=True), 0.0),
    ],
)
def test_outcomes_are_kept_for_a_while(page: Served, kept_for: float) -> None:
    async def story() -> None:
        world = World(refused_for=600)
        world.web.pages[POST["id"]] = page
        await world.look(LIKE)
        if kept_for:
            await trio.sleep(kept_for - 0.1)
            await world.look(LIKE)
            assert world.web.asked.total() == 1
        await trio.sleep(0.2)
        await world.look(LIKE)
        assert world.web.asked.total() == 2

    run(story)


def test_media_that_found_no_time_are_looked_at_again() -> None:
    async def story() -> None:
        world = World()
        world.web.add(POST)
        world.web.picture = MediaReport(findings=(Uninspectable("deadline", temporary=True),))
        await world.look(LIKE)
        world.web.picture = SEEN
        result = await world.look(LIKE)
        assert result.media[0].report == SEEN

    run(story)


def test_a_delivery_out_of_time_spoils_nothing_for_the_others() -> None:
    async def story() -> None:
        world = World()
        world.web.takes = 2.0
        world.web.add(POST)
        results: dict[float, LookAheadResult] = {}

        async def one(deadline: float) -> None:
            results[deadline] = await world.look(LIKE, deadline=deadline)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, 1.0)
            await wait_all_tasks_blocked()
            nursery.start_soon(one, 1.5)
            nursery.start_soon(one, 5.0)
        assert failures(results[1.0]) == {POST["id"]: ("object", "deadline")}
        assert failures(results[1.5]) == {POST["id"]: ("object", "deadline")}
        assert failures(results[5.0]) == {}
        assert len(results[5.0].media) == 1

    run(story)


def test_whoever_hangs_up_leaves_the_look_to_the_others() -> None:
    async def story() -> None:
        world = World()
        world.web.takes = 2.0
        world.web.add(POST)
        async with trio.open_nursery() as nursery:
            gone = trio.CancelScope()

            async def one_that_hangs_up() -> None:
                with gone:
                    await world.look(LIKE)

            nursery.start_soon(one_that_hangs_up)
            await wait_all_tasks_blocked()
            result: list[LookAheadResult] = []

            async def another() -> None:
                result.append(await world.look(LIKE))

            nursery.start_soon(another)
            await wait_all_tasks_blocked()
            gone.cancel()
        assert failures(result[0]) == {}
        assert world.web.asked.total() == 2

    run(story)


# Actors

ICON = {"icon": {"type": "Image", "url": "https://a.test/icon.png"}}
EVE = person("eve", **ICON, image={"type": "Image", "url": "https://a.test/banner.png"}, summary="<img src='/x'>")


def test_pictures_and_texts_of_an_actor_first_seen() -> None:
    async def story() -> None:
        world = World()
        world.web.add(EVE)
        result = await world.look(vote("https://lemmy.test/post/1", by=EVE["id"]))
        assert {medium.ref.slot: medium.ref.url for medium in result.media} == {
            "icon": "https://a.test/icon.png",
            "image": "https://a.test/banner.png",
            "html": "/x",
        }
        assert result.documents == (LookedAt(EVE["id"], "actor", "fetched"),)

    run(story)


def test_an_actor_is_looked_at_again_when_lemmy_would_fetch_it_again() -> None:
    async def story() -> None:
        world = World(refused_for=60, stale_after=DAY)
        world.web.add(EVE)
        activity = vote("https://lemmy.test/post/1", by=EVE["id"])
        world.ahead.passed(await world.look(activity))
        await trio.sleep(DAY - 1)
        assert await world.look(activity) == LookAheadResult()
        await trio.sleep(1)
        assert len((await world.look(activity)).media) == 3
        assert world.web.asked.total() == 2

    run(story)


def test_an_actor_whose_delivery_was_not_passed_stays_unseen() -> None:
    async def story() -> None:
        world = World()
        world.web.add(EVE)
        activity = vote("https://lemmy.test/post/1", by=EVE["id"])
        await world.look(activity)
        assert len((await world.look(activity)).media) == 3

    run(story)


def test_actors_can_be_left_out() -> None:
    async def story() -> None:
        world = World(actors=False)
        world.web.add(POST | {"attributedTo": EVE["id"]})
        result = await world.look(vote(POST["id"], by=EVE["id"]))
        assert set(world.web.asked) == {POST["id"]}
        assert len(result.documents) == 1

    run(story)


def test_the_author_and_the_community_of_a_fetched_post_are_looked_at() -> None:
    async def story() -> None:
        world = World()
        group = {"id": "https://a.test/c/group", "type": "Group", "attributedTo": "https://a.test/c/group/moderators"}
        world.web.add(POST | {"attributedTo": EVE["id"], "audience": group["id"], "to": [group["id"]]}, EVE, group)
        result = await world.look(LIKE)
        assert [document.id for document in result.documents] == [POST["id"], EVE["id"], group["id"]]
        assert set(world.web.asked.values()) == {1}

    run(story)


def test_what_passed_is_known_by_the_id_that_it_gives_itself() -> None:
    async def story() -> None:
        world = World()
        world.web.pages["https://a.test/short"] = DocumentAnswer(
            POST["id"], 200, "application/activity+json", json.dumps(POST).encode()
        )
        result = await world.look(vote("https://a.test/short"))
        world.ahead.passed(result)
        assert world.ledger.ids == {POST["id"]}

    run(story)


def test_what_could_not_be_fetched_does_not_become_known() -> None:
    async def story() -> None:
        world = World()
        world.ahead.passed(await world.look(LIKE))
        assert world.ledger.ids == set()

    run(story)


def test_with_other_lists_everything_is_looked_at_afresh() -> None:
    async def story() -> None:
        world = World()
        world.web.add(POST)
        await world.look(LIKE)
        other = world.ahead.with_inspector(world.inspector.with_lists(HashLists()))
        await other.look(references(LIKE), deadline=trio.current_time() + 5)
        assert world.web.asked.total() == 2

    run(story)


def test_a_document_with_more_than_is_read() -> None:
    async def story() -> None:
        world = World()
        world.web.add(POST | {"attachment": [{"type": "Image", "url": f"https://a.test/{n}"} for n in range(100)]})
        result = await world.look(LIKE)
        assert Uninspectable("too-many-references") in result.media[-1].report.findings
        assert result.media[-1].ref.pointer == f"{POST['id']}#"

    run(story)


# Over real TLS, with real pictures


class InThisProcess:
    """The worker's own look, without the worker."""

    async def inspect(self, data: bytes, *, deadline: float) -> MediaReport:
        picture, findings, timings = look_at_picture(bytearray(data), (), max_pixels=10_000_000)
        return MediaReport(findings=findings, picture=picture, timings=timings)

    async def ping(self, deadline: float) -> Pong:
        return Pong(healthy=True)


class Street:
    """`alpha` is where objects live; the look is ours."""

    def __init__(self, fediverse: Fediverse, ahead: LookAhead) -> None:
        self.fediverse = fediverse
        self.alpha = fediverse["alpha.example"]
        self.alice = self.alpha.actor("alice", software="lemmy")
        self.group = self.alpha.actor("pictures", kind="Group", software="lemmy")
        self.ahead = ahead

    def add_post_with_the_card(self) -> str:
        card = self.alpha.add_image("/pictrs/card.png", card_file())
        return self.add(says.page(self.alice, self.group, says.image_attachment(card)))

    def add(self, thing: Json) -> str:
        return self.alpha.add_document(path_of(thing["id"]), thing)

    async def look(self, activity: Json) -> LookAheadResult:
        return await self.ahead.look(references(activity), deadline=trio.current_time() + 10)


@functools.cache
def card_file() -> bytes:
    return testcard.render()


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def with_servers(path: Path, story: Callable[[Street], Awaitable[None]], actor: InstanceActor | None = OURS) -> None:
    async def main() -> None:
        with trio.fail_after(20):
            async with (
                Fediverse() as fediverse,
                fetch_service(path, settings_for(fediverse), InThisProcess()) as process,
            ):
                documents = SignedDocuments(process, actor, time.time)
                inspector = Inspector(process, HashLists())
                await story(Street(fediverse, LookAhead(documents, inspector, Ledger(), domains=DOMAINS)))

    trio.run(main)


def cards(result: LookAheadResult) -> list[str]:
    """The pointers of all test cards."""
    return [
        medium.ref.pointer
        for medium in result.media
        if any(isinstance(finding, HashMatched) and finding.list == "testcard" for finding in medium.report.findings)
    ]


def test_a_vote_for_an_unknown_post_with_the_test_card(tmp_path: Path) -> None:
    async def story(street: Street) -> None:
        bob = street.fediverse["beta.example"].actor("bob", software="lemmy")
        card = street.add_post_with_the_card()
        assert cards(await street.look(says.like(bob, street.group, card))) == [f"{card}#/attachment/0/url"]

    with_servers(tmp_path, story)


def test_an_announce_by_id_of_a_post_with_the_test_card(tmp_path: Path) -> None:
    async def story(street: Street) -> None:
        card = street.add_post_with_the_card()
        assert cards(await street.look(says.announce(street.group, card))) == [f"{card}#/attachment/0/url"]

    with_servers(tmp_path, story)


def test_a_comment_below_an_unknown_comment_on_an_unknown_post_with_the_test_card(tmp_path: Path) -> None:
    async def story(street: Street) -> None:
        card = street.add_post_with_the_card()
        parent = street.add(says.comment(street.alice, street.group, "Look!", in_reply_to=card))
        comment = says.comment(street.alice, street.group, "Indeed", in_reply_to=parent)
        result = await street.look(says.create(street.alice, street.group, comment))
        assert cards(result) == [f"{card}#/attachment/0/url"]
        assert failures(result) == {}

    with_servers(tmp_path, story)


@pytest.mark.parametrize("place", ["icon", "image"])
def test_the_test_card_as_the_face_of_somebody_first_seen(tmp_path: Path, place: str) -> None:
    async def story(street: Street) -> None:
        url = street.alpha.add_image("/avatar.png", card_file())
        street.alice.extra = {place: {"type": "Image", "url": url}}
        result = await street.look(says.like(street.alice, street.group, "https://lemmy.test/post/1"))
        assert cards(result) == [f"{street.alice.id}#/{place}/url"]

    with_servers(tmp_path, story)


def test_an_origin_in_secure_mode_shows_it_to_our_signature(tmp_path: Path) -> None:
    async def story(street: Street) -> None:
        post_id = street.add_post_with_the_card()
        page = says.page(street.alice, street.group, says.image_attachment(street.alpha.url("/pictrs/card.png"))) | {
            "id": post_id
        }
        street.alpha.add(path_of(post_id), secure(document(lambda: page), OURS.document))
        result = await street.look(says.like(street.alice, street.group, post_id))
        assert cards(result) == [f"{post_id}#/attachment/0/url"]
        assert street.alpha.requests[path_of(post_id)] == 1

    with_servers(tmp_path, story)


def test_an_origin_in_secure_mode_without_an_actor_of_our_own(tmp_path: Path) -> None:
    async def story(street: Street) -> None:
        street.alpha.add("/post/1", secure(reply(), OURS.document))
        result = await street.look(says.like(street.alice, street.group, street.alpha.url("/post/1")))
        assert failures(result) == {street.alpha.url("/post/1"): ("object", "http-401")}

    with_servers(tmp_path, story, None)


def test_an_actor_whose_server_shows_strangers_only_a_stub(tmp_path: Path) -> None:
    """Lemmy signs, and would get to see the picture."""

    async def story(street: Street) -> None:
        url = street.alpha.add_image("/avatar.png", card_file())
        whole = street.alice.document() | {"icon": {"type": "Image", "url": url}}
        stub = document(street.alice.document)
        street.alpha.add(street.alice.path, secure(document(lambda: whole), OURS.document, otherwise=stub))
        result = await street.look(says.like(street.alice, street.group, "https://lemmy.test/post/1"))
        assert cards(result) == [f"{street.alice.id}#/icon/url"]

    with_servers(tmp_path, story)


def test_a_redirect_to_another_host_does_not_get_the_signature(tmp_path: Path) -> None:
    async def story(street: Street) -> None:
        beta: Host = street.fediverse["beta.example"]
        bob: Actor = beta.actor("bob", software="lemmy")
        beta.add_document("/post/1", says.page(bob, bob) | {"id": beta.url("/post/1")})
        asked = street.alpha.add("/post/1", redirect(beta.url("/post/1")))
        result = await street.look(says.like(street.alice, street.group, asked))
        assert (beta.url("/post/1"), "fetched") in [(one.id, one.outcome) for one in result.documents]
        (first,) = [head for head in street.alpha.server.heads if head.startswith(b"GET /post/1 ")]
        assert is_signed_by(first, OURS.document)
        (second,) = [head for head in beta.server.heads if head.startswith(b"GET /post/1 ")]
        assert b"signature" not in second.lower()

    with_servers(tmp_path, story)


def test_settings_are_decoded_strictly() -> None:
    assert msgspec.convert({}, LookAheadSettings) == LookAheadSettings()
    for wrong in ({"depth": -1}, {"documents": 0}, {"depht": 1}, {"refused_for": 0}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, LookAheadSettings)
