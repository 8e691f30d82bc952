"""An attack is a case: a request that must not get through, with the status and the reason that end it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import trio

from tests.support.cases import Case, Request, Scene, alone
from tests.support.play import PACES, Seen, play
from tests.support.world import World
from tests.support.world_delivery import Answer

POLICY = 'default = "accept"\non_uninspectable = "reject"\n'

Attacks = Callable[[Scene], Iterable[Case]]


def attack(name: str, request: Request | bytes, status: int | Literal["F"], reason: str, **more: Any) -> Case:
    """It must be answered so, be called so in the log, and nothing of it may reach Lemmy."""
    return Case(0, name, alone(lambda: request) if isinstance(request, bytes) else request, status, reason, **more)


class Played:
    """Groups of attacks, played one after the other against one daemon.

    It is made in a fixture of the module; each test then asks whether one group was `withstood`. `also` holds for every
    attack that has no such thing of its own.
    """

    def __init__(
        self,
        *groups: Attacks,
        settings: Mapping[str, Any] | None = None,
        policy: str = POLICY,
        also: Callable[[Answer], str | None] | None = None,
    ) -> None:
        self._seen: dict[Attacks, list[Seen]] = {}

        async def main() -> None:
            async with World(policy=policy, settings=settings) as world:
                scene = Scene(world)
                for group in groups:
                    cases = (case._replace(also=case.also or also) for case in group(scene))
                    self._seen[group] = await play(world, cases, paces=PACES[:1])

        trio.run(main)

    def withstood(self, group: Attacks) -> None:
        """Raises AssertionError with everything of the group that went wrong."""
        seen = self._seen[group]
        assert seen
        wrong = [f"{one.case.name}: {one.wrong}" for one in seen if one.wrong]
        assert not wrong, "\n".join(wrong)
