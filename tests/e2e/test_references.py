"""What refers to something withheld, and what Lemmy would fetch: looked at first, in order, once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import trio

from relayfilter.media.testcard import render
from tests.support import world_activities as say
from tests.support import world_answers
from tests.support.world import World
from tests.support.world_actors import PUBLIC, Actor

SLOW = {"deliveries": {"deadline": 6.0}}


class Village:
    """A community on alpha, its author on beta, a voter on gamma; `card` is the test card's URL."""

    def __init__(self, world: World) -> None:
        self.world = world
        alpha, beta, gamma = (world.fediverse[f"{name}.example"] for name in ("alpha", "beta", "gamma"))
        self.community = alpha.actor("town", kind="Group", software="lemmy")
        self.author = beta.actor("author", software="lemmy")
        self.voter = gamma.actor("voter", software="lemmy")
        self.card = beta.add_image("/card.png", render("png"))
        self.beta = beta

    def post(self, *attachments: say.Document) -> say.Document:
        return say.page(self.author, self.community, *attachments, markdown="A post.")

    def published(self, thing: say.Document) -> say.Document:
        """The thing, and its document at its id."""
        self.beta.add_document(thing["id"].removeprefix("https://beta.example"), thing)
        return thing

    async def announce(self, inner: say.Document | str) -> int:
        return await self.send(self.community, say.announce(self.community, inner))

    async def send(self, sender: Actor, activity: dict[str, Any]) -> int:
        return (await self.world.deliver(sender, activity, shape="lemmy")).status

    def about(self, post: say.Document) -> list[tuple[str, say.Document | str]]:
        reply = say.comment(self.voter, self.community, "Yes.", in_reply_to=post["id"])
        like = say.like(self.voter, self.community, post["id"])
        undo = {**like, "type": "Undo", "id": like["id"] + "/undo", "object": like}
        flag = {**like, "type": "Flag", "id": like["id"] + "/flag", "summary": "bad"}
        pin = {**like, "type": "Add", "id": like["id"] + "/pin", "target": f"{self.community.id}/featured"}
        return [
            ("vote", like),
            ("reply", say.create(self.voter, self.community, reply)),
            ("undo", undo),
            ("report", flag),
            ("pin", pin),
            ("update", say.update(self.author, self.community, post)),
            ("announce by id", post["id"]),
        ]


def test_everything_that_refers_to_a_withheld_post_is_withheld_until_it_is_released() -> None:
    async def main() -> None:
        async with World() as world:
            village = Village(world)
            post = village.post(say.image_attachment(village.card))
            assert await village.announce(say.create(village.author, village.community, post)) == 403
            first = await world.log_line(lambda line: line.get("rule") == "test-card")
            for name, activity in village.about(post):
                heard = len(world.daemon.log.items)
                assert await village.announce(activity) == 403, name
                line = await world.log_line(lambda line: line["event"] == "delivery", after=heard)
                assert (line["rule"], line["cause"]) == ("withheld", first["id"]), name
            assert await village.send(village.voter, say.like(village.voter, village.community, post["id"])) == 403
            delete = {
                "type": "Delete",
                "id": "https://beta.example/activities/delete/1",
                "actor": village.author.id,
                "object": post["id"],
                "to": [PUBLIC],
                "cc": [village.community.id],
            }
            assert await village.announce(delete) == 200
            other = village.published(village.post())
            assert await village.announce(say.like(village.voter, village.community, other["id"])) == 200

            assert (await world.run_cli("release", first["id"])).returncode == 0
            with trio.fail_after(10):
                while await village.announce(say.like(village.voter, village.community, post["id"])) == 403:
                    pass  # the daemon hears of a release within a second

    trio.run(main)


def test_a_vote_on_a_post_that_nobody_has_seen_is_held_while_the_post_is_looked_at() -> None:
    async def main() -> None:
        async with World() as world:
            village = Village(world)
            bad = village.published(village.post(say.image_attachment(village.card)))
            good = village.published(village.post())
            for _ in range(3):
                assert await village.announce(say.like(village.voter, village.community, good["id"])) == 200
                assert await village.announce(say.like(village.voter, village.community, bad["id"])) == 403
            path = bad["id"].removeprefix("https://beta.example")
            assert village.beta.requests[path] == 1
            assert village.beta.requests[good["id"].removeprefix("https://beta.example")] == 1
            await world.stop()
            lines = [line["rule"] for line in world.daemon.log.items if line.get("status") == 403]
            assert lines[0] == "test-card"
            assert set(lines[1:]) == {"withheld"}

    trio.run(main)


