"""Rows 50 to 52: bodies that two readers could read differently, ids in odd spellings, other types."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.support.cases import Case, Scene, note, signed
from tests.support.world_actors import Actor
from tests.support.world_delivery import encode

_ADDED = (
    ("duplicate key", b',"id":"https://alpha.example/2"}', "duplicate-key"),
    ("duplicate key, written with \\u", b',"\\u0069d":"https://alpha.example/2"}', "duplicate-key"),
    ("duplicate key, deep inside", b',"x":[{"y":{"a":1,"a":1}}]}', "duplicate-key"),
    ("lone surrogate", b',"x":"\\ud800"}', "lone-surrogate"),
    ("lone surrogate as a name", b',"\\udc00":1}', "lone-surrogate"),
    ("surrogate as raw UTF-8", b',"x":"\xed\xa0\x80"}', "not-utf8"),
    ("NaN", b',"x":NaN}', "not-finite"),
    ("-Infinity", b',"x":-Infinity}', "not-finite"),
    ("1e999", b',"x":1e999}', "not-finite"),
    ("depth 1000", b',"x":' + b"[" * 1000 + b"]" * 1000 + b"}", "too-deep"),
)


def cases(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    for name, end, reason in _ADDED:
        yield Case(50, name, signed(alice, partial(_ending_with, end, alice)), 400, reason)
    marked = signed(alice, lambda: b"\xef\xbb\xbf" + encode(note(alice)))
    yield Case(50, "byte order mark", marked, 400, "bom")
    wide = signed(alice, lambda: encode(note(alice)).decode().encode("utf-16"))
    yield Case(50, "UTF-16", wide, 400, "not-utf8")

    for name, actor_id, lemmy in (
        ("host in capitals", alice.id.replace("alpha.example", "ALPHA.Example"), 200),
        ("trailing dot; to Lemmy that is another host", alice.id.replace("alpha.example", "alpha.example."), 400),
        ("default port; our Lemmy wants none", alice.id.replace("alpha.example", "alpha.example:443"), 400),
    ):
        spelled = signed(alice, partial(note, alice, actor=actor_id))
        yield Case(51, name, spelled, "F", lemmy=lemmy)
    idn = scene.somebody(host=scene.world.fediverse["xn--mller-kva.example"])

    def in_unicode() -> bytes:
        """The ids of actor and activity, but not the key's."""
        return encode(note(idn)).replace(b"xn--mller-kva", "m\u00fcller".encode())

    yield Case(51, "international host", signed(idn, in_unicode), "F")
    for name, actor_id, reason in (
        ("port", alice.id.replace("alpha.example", "alpha.example:8443"), "actor-id-port"),
        ("userinfo", alice.id.replace("alpha.example", "me@alpha.example"), "actor-id-userinfo"),
        ("look-alike host", alice.id.replace("alpha", "\u0430lpha"), "activity-foreign-host"),
    ):
        odd = signed(alice, partial(note, alice, actor=actor_id))
        yield Case(51, name, odd, 401, reason)

    for content_type in ("text/plain", "text/html", "multipart/form-data; boundary=x", "x-application/json"):
        other = signed(alice, content_type=content_type)
        yield Case(52, content_type, other, 415, "content-type")
    json = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
    yield Case(52, "application/ld+json", signed(alice, content_type=json), "F")


def _ending_with(end: bytes, author: Actor) -> bytes:
    return encode(note(author))[:-1] + end
