"""Pictures through the running daemon: what is looked at, what is withheld, and that the rest passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import trio

from relayfilter.media.testcard import render
from tests.support import patterns, world_answers
from tests.support import world_activities as say
from tests.support.world import World
from tests.support.world_actors import Actor

PRIVATE = {"fetch": {"testing": {"hosts": {"intranet.example": "10.0.0.1"}}}}


class Case(NamedTuple):
    """An activity of `sender`, and the rule that decides it."""

    name: str
    sender: Actor
    activity: say.Document
    rule: str


def cases(world: World) -> Iterator[Case]:
    alpha, gamma = world.fediverse["alpha.example"], world.fediverse["gamma.example"]
    community = alpha.actor("pictures", kind="Group", software="lemmy")
    alice = alpha.actor("alice")

    clean = alpha.add_image("/clean.png", patterns.file(patterns.ordinary()["waves"], "PNG"))
    card = alpha.add_image("/card.png", render("png"))
    jpeg = alpha.add_image("/card.jpg", render("jpeg"), "image/jpeg")
    webp = alpha.add_image("/card.webp", render("webp"), "image/webp")
    disguised = alpha.add_image("/card.html", render("png"), "text/html")
    explicit = alpha.add_image("/blobs.png", patterns.file(patterns.high_scoring(), "PNG"))
    moved = gamma.add("/moved", world_answers.redirect(card))
    away = gamma.add("/away", world_answers.redirect("https://intranet.example/x.png"))
    page = gamma.add("/page", world_answers.reply(b"<!doctype html><p>News</p>", "text/html; charset=utf-8"))
    bomb = gamma.add_image("/bomb.png", patterns.png_bomb(20_000, 20_000))
    scans = gamma.add_image("/scans.jpg", patterns.scan_bomb(5000), "image/jpeg")
    endless = gamma.add("/endless.png", world_answers.endless(render("png"), "image/png"))
    squeezed = gamma.add("/gzip.png", world_answers.gzip_bomb(50_000_000, "image/png"))
    broken = gamma.add_image("/broken.png", render("png")[:2000])
    text = gamma.add_image("/text.png", b"this is no picture at all")

    def posted(*attachments: say.Document, markdown: str | None = None) -> say.Document:
        return say.announce(
            community, say.create(alice, community, say.page(alice, community, *attachments, markdown=markdown))
        )

    def attached(url: str) -> say.Document:
        return posted(say.image_attachment(url))

    for name, activity, rule in (
        ("clean picture", attached(clean), "default"),
        ("web page", posted(say.link_attachment(page)), "default"),
        ("dead link", posted(say.link_attachment(gamma.url("/nothing"))), "unreachable"),
        ("card, PNG", attached(card), "test-card"),
        ("card, JPEG", attached(jpeg), "test-card"),
        ("card, WebP", attached(webp), "test-card"),
        ("card called text/html", attached(disguised), "test-card"),
        ("card called text/html behind a link", posted(say.link_attachment(disguised)), "test-card"),
        ("card behind a link", posted(say.link_attachment(card)), "test-card"),
        ("card behind a redirect", attached(moved), "test-card"),
        ("card as second attachment", posted(say.image_attachment(clean), say.image_attachment(card)), "test-card"),
        ("card in Markdown", posted(markdown=f"Look\n\n![this][1]\n\n[1]: {card} 'so'"), "test-card"),
        ("card in HTML in Markdown", posted(markdown=f"Look <img alt=x src='{card}'>"), "test-card"),
        ("explicit", attached(explicit), "explicit"),
        (
            "beside a dead link",
            posted(say.link_attachment(gamma.url("/nothing")), say.image_attachment(bomb)),
            "on_uninspectable",
        ),
        ("private address", attached("https://intranet.example/x.png"), "on_uninspectable"),
        ("redirect to a private address", attached(away), "on_uninspectable"),
        ("literal private address", attached("http://192.168.0.1/x.png"), "on_uninspectable"),
        ("pixel bomb", attached(bomb), "on_uninspectable"),
        ("scan bomb", attached(scans), "on_uninspectable"),
        ("endless body", attached(endless), "on_uninspectable"),
        ("gzip bomb", attached(squeezed), "on_uninspectable"),
        ("truncated", attached(broken), "on_uninspectable"),
        ("no picture", attached(text), "on_uninspectable"),
        ("data URL", attached("data:image/png;base64,iVBORw0KGgo="), "on_uninspectable"),
    ):
        yield Case(name, community, activity, rule)
    yield Case("note", alice, say.mastodon_note(alice, "<p>Hi</p>", say.document_attachment(card)), "test-card")
    yield Case("emoji", alice, say.mastodon_note(alice, ":x:", tags=(say.emoji_tag(alice, "x", card),)), "test-card")
    yield Case(
        "private message", alice, say.chat_message(alice, "https://lemmy.example/u/bob", f"![]({card})"), "test-card"
    )
    icon = community.document() | {"icon": [{"type": "Image", "url": card}]}
    yield Case("community icon", community, say.update(community, community, icon), "test-card")


def test_every_picture_is_found_and_judged() -> None:
    async def main() -> None:
        wrong = []
        async with World(settings=PRIVATE) as world:
            for case in cases(world):
                heard, received = len(world.daemon.log.items), len(world.lemmy.received)
                shape = "lemmy" if case.sender.software == "lemmy" else "mastodon"
                answer = await world.deliver(case.sender, case.activity, shape=shape)
                line = await world.log_line(lambda line: line["event"] == "delivery", after=heard)
                passed = len(world.lemmy.received) - received
                expected = case.rule in ("default", "unreachable")
                if line.get("rule") != case.rule or passed != expected or (answer.status == 403) == expected:
                    wrong.append(f"{case.name}: {answer.status} {line} passed {passed}")
            assert not wrong, "\n".join(wrong)
            assert "10.0.0.1" not in str(world.daemon.stderr)
            await _everything_can_be_explained(world)

    trio.run(main)


async def _everything_can_be_explained(world: World) -> None:
    lines = [line for line in world.daemon.log.items if line["event"] == "delivery"]
    kept = [json.loads(line) for line in (await world.run_cli("log", "--json", "-n", "1000")).stdout.splitlines()]
    assert [record["id"] for record in kept] == [line["id"] for line in lines][::-1]
    for record in kept:
        assert record["decision"]["place"].partition(":")[0].endswith("policy.toml")
        for medium in record["media"]:
            assert medium["report"]["findings"] or medium["report"]["picture"]
    told = (await world.run_cli("explain", kept[0]["id"])).stdout.decode()
    for piece in (
        "verified (cavage)",
        "test-card",
        "on the hash list testcard",
        "open_nsfw gives nsfw",
        "/object/icon/0/url",
    ):
        assert piece in told, piece
