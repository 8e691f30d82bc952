"""Attacks with a delivery that somebody else signed: sent again, sent elsewhere, sent with something changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.support import world_activities as say
from tests.support.attacks import Played, attack
from tests.support.cases import Case, Request, Scene, Send, note
from tests.support.signing import content_digest_header, digest_header
from tests.support.world_delivery import encode, signed_post


@pytest.fixture(scope="module")
def played() -> Played:
    return Played(_changed, _elsewhere, _later)


def test_a_replay_with_something_changed(played: Played) -> None:
    played.withstood(_changed)


def test_a_replay_at_another_place(played: Played) -> None:
    played.withstood(_elsewhere)


def test_a_replay_at_another_time(played: Played) -> None:
    played.withstood(_later)


def _overheard(scene: Scene, change: Callable[[bytes], bytes], **shape: Any) -> Request:
    """`change` is made to a good delivery of alice's that has arrived already."""

    async def request(send: Send) -> bytes:
        good = signed_post(scene.alice, note(scene.alice), **shape)
        await send(good)
        return change(good)

    return request


def _with_body(change: Callable[[bytes], bytes], raw: bytes, *, digest: bool = False) -> bytes:
    """The body changed, its length with it, and its digests on demand."""
    head, _, body = raw.partition(b"\r\n\r\n")
    new = change(body)
    pairs = [(b"Content-Length: %d" % len(body), b"Content-Length: %d" % len(new))]
    if digest:
        for write in (digest_header, content_digest_header):
            pairs.append((write(body).encode(), write(new).encode()))
    for old, other in pairs:
        head = head.replace(old, other)
    return head + b"\r\n\r\n" + new


def _replaced(old: bytes, new: bytes, raw: bytes) -> bytes:
    assert old in raw
    return raw.replace(old, new, 1)


def _changed(scene: Scene) -> Iterator[Case]:
    def worse(body: bytes) -> bytes:
        return body.replace(b'"Hi"', b'"<img src=https://beta.example/card.png>"')

    def one_bit(body: bytes) -> bytes:
        return body.replace(b'"Hi"', b'"Ho"')

    for name, change in (("worse", worse), ("one letter", one_bit), ("one blank more", lambda body: body + b" ")):
        for shape, reason in (("mastodon", "digest-mismatch"), ("rfc9421", "content-digest-mismatch")):
            plain = _overheard(scene, partial(_with_body, change), shape=shape)
            yield attack(f"body {name} ({shape})", plain, 401, reason)
            redone = _overheard(scene, partial(_with_body, change, digest=True), shape=shape)
            yield attack(f"body {name}, with its digest ({shape})", redone, 401, "signature-mismatch")
    for name, old, new, reason in (
        ("digest not signed any more", b" digest ", b" ", "header-not-signed"),
        ("host not signed any more", b" host ", b" ", "header-not-signed"),
        ("headers in another order", b"host date", b"date host", "signature-mismatch"),
        ("content type", b"Content-Type: application/", b"Content-Type: application/x-", "signature-mismatch"),
        ("the key of somebody else", b"alpha.example/users/alice#", b"beta.example/users/bob#", "key-foreign-origin"),
    ):
        yield attack(name, _overheard(scene, partial(_replaced, old, new)), 401, reason)
    signature = b'signature="'

    def broken(raw: bytes) -> bytes:
        at = raw.index(signature) + len(signature) + 8
        return raw[:at] + (b"A" if raw[at : at + 1] != b"A" else b"B") + raw[at + 1 :]

    yield attack("one letter of the signature", _overheard(scene, broken), 401, "signature-mismatch")


def _elsewhere(scene: Scene) -> Iterator[Case]:
    alice = scene.alice

    def for_another(shape: str, _raw: bytes) -> bytes:
        return signed_post(alice, note(alice), shape=shape, host="another.example")

    def renamed(shape: str, raw: bytes) -> bytes:
        return _replaced(b"Host: another.example", b"Host: lemmy.example", for_another(shape, raw))

    for shape in ("mastodon", "lemmy", "rfc9421"):
        request = _overheard(scene, partial(for_another, shape))
        yield attack(f"signed for another instance ({shape})", request, 401, "host-not-ours")
        request = _overheard(scene, partial(renamed, shape))
        yield attack(f"and with our name in Host ({shape})", request, 401, "signature-mismatch")
    for target in (b"/inbox?x=1", b"/u/bob/inbox", b"//inbox", b"/%69nbox", b"/inbox/"):
        moved = _overheard(scene, partial(_replaced, b" /inbox ", b" " + target + b" "))
        yield attack(f"sent to {target.decode()}", moved, 401, "signature-mismatch")


def _later(scene: Scene) -> Iterator[Case]:
    alice = scene.alice

    def old(_raw: bytes) -> bytes:
        return signed_post(alice, note(alice), date_offset=-2 * 3600)

    yield attack("two hours old", _overheard(scene, old), 401, "date-outside-window")

    def dated_anew(raw: bytes) -> bytes:
        fresh = signed_post(alice, note(alice))
        (date,) = (line for line in fresh.split(b"\r\n") if line.startswith(b"Date: "))
        return b"\r\n".join(date if line.startswith(b"Date: ") else line for line in old(raw).split(b"\r\n"))

    yield attack("two hours old, with a new date", _overheard(scene, dated_anew), 401, "signature-mismatch")

    def no_time(_raw: bytes) -> bytes:
        return signed_post(alice, encode(note(alice)), covered=("(request-target)", "host", "digest"))

    yield attack("signed without a time", _overheard(scene, no_time), 401, "header-not-signed")
    deletion = say.delete_self(alice)

    def forged(_raw: bytes) -> bytes:
        return signed_post(alice, deletion, key=scene.bob.key)

    yield attack("a deletion that nobody signed so", _overheard(scene, forged), 401, "signature-mismatch")
