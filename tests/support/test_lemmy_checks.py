from __future__ import annotations

import json

import pytest

from tests.support import world_activities as activities
from tests.support.lemmy_checks import Refused, check, routed
from tests.support.signing import SENDERS, cavage, digest_header
from tests.support.world_actors import Actor

NOW = 1_767_300_000.0
ALICE = Actor("alpha.example", "alice")
NOTE = activities.mastodon_note(ALICE, "<p>Hello</p>")
BODY = json.dumps(NOTE).encode()


def checked(body: bytes, **arguments: object) -> object:
    signed = cavage(ALICE.key, ALICE.key_id, body, now=NOW, **{**SENDERS["lemmy"], **arguments})
    headers = [(name.lower(), value) for name, value in signed.headers]
    return check(b"POST", b"/inbox", headers, signed.body, lambda _: ALICE.public_key, NOW)


@pytest.mark.parametrize(
    ("target", "in_1_0", "in_0_19"),
    [
        (b"/inbox", True, True),
        (b"/%69nbox?x=1", True, True),
        (b"http://lemmy.example/inbox", True, True),
        (b"//inbox", False, False),
        (b"/api/../inbox", False, False),
        (b"/inbox/", False, False),
        (b"/u/bob/inbox", False, True),
        (b"/c/a%2Fb/inbox", False, True),
        (b"/c/a/b/inbox", False, False),
        (b"/u%2Fbob/inbox", False, False),
        (b"*", False, False),
    ],
)
def test_routes(target: bytes, in_1_0: bool, in_0_19: bool) -> None:
    assert (routed(target, only_shared=True), routed(target, only_shared=False)) == (in_1_0, in_0_19)


def test_believes_a_good_delivery() -> None:
    assert checked(BODY) == NOTE


def with_field(field: bytes) -> bytes:
    return BODY[:-1] + b", " + field + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
        with_field(b'"actor": "https://alpha.example/users/mallory"'),
        with_field(b'"\\u0061ctor": "https://alpha.example/users/alice"'),
        with_field(b'"x": "\\ud800"'),
        with_field(b'"x": NaN'),
        with_field(b'"x": 1e999'),
        with_field(b'"x": ' + b"[" * 127 + b"]" * 127),
        with_field(b'"x": ' + b"[" * 100_000 + b"]" * 100_000),
        json.dumps(NOTE | {"actor": {"id": ALICE.id}}).encode(),
        json.dumps(NOTE | {"id": "https://beta.example/1"}).encode(),
        json.dumps(NOTE | {"id": "http://alpha.example/1"}).encode(),
        json.dumps(NOTE | {"id": "https://alpha.example:443/1", "actor": "https://alpha.example:443/2"}).encode(),
        json.dumps({key: value for key, value in NOTE.items() if key != "object"}).encode(),
    ],
)
def test_refuses_what_serde_and_the_host_check_refuse(body: bytes) -> None:
    with pytest.raises(Refused, match=r"activity|field|range|NaN|limit|strings|host|https|variant"):
        checked(body)


def test_takes_a_field_that_it_does_not_know_twice_and_the_deepest_body() -> None:
    checked(with_field(b'"x": 1, "x": 2'))
    checked(with_field(b'"x": ' + b"[" * 126 + b"]" * 126))


@pytest.mark.parametrize(
    ("digest", "good"),
    [
        (digest_header(BODY, "sha-256"), True),
        (digest_header(BODY) + "," + digest_header(BODY), True),
        (digest_header(BODY) + ",MD5=eB5eJF1ptWaXm4bijSPyxw==", False),
        (digest_header(BODY + b" "), False),
        (digest_header(BODY).rstrip("="), False),
        ("", False),
    ],
)
def test_every_part_of_the_digest_has_to_be_the_bodys_sha_256(digest: str, good: bool) -> None:
    if good:
        checked(BODY, digest=digest)
    else:
        with pytest.raises(Refused, match="digest"):
            checked(BODY, digest=digest)


@pytest.mark.parametrize(
    "signature",
    ["", "junk", 'keyId="a",keyId="b",headers="date",signature="AA=="', 'keyId="a",headers="date"'],
)
def test_signature_headers_that_do_not_hold(signature: str) -> None:
    with pytest.raises(Refused):
        checked(BODY, replace={"signature": signature})


@pytest.mark.parametrize(("offset", "good"), [(-3599, True), (3599, True), (-3601, False), (3601, False)])
def test_the_window_is_an_hour(offset: float, good: bool) -> None:
    if good:
        checked(BODY, date_offset=offset)
    else:
        with pytest.raises(Refused, match="expired"):
            checked(BODY, date_offset=offset)