def test_attack_an_avatar_is_looked_at_before_lemmy_fetches_it() -> None:
    async def main() -> None:
        async with World() as world:
            village = Village(world)
            village.voter.extra["icon"] = {"type": "Image", "url": village.card}
            good = village.published(village.post())
            assert await village.announce(say.like(village.voter, village.community, good["id"])) == 403
            assert await village.announce(say.like(village.author, village.community, good["id"])) == 200

    trio.run(main)


def test_a_vote_does_not_overtake_the_post_and_identical_deliveries_are_one() -> None:
    async def main() -> None:
        async with World(settings=SLOW) as world:
            village = Village(world)
            picture = village.beta.add("/slow.png", world_answers.drip(render("png")[:1500], 1000, "image/png"))
            post = village.post(say.image_attachment(picture))
            delivery = say.announce(village.community, say.create(village.author, village.community, post))
            statuses: list[tuple[str, int]] = []

            async def send(name: str, activity: say.Document) -> None:
                statuses.append((name, await village.send(village.community, activity)))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send, "post", delivery)
                await village.beta.wait_for("/slow.png")
                vote = say.announce(village.community, say.like(village.voter, village.community, post["id"]))
                nursery.start_soon(send, "vote", vote)
                nursery.start_soon(send, "post again", delivery)
                assert await village.announce(say.create(village.author, village.community, village.post())) == 200
                assert statuses == []
            assert statuses[0][1] == 403
            assert dict(statuses)["vote"] == 403
            assert village.beta.requests["/slow.png"] == 1

    trio.run(main)


def test_the_same_activity_again_gets_the_same_answer_and_reaches_lemmy_once() -> None:
    async def main() -> None:
        async with World() as world:
            village = Village(world)
            good = say.create(village.author, village.community, village.post())
            announce = say.announce(village.community, good)
            assert await village.send(village.community, announce) == 200
            assert await village.send(village.community, announce) == 202
            await world.stop()
            await world.start()
            assert await village.send(village.community, announce) == 202
            assert len(world.lemmy.received) == 1
            await world.lemmy.down()
            later = say.announce(village.community, say.create(village.author, village.community, village.post()))
            assert await village.send(village.community, later) == 503
            await world.lemmy.up()
            assert await village.send(village.community, later) == 200

    trio.run(main)


def test_a_passing_failure_is_put_off_three_times_and_then_decided() -> None:
    async def main() -> None:
        async with World() as world:
            village = Village(world)
            broken = village.beta.add("/broken.png", world_answers.reply(status=503))
            create = say.create(village.author, village.community, village.post(say.image_attachment(broken)))
            announce = say.announce(village.community, create)
            answers = [await village.send(village.community, announce) for _ in range(5)]
            assert answers == [503, 503, 503, 403, 403]

    trio.run(main)


YOUNG = """
default = "accept"
on_uninspectable = "reject"
[[rules]]
name = "young"
reason = "too young for this"
action = "reject"
when = { account_age = "< 7d", object = "Note" }
[[rules]]
name = "hardly-seen"
reason = "seen too little"
action = "reject"
when = { seen_activities = "< 2", object = "Page" }
"""


def test_policy_knows_how_old_an_account_is_and_how_much_was_seen_of_it() -> None:
    async def main() -> None:
        async with World(policy=YOUNG) as world:
            host = world.fediverse["alpha.example"]
            old, young = host.actor("old"), host.actor("young")
            old.extra["published"] = "2020-01-01T00:00:00Z"
            young.extra["published"] = datetime.now(UTC).isoformat()
            assert (await world.deliver(young, say.mastodon_note(young, "<p>Hi</p>"))).status == 403
            assert (await world.deliver(old, say.mastodon_note(old, "<p>Hi</p>"))).status == 200
            village = Village(world)
            post = say.create(old, village.community, say.page(old, village.community, markdown="Hi"))
            assert await village.send(old, post) == 403
            assert await village.send(old, say.mastodon_note(old, "<p>Hi</p>")) == 200
            again = say.create(old, village.community, say.page(old, village.community, markdown="Hi"))
            assert await village.send(old, again) == 200

    trio.run(main)


def test_attack_a_picture_behind_a_prefix_that_plain_json_hides_is_found() -> None:
    async def main() -> None:
        async with World() as world:
            host = world.fediverse["alpha.example"]
            alice = host.actor("alice")
            note = say.mastodon_note(alice, "<p>Hi</p>")
            card = host.add_image("/card.png", render("png"))
            note["@context"] = [
                "https://www.w3.org/ns/activitystreams",
                {"x": "https://www.w3.org/ns/activitystreams#"},
            ]
            note["object"]["x:attachment"] = {"type": "Image", "x:url": {"id": card}}
            assert (await world.deliver(alice, note)).status == 403
            line = await world.log_line(lambda line: line["event"] == "delivery")
            assert line["rule"] == "test-card"
            told = (await world.run_cli("explain", line["id"])).stdout.decode()
            assert "jsonld:" in told

    trio.run(main)
