"""Rows 30 to 35: what goes wrong while a key is fetched, and what must not be fetched at all.

These run in a world where patience is short, and where some names lead to addresses that nobody may reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from tests.support import world_activities as say
from tests.support import world_answers
from tests.support.cases import Borrower, Case, Scene, missing, signed
from tests.support.traps import Traps
from tests.support.world_delivery import Answer

IMPATIENT: Mapping[str, Any] = {"deliveries": {"deadline": 1.0}, "fetch": {"slow_after": 0.3}}


def cases(scene: Scene, traps: Traps) -> Iterator[Case]:
    yield from _unavailable(scene)
    yield from _unreachable(scene, traps)
    yield from _unfit(scene)


def _asked_to_come_again(answer: Answer) -> str | None:
    return None if b"retry-after" in dict(answer.headers) else "no Retry-After"


def _unavailable(scene: Scene) -> Iterator[Case]:
    for name, script, reason in (
        ("key server hangs", world_answers.hang(), "key-timeout"),
        ("key server says 500", missing(500), "key-server-error"),
        ("key server says 429", missing(429), "key-server-error"),
    ):
        actor = scene.somebody(script=script)
        yield Case(30, name, signed(actor), 503, reason, also=_asked_to_come_again)
    yield Case(31, "key server says 404", signed(scene.somebody(script=missing(404))), 401, "key-not-found")
    gone = scene.somebody(script=missing(410))
    itself = signed(gone, partial(say.delete_self, gone))
    yield Case(32, "410, and the actor deletes itself", itself, 202, "deleted-itself")
    yield Case(33, "410, any other activity", signed(gone), 401, "key-gone")
    another = scene.somebody()
    others = signed(gone, lambda: say.delete_self(gone) | {"object": another.id})
    yield Case(33, "410, and the actor deletes somebody else", others, 401, "key-gone")


def _unreachable(scene: Scene, traps: Traps) -> Iterator[Case]:
    def untouched(_answer: Answer) -> str | None:
        return f"connected to {sprung}" if (sprung := traps.sprung()) else None

    for name, address in traps.hosts.items():
        request = signed(Borrower(name, "x", scene.alice.key))
        yield Case(34, f"key at {address}", request, 401, "key-private-address", also=untouched)
    for name in ("loopback.example", "link-local.example"):
        led = scene.somebody(script=world_answers.redirect(f"https://{name}/users/x"))
        yield Case(34, f"redirect to {traps.hosts[name]}", signed(led), 401, "key-private-address", also=untouched)
    literal = Borrower("127.0.0.2", "x", scene.alice.key)
    yield Case(34, "key at a literal address", signed(literal), 401, "actor-id-host", also=untouched)


def _unfit(scene: Scene) -> Iterator[Case]:
    page = scene.somebody(script=world_answers.reply(b"<!doctype html>", "text/html"))
    yield Case(35, "key document is text/html", signed(page), 401, "key-wrong-type")
    large = scene.somebody(script=world_answers.reply(b" " * (1024 * 1024 + 1), "application/activity+json"))
    yield Case(35, "key document of more than 1 MiB", signed(large), 401, "key-too-large")
    endless = scene.somebody(script=world_answers.endless(b"{", "application/activity+json"))
    yield Case(35, "key document without end", signed(endless), 401, "key-too-large")
    packed = scene.somebody(script=world_answers.gzip_bomb(50_000_000, "application/activity+json"))
    yield Case(35, "key document of 50 MB in gzip", signed(packed), 401, "key-too-large")
    slow = scene.somebody(script=world_answers.drip(b" " * 100_000, 100, "application/activity+json"))
    yield Case(35, "key document drips", signed(slow), 503, "key-too-slow", also=_asked_to_come_again)
