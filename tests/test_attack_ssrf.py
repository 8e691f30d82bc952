"""Attacks that would make the filter, or Lemmy behind it, connect to where the attacker cannot.

CVE-2025-25194 and CVE-2026-33693 (the federation library's guard, and 0.0.0.0), CVE-2026-50131 (an incomplete list),
CVE-2024-4032 and CVE-2021-29921 (odd spellings of addresses), and Lemmy's own way: it fetches an actor, avatar and all,
before it looks at the signature, so that anybody's POST would do. Listeners stand where nobody may connect.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.support import world_activities as say
from tests.support import world_answers
from tests.support.attacks import Played, attack
from tests.support.cases import Borrower, Case, Scene, note, signed
from tests.support.traps import Traps
from tests.support.world_actors import Actor
from tests.support.world_delivery import Answer, encode, signed_post

_SPELLINGS = (
    "127.0.0.2",
    "127.2",
    "2130706434",
    "0x7f000002",
    "0177.0.0.2",
    "0x7f.0.0.2",
    "127.0.0.2.",
    "\uff11\uff12\uff17.0.0.2",
    "127\u30020\u30020\u30022",
    "[::1]",
    "[::ffff:127.0.0.2]",
    "[::]",
    "0",
)
_NAMES = ("localhost", "ip6-localhost")


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    with Traps() as traps:

        def untouched(_answer: Answer) -> str | None:
            return f"connected to {sprung}" if (sprung := traps.sprung()) else None

        yield Played(_keys, _pictures, _named, _unsigned, settings=traps.settings, also=untouched)


def test_keys_at_private_addresses(played: Played) -> None:
    played.withstood(_keys)


def test_pictures_at_private_addresses(played: Played) -> None:
    played.withstood(_pictures)


def test_named_objects_at_private_addresses(played: Played) -> None:
    played.withstood(_named)


def test_an_unsigned_post_makes_nobody_fetch_an_avatar(played: Played) -> None:
    played.withstood(_unsigned)


def _keys(scene: Scene) -> Iterator[Case]:
    for spelling in _SPELLINGS:
        yield attack(f"actor at {spelling!r}", _at(spelling, scene), 401, "actor-id-host")
    for name in _NAMES:
        yield attack(f"actor at {name}", _at(name, scene), 401, "key-url")
    alice = scene.alice
    for key_id, reason in (
        ("file:///etc/passwd#key", "key-id-not-https"),
        ("gopher://127.0.0.2:70/_x", "key-id-not-https"),
        ("http://127.0.0.2/key", "key-id-not-https"),
        ("data:application/json,{}", "signature-malformed"),
        ("https://127.0.0.2/key", "key-id-host"),
        ("https://alpha.example:22/key", "key-id-port"),
        ("https://alpha.example@127.0.0.2/key", "key-id-userinfo"),
        ("https://loopback.example/key", "key-foreign-origin"),
    ):
        impostor = Borrower(alice.host, alice.name, alice.key)
        impostor.key_id = key_id
        yield attack(f"keyId {key_id}", signed(impostor), 401, reason)
    for location, reason in (
        ("https://127.0.0.2/", "key-url"),
        ("http://loopback.example/", "key-downgrade"),
        ("//loopback.example/", "key-private-address"),
        ("file:///etc/passwd", "key-url"),
        ("https://alpha.example:22/", "key-url"),
        ("https://alpha.example\\@loopback.example/", "key-url"),
        ("https://loopback.example\t/", "key-url"),
    ):
        led = scene.somebody(script=world_answers.redirect(location))
        yield attack(f"redirect to {location!r}", signed(led), 401, reason)
    circle = scene.somebody()
    scene.alpha.add(circle.path, world_answers.redirect(circle.id))
    yield attack("redirects in a circle", signed(circle), 401, "key-redirects")


def _at(host: str, scene: Scene) -> Any:
    actor = Borrower(host, "x", scene.alice.key)
    if not host.isascii():
        actor.key_id = scene.alice.key_id  # a header holds nothing else
    return signed(actor)


def _pictures(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    hosts = ("loopback.example", "link-local.example", "nat64.example", "localhost")
    for host in (*hosts, *_SPELLINGS[:8]):
        for scheme in ("http", "https"):
            picture = say.document_attachment(f"{scheme}://{host}/latest/meta-data/")
            yield attack(f"attached {scheme}://{host!r}", _attached(alice, picture), 403, "")
    for url in (
        "file:///etc/passwd",
        "https://alpha.example:22/x.png",
        "https://alpha.example@127.0.0.2/x.png",
        "https://alpha.example\\@127.0.0.2/x.png",
        scene.alpha.add("/led.png", world_answers.redirect("https://loopback.example/x.png")),
    ):
        yield attack(f"attached {url}", _attached(alice, say.document_attachment(url)), 403, "")


def _attached(author: Actor, picture: dict[str, Any]) -> Any:
    return signed(author, partial(say.mastodon_note, author, "Hi", picture))


def _named(scene: Scene) -> Iterator[Case]:
    community = scene.somebody("community", kind="Group", software="lemmy")
    for host in ("loopback.example", "link-local.example", "localhost"):
        thing = f"https://{host}/post/1"
        for name, activity in (
            ("announce by id", partial(say.announce, community, thing)),
            ("vote", partial(say.like, community, community, thing)),
            ("reply", partial(_reply, community, thing)),
        ):
            yield attack(f"{name} of {thing}", signed(community, activity), 403, "")


def _reply(author: Actor, parent: str) -> dict[str, Any]:
    return say.create(author, author, say.comment(author, author, "Hi", in_reply_to=parent))


def _unsigned(scene: Scene) -> Iterator[Case]:
    """Neither Lemmy nor we fetch what an unsigned POST names."""
    stranger = scene.somebody("stranger", host=scene.beta)
    stranger.extra["icon"] = {"type": "Image", "url": scene.beta.url("/avatar.png")}

    def unfetched(_answer: Answer) -> str | None:
        asked = scene.beta.requests[stranger.path] + scene.beta.requests["/avatar.png"]
        return f"{asked} fetches" if asked else None

    def without(*fields: bytes, shape: str = "mastodon", **changes: Any) -> bytes:
        head, blank, body = signed_post(stranger, note(stranger), shape=shape, **changes).partition(b"\r\n\r\n")
        kept = [line for line in head.split(b"\r\n") if line.partition(b":")[0].lower() not in fields]
        return b"\r\n".join(kept) + blank + body

    for name, raw, reason in (
        ("no signature", without(b"signature"), "no-signature"),
        ("no digest either", without(b"signature", b"digest"), "no-signature"),
        ("a bearer token", without(b"signature", extra=[("Authorization", "Bearer x")]), "no-signature"),
        ("basic credentials", without(b"signature", extra=[("Authorization", "Basic eDp4")]), "no-signature"),
        ("an empty signature", without(replace={"signature": ""}), "signature-malformed"),
        ("RFC 9421 without its input", without(b"signature-input", shape="rfc9421"), "signature-malformed"),
        ("RFC 9421 without its signature", without(b"signature", shape="rfc9421"), "signature-malformed"),
        ("junk for a signature", without(replace={"signature": "x" * 8192}), "signature-malformed"),
        ("a signature of nothing", without(covered=("host",)), "header-not-signed"),
        ("a digest of another body", without(sent_body=encode(note(stranger))), "digest-mismatch"),
    ):
        yield attack(name, raw, 401, reason, also=unfetched)
