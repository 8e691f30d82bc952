"""Front, fetch and classify as three services of their own, as separate units run them."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import trio

from relayfilter.media.testcard import render
from tests.support import world_activities as say
from tests.support.world import World


async def _serve(world: World, part: str, task_status: trio.TaskStatus[trio.Process]) -> None:
    command = [*world.command, "serve", "--only", part, "--config", str(world.config_file)]
    await trio.run_process(command, check=False, task_status=task_status)


def test_three_services_do_what_one_does_and_front_waits_for_the_others() -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory(prefix="rf-") as directory:
            sockets = {name: str(Path(directory, name)) for name in ("fetch_socket", "classify_socket")}
            async with World(settings={"processes": sockets}, start=False) as world, trio.open_nursery() as nursery:
                world.arguments = ("--only", "front")
                classify = await nursery.start(partial(_serve, world, "classify"))
                fetch = await nursery.start(partial(_serve, world, "fetch"))
                await world.start()
                host = world.fediverse["alpha.example"]
                alice = host.actor("alice")
                card = say.document_attachment(host.add_image("/card.png", render("png")))
                assert (await world.deliver(alice, say.mastodon_note(alice, "<p>Hi</p>"))).status == 200
                assert (await world.deliver(alice, say.mastodon_note(alice, "<p>Hi</p>", card))).status == 403
                await world.stop()
                for process in (fetch, classify):
                    process.terminate()
                    assert await process.wait() == 0

    trio.run(main)
