from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from relayfilter.lanes import Lanes

POST = "https://a.example/post/1"
OTHER = "https://a.example/post/2"


class Street:
    """Deliveries that go through lanes; `passed` has their names in the order in which they did."""

    def __init__(self) -> None:
        self.lanes = Lanes()
        self.passed: list[str] = []
        self.verify: dict[str, trio.Event] = {}
        self.finish: dict[str, trio.Event] = {}

    async def deliver(self, name: str, about: tuple[str, ...], host: str, deadline: float = 1e9) -> None:
        verified, finished = self.verify[name], self.finish[name]
        with self.lanes.enter(about, host) as turn:
            await verified.wait()
            turn.admit()
            if await turn.come(deadline=deadline):
                await finished.wait()
                self.passed.append(name)
            else:
                self.passed.append(f"{name} too late")

    async def start(
        self, nursery: trio.Nursery, name: str, *about: str, host: str = "b.example", deadline: float = 1e9
    ) -> None:
        self.verify[name], self.finish[name] = trio.Event(), trio.Event()
        nursery.start_soon(self.deliver, name, about, host, deadline)
        await wait_all_tasks_blocked()


def run(story: Callable[[Street, trio.Nursery], Awaitable[None]]) -> Street:
    street = Street()

    async def main() -> None:
        with trio.fail_after(1000):
            async with trio.open_nursery() as nursery:
                await story(street, nursery)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert len(street.lanes) == 0
    return street


async def done(street: Street, *names: str) -> None:
    for name in names:
        street.verify[name].set()
        street.finish[name].set()
    await wait_all_tasks_blocked()


def test_a_vote_never_overtakes_the_post_that_is_being_scanned() -> None:
    async def story(street: Street, nursery: trio.Nursery) -> None:
        await street.start(nursery, "post", POST)
        await street.start(nursery, "vote", POST, host="c.example")
        street.verify["post"].set()
        await wait_all_tasks_blocked()
        await done(street, "vote")
        assert street.passed == []
        await done(street, "post")

    assert run(story).passed == ["post", "vote"]


def test_unrelated_deliveries_do_not_wait() -> None:
    async def story(street: Street, nursery: trio.Nursery) -> None:
        await street.start(nursery, "post", POST)
        await street.start(nursery, "other", OTHER)
        street.verify["post"].set()
        await wait_all_tasks_blocked()
        await done(street, "other")
        assert street.passed == ["other"]
        await done(street, "post")

    assert run(story).passed == ["other", "post"]


def test_many_about_one_object_pass_in_the_order_of_their_arrival() -> None:
    names = [f"delivery {number}" for number in range(50)]

    async def story(street: Street, nursery: trio.Nursery) -> None:
        for name in names:
            await street.start(nursery, name, POST)
        await done(street, *reversed(names))

    assert run(story).passed == names


def test_deliveries_about_the_same_two_objects_never_wait_for_each_other() -> None:
    async def story(street: Street, nursery: trio.Nursery) -> None:
        await street.start(nursery, "one", POST, OTHER)
        await street.start(nursery, "two", OTHER, POST)
        await done(street, "two", "one")

    assert run(story).passed == ["one", "two"]


def test_attack_an_unverified_stranger_cannot_hold_up_votes_on_a_post_elsewhere() -> None:
    async def story(street: Street, nursery: trio.Nursery) -> None:
        await street.start(nursery, "stranger", POST, host="evil.example")
        await street.start(nursery, "vote", POST, host="c.example")
        await done(street, "vote")
        assert street.passed == ["vote"]
        await done(street, "stranger")

    assert run(story).passed == ["vote", "stranger"]


def test_the_origin_of_an_object_goes_first_even_while_its_key_is_being_fetched() -> None:
    async def story(street: Street, nursery: trio.Nursery) -> None:
        await street.start(nursery, "post", POST, host="a.example")
        await street.start(nursery, "vote", POST, host="c.example")
        await done(street, "vote")
        assert street.passed == []
        await done(street, "post")

    assert run(story).passed == ["post", "vote"]


def test_waiting_ends_at_the_deadline() -> None:
    async def story(street: Street, nursery: trio.Nursery) -> None:
        await street.start(nursery, "post", POST)
        street.verify["post"].set()
        await street.start(nursery, "vote", POST, deadline=trio.current_time() + 8)
        street.verify["vote"].set()
        await trio.sleep(9)
        assert street.passed == ["vote too late"]
        await done(street, "post")

    assert run(story).passed == ["vote too late", "post"]
