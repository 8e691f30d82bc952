"""Rows 1 to 17: draft-cavage signatures, and how each sender writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.support import world_activities as say
from tests.support.cases import Case, Request, Scene, alone, note, signed
from tests.support.signing import digest_header
from tests.support.world_delivery import encode, signed_post

DRAFT = ("(request-target)", "host", "date", "digest")
TIMED = ("(request-target)", "(created)", "(expires)", "host", "digest")
_SHAPES = (
    (1, "Mastodon", "mastodon"),
    (1, "Misskey", "misskey"),
    (1, "PeerTube", "peertube"),
    (1, "Akkoma", "akkoma"),
    (1, "Mbin", "mbin"),
    (2, "GoToSocial", "gotosocial"),
    (2, "Lemmy", "lemmy"),
    (2, "NodeBB", "nodebb"),
    (3, "hs2019 with (created) and (expires), no date", "hs2019-created"),
    (4, "no algorithm", "without-algorithm"),
    (7, "PieFed signs the path alone", "piefed"),
    (7, "Pixelfed signs the path alone", "pixelfed"),
    (7, "GoToSocial's second try, without the query", "gotosocial-without-query"),
)
_AGAIN = (
    ("Digest", digest_header(b""), "duplicate-digest"),
    ("Host", "lemmy.example", "more than one Host"),
    ("Date", "Tue, 20 Apr 2021 02:07:55 GMT", "duplicate-date"),
    ("Signature", 'keyId="x"', "duplicate-signature"),
    ("Content-Type", "application/json", "duplicate-content-type"),
)


def cases(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    for row, sender, shape in _SHAPES:
        yield Case(row, sender, signed(alice, shape=shape), "F")
    yield Case(1, "Mastodon, a whole status", signed(alice, partial(say.mastodon_note, alice, "<p>Hi</p>")), "F")
    yield from _coverage(scene)
    yield from _digests(scene)
    yield from _times(scene)
    yield from _twice(scene)


def _coverage(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    created: Any = {"covered": ("(request-target)", "(created)", "host", "digest"), "created": 0}
    yield Case(5, "rsa-sha256 with (created)", signed(alice, **created), 401, "created-not-allowed")
    for algorithm in ("rsa-sha1", "hmac-sha256", "rsa-sha512", "none"):
        yield Case(6, f"algorithm {algorithm}", signed(alice, algorithm=algorithm), 401, "algorithm-not-allowed")
    query = "/inbox?page=1"
    yield Case(8, "Mastodon signs the query", signed(alice, target=query), "F")
    for name, sender in (("PieFed", "piefed"), ("Pixelfed", "pixelfed"), ("GoToSocial", "gotosocial-without-query")):
        yield Case(8, f"{name}, inbox has a query", signed(alice, shape=sender, target=query), 401, _MISMATCH)
    for name in DRAFT:
        covered = tuple(other for other in DRAFT if other != name)
        missing = "date and (created)" if name == "date" else name
        yield Case(9, f"{missing} not signed", signed(alice, covered=covered), 401, "header-not-signed")
    yield Case(9, "nothing said to be signed", signed(alice, covered=None), 401, "created-not-allowed")
    elsewhere = signed(alice, host="other.example")
    yield Case(13, "Host is not ours, signature valid", elsewhere, 401, "host-not-ours")


_MISMATCH = "signature-mismatch"


def _digests(scene: Scene) -> Iterator[Case]:
    alice = scene.alice

    def digested(write: Callable[[bytes], str]) -> Request:
        def make() -> bytes:
            body = encode(note(alice))
            return signed_post(alice, body, digest=write(body))

        return alone(make)

    another = digested(lambda _body: digest_header(b"{}"))
    yield Case(10, "digest of another body", another, 401, "digest-mismatch")
    by_md5 = digested(lambda _body: "MD5=Q2hlY2sgSW50ZWdyaXR5IQ==")
    yield Case(10, "digest by MD5", by_md5, 401, "digest-algorithm")
    mislabelled = digested(lambda body: digest_header(body, "SHA-512"))
    yield Case(10, "SHA-256 called SHA-512", mislabelled, 401, "digest-algorithm")
    twice = digested(lambda body: f"{digest_header(body)},{digest_header(body)}")
    yield Case(10, "two digests in one line", twice, 401, "digest-several")
    yield Case(11, "sha-256= in small letters", digested(lambda body: digest_header(body, "sha-256")), "F")


def _times(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    timed: Any = {"algorithm": "hs2019", "covered": TIMED}
    for minutes in (59, -59):
        yield Case(14, f"Date {minutes:+} min", signed(alice, date_offset=minutes * 60), "F")
    for minutes in (61, -61):
        late = signed(alice, date_offset=minutes * 60)
        yield Case(14, f"Date {minutes:+} min", late, 401, "date-outside-window")
    yield Case(15, "Date is none", signed(alice, replace={"date": "yesterday"}), 401, "date-unreadable")
    yield Case(15, "expired", signed(alice, **timed, created=-60, expires=-30), 401, "expired")
    tomorrow = signed(alice, **timed, created=86400, expires=90000)
    yield Case(15, "created tomorrow", tomorrow, 401, "created-outside-window")


def _twice(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    for name, value, reason in _AGAIN:
        yield Case(12, f"{name} twice", signed(alice, extra=[(name, value)]), 400, reason)
    for again in (f'keyId="{scene.bob.key_id}"', 'KEYID="x"', 'headers="date"', "created=1,created=2"):

        def repeated(again: str = again) -> bytes:
            return signed_post(alice, note(alice)).replace(b"\r\nSignature: ", f"\r\nSignature: {again},".encode(), 1)

        yield Case(16, f"{again.partition('=')[0]} twice", alone(repeated), 400, "signature-parameter-twice")

    def in_both(changed: bytes = b"") -> bytes:
        head, blank, body = signed_post(alice, note(alice)).partition(b"\r\n\r\n")
        (line,) = (line for line in head.split(b"\r\n") if line.startswith(b"Signature: "))
        again = line.replace(b"Signature: ", b"Authorization: Signature ", 1)
        return head + b"\r\n" + (again.replace(b"rsa-sha256", changed) if changed else again) + blank + body

    yield Case(17, "Signature and Authorization, alike", alone(in_both), 400, "signature-twice")
    differing = alone(lambda: in_both(b"hs2019"))
    yield Case(17, "Signature and Authorization, differing", differing, 400, "signature-twice")
