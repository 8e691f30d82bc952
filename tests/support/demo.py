"""`make demo`: the real daemon in front of a strict stand-in for Lemmy, and a small fediverse on loopback over TLS.

Some fifteen deliveries, good and hostile, and what became of each; then the log and one decision explained. Ends with
status 1 when any outcome is not the expected one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import trio
from rich.console import Console
from rich.table import Table

from relayfilter.cli.text import console
from relayfilter.media.testcard import render
from tests.support import patterns, world_answers
from tests.support import world_activities as say
from tests.support.world import World
from tests.support.world_actors import Actor
from tests.support.world_delivery import Answer, encode

HOUR = 3600


class Case(NamedTuple):
    """One delivery: what it is, how it is sent, and what must become of it: status, and whether it reaches Lemmy."""

    name: str
    send: Callable[[], Awaitable[Answer]]
    status: int
    passed: bool


def cases(world: World) -> list[Case]:
    """The deliveries. The servers: alpha has the community, beta its people, gamma whatever is hostile."""
    alpha, beta, gamma = (world.fediverse[f"{name}.example"] for name in ("alpha", "beta", "gamma"))
    community = alpha.actor("fotos", kind="Group", software="lemmy")
    alice = beta.actor("alice", software="lemmy")
    impostor = Actor(beta.name, "alice", software="lemmy")
    impostor.rotate()
    mallory = gamma.actor("mallory")
    ghost = gamma.actor("ghost")
    gamma.add(ghost.path, world_answers.hang())

    clean = beta.add_image("/pictrs/image/clean.png", patterns.file(patterns.ordinary()["waves"], "PNG"))
    card = beta.add_image("/pictrs/image/card.png", render("png"))
    card_jpeg = beta.add_image("/pictrs/image/card.jpg", render("jpeg"), "image/jpeg")
    card_webp = beta.add_image("/pictrs/image/card.webp", render("webp"), "image/webp")
    striking = beta.add_image("/pictrs/image/striking.png", patterns.file(patterns.high_scoring(), "PNG"))
    bomb = gamma.add_image("/bomb.png", world_answers.png_bomb(20_000))
    drip = gamma.add("/drip.png", world_answers.drip(bytes(100_000), 20, "image/png"))

    post = say.page(alice, community, say.image_attachment(clean))

    def announced(thing: say.Document) -> say.Document:
        return say.announce(community, say.create(alice, community, thing))

    def lemmy(activity: say.Document) -> Callable[[], Awaitable[Answer]]:
        return lambda: world.deliver(community, activity, shape="lemmy")

    def attached(url: str) -> Callable[[], Awaitable[Answer]]:
        return lemmy(announced(say.page(alice, community, say.image_attachment(url))))

    note = say.mastodon_note(mallory, "<p>Hello</p>")
    changed = say.mastodon_note(mallory, "<p>Goodbye</p>")
    return [
        Case("text post", lemmy(announced(say.page(alice, community, markdown="Only words."))), 200, True),
        Case("image post", lemmy(announced(post)), 200, True),
        Case("vote", lemmy(say.announce(community, say.like(alice, community, post["id"]))), 200, True),
        Case("Mastodon note", lambda: world.deliver(mallory, note), 200, True),
        Case(
            "test card attached to a note",
            lambda: world.deliver(mallory, say.mastodon_note(mallory, "<p>Hi</p>", say.document_attachment(card_jpeg))),
            403,
            False,
        ),
        Case(
            "test card as Markdown image in a comment",
            lemmy(announced(say.comment(alice, community, f"Look: ![so]({card_webp})", in_reply_to=post["id"]))),
            403,
            False,
        ),
        Case("test card inside an Announce", attached(card), 403, False),
        Case("picture with a high score", attached(striking), 403, False),
        Case(
            "forged signature",
            lambda: world.deliver(impostor, say.mastodon_note(alice, "<p>Not I</p>")),
            401,
            False,
        ),
        Case("changed body", lambda: world.deliver(mallory, note, sent_body=encode(changed)), 401, False),
        Case("expired date", lambda: world.deliver(mallory, note, date_offset=-2 * HOUR), 401, False),
        Case("picture on a private address", attached("http://192.168.0.1/secret.png"), 403, False),
        Case("decompression bomb", attached(bomb), 403, False),
        Case("image server that drips: come again", attached(drip), 503, False),
        Case("key server that hangs", lambda: world.deliver(ghost, say.mastodon_note(ghost, "<p>Boo</p>")), 503, False),
        Case(
            "signed by RFC 9421 only",
            lambda: world.deliver(mallory, say.mastodon_note(mallory, "<p>New</p>"), shape="rfc9421"),
            401,
            False,
        ),
    ]


async def run(out: Console) -> bool:
    """Everything as expected?"""
    async with World() as world:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for heading in ("delivery", "answered", "Lemmy", "why", ""):
            table.add_column(heading, no_wrap=True)
        good = True
        for case in cases(world):
            received = len(world.lemmy.received)
            heard = len(world.daemon.log.items)
            answer = await case.send()
            line = await world.log_line(lambda line: line["event"] == "delivery", after=heard)
            passed = len(world.lemmy.received) > received
            expected = answer.status == case.status and passed == case.passed
            good = good and expected
            why = line.get("rule", line["reason"])
            mark = "[green]as expected[/]" if expected else f"[bold red]expected {case.status}[/]"
            table.add_row(case.name, str(answer.status), "got it" if passed else "-", why, mark)
        out.print(table)
        out.rule("relayfilter log", align="left", style="dim")
        out.print((await world.run_cli("log", "-n", "5")).stdout.decode(), markup=False, end="")
        rejected = (await world.run_cli("log", "--rule", "test-card", "-n", "1", "--json")).stdout
        out.rule("relayfilter explain", align="left", style="dim")
        out.print((await world.run_cli("explain", _id(rejected))).stdout.decode(), markup=False, end="")
        return good


def _id(line: bytes) -> str:
    return str(json.loads(line)["id"])


def main() -> None:
    out = console()
    good = trio.run(run, out)
    out.print("every outcome is the expected one" if good else "[bold red]not every outcome is the expected one[/]")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
