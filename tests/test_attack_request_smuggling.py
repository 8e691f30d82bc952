"""Attacks that make two readers see two requests: in the framing, in the Host, in what a hop takes away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.attacks import Played, attack
from tests.support.cases import Case, Scene, note, signed
from tests.support.world_delivery import signed_post

_LENGTH = b"\r\nContent-Length: "


@pytest.fixture(scope="module")
def played() -> Played:
    return Played(_framing, _destination, _stripping)


def test_two_readings_of_where_the_body_ends(played: Played) -> None:
    played.withstood(_framing)


def test_two_readings_of_whom_it_is_for(played: Played) -> None:
    played.withstood(_destination)


def test_a_connection_header_takes_no_signed_field_away(played: Played) -> None:
    played.withstood(_stripping)


def _framing(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    raw = signed_post(alice, note(alice))
    head, _, body = raw.partition(b"\r\n\r\n")
    lengthless = head[: head.index(_LENGTH)]
    length = b"Content-Length: %d" % len(body)
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    chunked = b"Transfer-Encoding: chunked"

    def framed(*lines: bytes, body: bytes = chunks) -> bytes:
        return b"\r\n".join((lengthless, *lines, b"", body))

    for name, request, status, reason in (
        ("CL.TE", framed(length, chunked), 400, ""),
        ("TE.CL", framed(chunked, length), 400, ""),
        ("two lengths", framed(length, b"Content-Length: 0", body=body), 400, ""),
        ("two equal lengths", framed(length, length, body=body), 400, ""),
        ("a list of lengths", framed(length + b", 0", body=body), 400, ""),
        ("a signed length", framed(b"Content-Length: +%d" % len(body), body=body), 400, ""),
        ("a hexadecimal length", framed(b"Content-Length: 0x%x" % len(body), body=body), 400, ""),
        ("a negative length", framed(b"Content-Length: -1", body=body), 400, ""),
        ("a length of 2^64", framed(b"Content-Length: 18446744073709551617", body=body), 400, ""),
        ("identity before chunked", framed(b"Transfer-Encoding: identity, chunked"), 501, ""),
        ("chunked twice", framed(chunked, chunked), 400, ""),
        ("chunked with a vertical tab", framed(b"Transfer-Encoding: \x0bchunked"), 400, ""),
        ("xchunked", framed(b"Transfer-Encoding: xchunked"), 501, ""),
        ("a blank before the colon", framed(b"Transfer-Encoding : chunked"), 400, ""),
        ("a folded coding", framed(b"Transfer-Encoding:\r\n chunked"), 400, ""),
        ("a bare line feed", framed(b"X: y\nTransfer-Encoding: chunked"), 400, ""),
        ("a bare carriage return", framed(b"X: y\rTransfer-Encoding: chunked"), 400, ""),
        ("a null", framed(b"X: y\x00" + chunked), 400, ""),
        ("HTTP/1.0 in chunks", framed(chunked).replace(b"HTTP/1.1", b"HTTP/1.0", 1), 400, ""),
        ("a chunk that is longer than it says", framed(chunked, body=b"1\r\n" + body + b"\r\n0\r\n\r\n"), 400, ""),
        ("a chunk size with a sign", framed(chunked, body=b"+" + chunks), 400, ""),
        ("a chunk size of 2^64", framed(chunked, body=b"10000000000000000\r\n"), 400, ""),
        ("a field after the last chunk", framed(chunked, body=chunks[:-2] + b"Digest: x\r\n\r\n"), 400, ""),
        ("a line feed in an extension", framed(chunked, body=chunks.replace(b"\r\n", b";a\n\r\n", 1)), 400, ""),
        ("HTTP/2 in clear text", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, ""),
    ):
        yield attack(name, request, status, reason)


def _destination(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    raw = signed_post(alice, note(alice))
    host = b"Host: lemmy.example"

    def hosted(*lines: bytes) -> bytes:
        return raw.replace(host, b"\r\n".join(lines), 1)

    for name, request, status, reason in (
        ("two hosts", hosted(host, b"Host: evil.example"), 400, "more than one Host"),
        ("two hosts, ours last", hosted(b"Host: evil.example", host), 400, "more than one Host"),
        ("no host", hosted(b"X: y"), 400, "no Host"),
        ("host : ours", hosted(b"Host : lemmy.example"), 400, ""),
        ("a folded host", hosted(host, b" evil.example"), 400, ""),
        ("an absolute target", raw.replace(b"/inbox", b"https://evil.example/inbox", 1), 400, ""),
        ("an absolute target at ours", raw.replace(b"/inbox", b"https://lemmy.example/inbox", 1), 400, ""),
        ("an asterisk", raw.replace(b"/inbox", b"*", 1), 400, ""),
        ("an authority", raw.replace(b"/inbox", b"lemmy.example:443", 1), 400, ""),
        ("a fragment", raw.replace(b"/inbox", b"/inbox#x", 1), 400, ""),
        ("a blank in the target", raw.replace(b"/inbox", b"/inbox HTTP/1.1 /", 1), 400, ""),
        ("a null in the target", raw.replace(b"/inbox", b"/inbox\x00", 1), 400, ""),
        ("a method in small letters", raw.replace(b"POST", b"post", 1), 400, ""),
    ):
        yield attack(name, request, status, reason)
    for name in (
        "lemmy.example, evil.example",
        "lemmy.example@evil.example",
        "evil.example/lemmy.example",
        "lemmy.example:8443",
        "lemmy.example.",
        "lemmy.example#",
        "xlemmy.example",
        "127.0.0.1",
        "",
    ):
        yield attack(f"Host: {name}", signed(alice, host=name), 401, "host-not-ours")
    for name in ("X-Forwarded-Host", "X-Original-Host", "Forwarded", "X-HTTP-Host-Override"):
        elsewhere = signed(alice, host="evil.example", extra=[(name, "lemmy.example")])
        yield attack(f"{name} says that it is for us", elsewhere, 401, "host-not-ours")
    for name in ("X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL"):
        other = signed(alice, target="/api/v3/site", signed_target="/inbox", extra=[(name, "/inbox")])
        yield attack(f"{name} says what it is", other, 401, "signature-mismatch")


def _stripping(scene: Scene) -> Iterator[Case]:
    alice = scene.alice
    end_to_end = "Connection names an end-to-end field"
    for option in ("Digest", "signature", "DATE", "Host", "Content-Type", "close, Digest", "Authorization"):
        yield attack(f"Connection: {option}", signed(alice, extra=[("Connection", option)]), 400, end_to_end)
    covered = ("(request-target)", "host", "date", "digest", "accept")
    hidden = signed(alice, covered=covered, extra=[("Connection", "accept")])
    name = "Connection: accept, which is signed"
    yield attack(name, hidden, 401, "hop-by-hop-signed")
