"""Rows 36 to 45: RFC 9421, which Lemmy does not speak: verified for the log, and refused in a way that makes its
senders fall back on cavage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.cases import Case, Request, Scene, alone, note, signed
from tests.support.signing import WORDPRESS, content_digest_header, keypair
from tests.support.world_delivery import Answer, encode, signed_post

NOT_UNDERSTOOD = "rfc9421-not-understood-upstream"
VALID = {"signature": "verified"}


def does_not_ask_for_it(answer: Answer) -> str | None:
    return "asks for RFC 9421 again" if b"accept-signature" in dict(answer.headers) else None


def cases(scene: Scene) -> Iterator[Case]:
    yield from _valid(scene)
    yield from _not_covered(scene)
    yield from _several(scene)
    yield from _digests(scene)


def forwarding_cases(scene: Scene) -> Iterator[Case]:
    """Row 37: for an upstream that is declared capable."""
    for sender, covered in (("Fedify", None), ("WordPress", WORDPRESS)):
        shape: Any = {"shape": "rfc9421"} | ({"covered": covered} if covered else {})
        yield Case(37, f"{sender}, upstream declared capable", signed(scene.alice, **shape), "F", log=VALID)
    bad = signed(scene.alice, shape="rfc9421", covered=("@method",))
    yield Case(37, "not even then, when it is not good", bad, 401, "component-not-signed")


def _valid(scene: Scene) -> Iterator[Case]:
    alice = scene.alice

    def valid(row: int, name: str, **changes: Any) -> Case:
        request = signed(alice, shape="rfc9421", **changes)
        return Case(row, name, request, 401, NOT_UNDERSTOOD, log=VALID, also=does_not_ask_for_it)

    yield valid(36, "Fedify, valid")
    yield valid(36, "WordPress, valid", covered=WORDPRESS)
    yield valid(36, "Mastodon 4.7, second try", covered=("@method", "@target-uri", "content-digest"), algorithm=None)
    yield valid(40, "@path and @authority", covered=("@method", "@path", "@authority", "content-digest"))
    with_query = ("@method", "@path", "@query", "@authority", "content-digest")
    yield valid(40, "@path, @query and @authority", covered=with_query, target="/inbox?a=1")


def _not_covered(scene: Scene) -> Iterator[Case]:
    alice = scene.alice

    def refused(row: int, name: str, reason: str, **changes: Any) -> Case:
        return Case(row, name, signed(alice, shape="rfc9421", **changes), 401, reason)

    no_digest = ("@method", "@target-uri", "host", "date")
    yield refused(38, "body's digest not covered", "component-not-signed", covered=no_digest)
    yield refused(38, "body's digest absent", "content-digest-missing", omit=("content-digest",))
    yield refused(38, "body's digest malformed", "content-digest-mismatch", content_digest="sha-256=:x")
    another = content_digest_header(b"{}")
    yield refused(38, "body's digest is another's", "content-digest-mismatch", content_digest=another)
    yield refused(39, "covers only @method", "component-not-signed", covered=("@method",))
    yield refused(39, "covers nothing", "component-not-signed", covered=())
    hidden = ("@method", "@path", "@authority", "content-digest")
    yield refused(
        40, "@path without the query that is there", "component-not-signed", covered=hidden, target="/inbox?a=1"
    )
    yield refused(41, "ed25519 with an RSA key", "algorithm-key-mismatch", algorithm="ed25519")
    yield refused(41, "hmac-sha256", "algorithm-not-allowed", algorithm="hmac-sha256")
    curve = scene.somebody()
    curve.borrowed = keypair("matrix", "ed25519")
    wrong = signed(curve, shape="rfc9421")
    yield Case(41, "rsa-v1_5-sha256 with an Ed25519 key", wrong, 401, "algorithm-key-mismatch")
    right = signed(curve, shape="rfc9421", algorithm="ed25519")
    yield Case(41, "ed25519 with an Ed25519 key", right, 401, NOT_UNDERSTOOD, log=VALID)


def _several(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    junk = f'("@method");created=1;keyid="{alice.key_id}"'

    def besides(*labels: str, before: bool = True, **changes: Any) -> Request:
        """The request with further members in both dictionaries."""

        def make() -> bytes:
            raw = signed_post(alice, note(alice), shape="rfc9421", **changes)
            for field, member in (("Signature-Input", junk), ("Signature", ":AAAA:")):
                start = f"\r\n{field}: ".encode()
                head, _, rest = raw.partition(start)
                value, _, rest = rest.partition(b"\r\n")
                more = [f"{label}={member}".encode() for label in labels]
                members = [*more, value] if before else [value, *more]
                raw = head + start + b", ".join(members) + b"\r\n" + rest
            return raw

        return alone(make)

    for before in (True, False):
        name = f"two labels, the {'second' if before else 'first'} is good"
        yield Case(42, name, besides("more", before=before), 401, NOT_UNDERSTOOD, log=VALID)
    weak = besides("more", covered=("@method", "date"))
    yield Case(42, "two labels, the valid one covers too little", weak, 401, "component-not-signed")
    labels = besides("a", "b", "c", "d")
    yield Case(43, "5 labels", labels, 400, "signature-too-many-labels")
    yield Case(43, "4 labels", besides("a", "b", "c"), 401, NOT_UNDERSTOOD, log=VALID)
    wide = ("@method", "@target-uri", "content-digest", *(f"x-{number}" for number in range(30)))
    many = signed(
        alice, shape="rfc9421", covered=("@method",), replace={"signature-input": _inputs(wide, alice.key_id)}
    )
    yield Case(43, "33 components", many, 400, "signature-too-many-components")

    def mixed() -> bytes:
        raw = signed_post(alice, note(alice))
        inputs = _inputs(("@method", "@target-uri"), alice.key_id)
        return raw.replace(b"\r\nSignature: ", f"\r\nSignature-Input: {inputs}\r\nSignature: ".encode(), 1)

    yield Case(44, "Signature-Input with a cavage Signature", alone(mixed), 401, "signature-malformed")


def _inputs(covered: tuple[str, ...], key_id: str) -> str:
    names = " ".join(f'"{name}"' for name in covered)
    return f'sig1=({names});created=1;keyid="{key_id}"'


def _digests(scene: Scene) -> Iterator[Case]:
    alice = scene.alice

    def digested(*algorithms: str, last: str = "") -> Request:
        def make() -> bytes:
            body = encode(note(alice))
            digests = [content_digest_header(body, algorithm) for algorithm in algorithms]
            return signed_post(
                alice, body, shape="rfc9421", content_digest=", ".join([*digests, *([last] if last else [])])
            )

        return alone(make)

    yield Case(45, "Content-Digest by SHA-512 alone", digested("sha-512"), 401, NOT_UNDERSTOOD, log=VALID)
    yield Case(45, "by SHA-256 and SHA-512", digested("sha-256", "sha-512"), 401, NOT_UNDERSTOOD, log=VALID)
    yield Case(45, "by SHA-256 and MD5", digested("sha-256", "md5"), 401, "content-digest-mismatch")
    false = digested("sha-256", last=content_digest_header(b"{}", "sha-512"))
    yield Case(45, "SHA-256 right, SHA-512 false", false, 401, "content-digest-mismatch")
