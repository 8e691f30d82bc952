from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.errors import MalformedRequest
from relayfilter.request import HeaderLine
from relayfilter.wire.head import END_TO_END, connection_options, parse_request_head, parse_response_head
from relayfilter.wire.limits import Limits

HOST = b"Host: lemmy.example\r\n"


def request(line: bytes = b"POST /inbox HTTP/1.1", headers: bytes = HOST) -> bytes:
    return line + b"\r\n" + headers + b"\r\n"


def test_keeps_header_lines_as_they_stood_on_the_wire() -> None:
    head = parse_request_head(
        request(headers=b"hOsT:lemmy.example\r\nX-Blank:\r\nX-Wide: \t a  b \t \r\nX-Latin: caf\xe9\r\nX-Wide: c\r\n"),
        Limits(),
    )
    assert head.headers == (
        HeaderLine(b"host", b"lemmy.example", b"hOsT:lemmy.example"),
        HeaderLine(b"x-blank", b"", b"X-Blank:"),
        HeaderLine(b"x-wide", b"a  b", b"X-Wide: \t a  b \t "),
        HeaderLine(b"x-latin", b"caf\xe9", b"X-Latin: caf\xe9"),
        HeaderLine(b"x-wide", b"c", b"X-Wide: c"),
    )


@pytest.mark.parametrize(
    "target",
    [
        b"/inbox",
        b"//inbox",
        b"/%69nbox",
        b"/c/a%2Fb/inbox",
        b"/api/../inbox",
        b"/inbox?x=1&y=%00",
        b'/u/a\\b|c"<>^`{}/inbox',
        b"/" + b"a" * 8191,
    ],
)
def test_keeps_the_target_in_whatever_spelling(target: bytes) -> None:
    assert parse_request_head(request(b"POST " + target + b" HTTP/1.1"), Limits()).target == target


@pytest.mark.parametrize(
    ("line", "connection", "keep_alive"),
    [
        (b"POST / HTTP/1.1", b"", True),
        (b"POST / HTTP/1.1", b"Connection: close\r\n", False),
        (b"POST / HTTP/1.1", b"Connection: Upgrade, CLOSE\r\n", False),
        (b"POST / HTTP/1.1", b"Connection: x\r\nConnection: close\r\n", False),
        (b"POST / HTTP/1.1", b"Connection: upgrade\r\nUpgrade: h2c\r\n", True),
        (b"POST / HTTP/1.0", b"", False),
        (b"POST / HTTP/1.0", b"Connection: close\r\n", False),
        (b"POST / HTTP/1.0", b"Connection: Keep-Alive\r\n", True),
        (b"POST / HTTP/1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_keep_alive(line: bytes, connection: bytes, keep_alive: bool) -> None:
    assert parse_request_head(request(line, HOST + connection), Limits()).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("headers", "framing"),
    [
        (b"", 0),
        (b"Content-Length: 0\r\n", 0),
        (b"Content-Length: 12 \r\n", 12),
        (b"Content-Length: 0012\r\n", 12),
        (b"Content-Length: 262144\r\n", 262144),
        (b"Transfer-Encoding: chunked\r\n", "chunked"),
        (b"transfer-encoding:\tCHUNKED \r\n", "chunked"),
    ],
)
def test_framing(headers: bytes, framing: int | str) -> None:
    assert parse_request_head(request(headers=HOST + headers), Limits()).framing == framing


def with_header(line: bytes) -> bytes:
    return request(headers=HOST + line + b"\r\n")


MALFORMED = {
    # the request line
    "empty line first": (b"\r\n" + request(), 400),
    "only an empty line": (b"\r\n\r\n", 400),
    "two blanks before the target": (request(b"POST  /inbox HTTP/1.1"), 400),
    "two blanks before the version": (request(b"POST /inbox  HTTP/1.1"), 400),
    "blank after the version": (request(b"POST /inbox HTTP/1.1 "), 400),
    "blank in the target": (request(b"POST /in box HTTP/1.1"), 400),
    "tab for blank": (request(b"POST\t/inbox HTTP/1.1"), 400),
    "no version": (request(b"POST /inbox"), 400),
    "unknown method": (request(b"STEAL /inbox HTTP/1.1"), 400),
    "lower-case method": (request(b"post /inbox HTTP/1.1"), 400),
    "HTTP/0.9": (request(b"POST /inbox HTTP/0.9"), 505),
    "HTTP/1.2": (request(b"POST /inbox HTTP/1.2"), 505),
    "HTTP/2.0": (request(b"POST /inbox HTTP/2.0"), 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\n", 505),
    "HTTP/1.10": (request(b"POST /inbox HTTP/1.10"), 400),
    "other protocol ICE": (request(b"SOURCE /inbox ICE/1.0"), 400),
    "other protocol RTSP": (request(b"POST /inbox RTSP/1.0"), 400),
    "absolute form": (request(b"POST http://lemmy.example/inbox HTTP/1.1"), 400),
    "asterisk form": (request(b"OPTIONS * HTTP/1.1"), 400),
    "authority form": (request(b"CONNECT lemmy.example:80 HTTP/1.1"), 400),
    "relative target": (request(b"POST inbox HTTP/1.1"), 400),
    "fragment": (request(b"POST /inbox#x HTTP/1.1"), 400),
    "NUL in the target": (request(b"POST /in\x00box HTTP/1.1"), 400),
    "latin-1 in the target": (request(b"POST /inb\xf6x HTTP/1.1"), 400),
    "target too long": (request(b"POST /" + b"a" * 8192 + b" HTTP/1.1"), 414),
    # header lines
    "bare LF ends the request line": (b"POST /inbox HTTP/1.1\n" + HOST + b"\r\n", 400),
    "bare LF hides a header": (with_header(b"X: a\nTransfer-Encoding: chunked"), 400),
    "bare CR hides a header": (with_header(b"X: a\rTransfer-Encoding: chunked"), 400),
    "CR CR LF": (with_header(b"X: a\r"), 400),
    "folded line": (with_header(b"X: a\r\n b"), 400),
    "folded line with tab": (with_header(b"X: a\r\n\tb"), 400),
    "folded first line": (request(headers=b" " + HOST), 400),
    "empty value, then folded": (with_header(b"X:\r\n b"), 400),
    "blank before the colon": (with_header(b"X : a"), 400),
    "blank before the name": (with_header(b" X: a"), 400),
    "no colon": (with_header(b"X"), 400),
    "no name": (with_header(b": a"), 400),
    "bracket in a name": (with_header(b"X[]: a"), 400),
    "latin-1 in a name": (with_header(b"X\xe9: a"), 400),
    "NUL in a name": (with_header(b"X\x00: a"), 400),
    **{
        f"control character {code:#04x} in a value": (with_header(b"X: a%cb" % code), 400)
        for code in [*range(9), *range(10, 32), 127]
    },
    "too many headers": (request(headers=HOST + b"X: a\r\n" * 100), 431),
    # Host
    "no Host": (request(headers=b"X: a\r\n"), 400),
    "no Host in HTTP/1.0": (request(b"POST /inbox HTTP/1.0", b"X: a\r\n"), 400),
    "no headers": (request(headers=b""), 400),
    "two Hosts": (request(headers=HOST + b"host: other.example\r\n"), 400),
    "the same Host twice": (request(headers=HOST + HOST), 400),
    # framing
    "length and chunked": (with_header(b"Content-Length: 5\r\nTransfer-Encoding: chunked"), 400),
    "chunked and length": (with_header(b"Transfer-Encoding: chunked\r\nContent-Length: 5"), 400),
    "two different lengths": (with_header(b"Content-Length: 5\r\nContent-Length: 6"), 400),
    "the same length twice": (with_header(b"Content-Length: 5\r\nContent-Length: 5"), 400),
    "list of lengths": (with_header(b"Content-Length: 5, 5"), 400),
    "empty length": (with_header(b"Content-Length:"), 400),
    "signed length": (with_header(b"Content-Length: +5"), 400),
    "negative length": (with_header(b"Content-Length: -5"), 400),
    "hexadecimal length": (with_header(b"Content-Length: 0x5"), 400),
    "length with underscore": (with_header(b"Content-Length: 1_0"), 400),
    "length with inner blank": (with_header(b"Content-Length: 1 0"), 400),
    "overflowing length": (with_header(b"Content-Length: 18446744073709551621"), 400),
    "length of five thousand digits": (with_header(b"Content-Length: " + b"0" * 5000 + b"5"), 400),
    "declared length too large": (with_header(b"Content-Length: 262145"), 413),
    "chunked in HTTP/1.0": (request(b"POST /inbox HTTP/1.0", HOST + b"Transfer-Encoding: chunked\r\n"), 400),
    "gzip": (with_header(b"Transfer-Encoding: gzip"), 501),
    "gzip, chunked": (with_header(b"Transfer-Encoding: gzip, chunked"), 501),
    "gzip line, chunked line": (with_header(b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), 501),
    "identity": (with_header(b"Transfer-Encoding: identity"), 501),
    "xchunked": (with_header(b"Transfer-Encoding: xchunked"), 501),
    "chunked with parameter": (with_header(b"Transfer-Encoding: chunked;q=1"), 501),
    "chunked twice": (with_header(b"Transfer-Encoding: chunked, chunked"), 400),
    "chunked, identity": (with_header(b"Transfer-Encoding: chunked, identity"), 400),
    "vertical tab before chunked": (with_header(b"Transfer-Encoding: \x0bchunked"), 400),
    "empty transfer coding": (with_header(b"Transfer-Encoding:\r\nContent-Length: 5"), 400),
    # what the next hop would lose
    **{
        f"Connection names {name.decode()}": (with_header(b"Connection: close, " + name.title()), 400)
        for name in sorted(END_TO_END)
    },
    # expectations
    "unknown expectation": (with_header(b"Expect: 200-maybe"), 417),
    "two expectations": (with_header(b"Expect: 100-continue, x"), 417),
}


@pytest.mark.parametrize(("head", "status"), MALFORMED.values(), ids=MALFORMED.keys())
def test_refuses(head: bytes, status: int) -> None:
    with pytest.raises(MalformedRequest) as refused:
        parse_request_head(head, Limits())
    assert refused.value.status == status
    assert refused.value.reason.isprintable()


def test_accepts_as_many_headers_as_the_limit_says() -> None:
    head = parse_request_head(request(headers=HOST + b"X: a\r\n" * 99), Limits())
    assert len(head.headers) == 100


@pytest.mark.parametrize(
    ("line", "expects"),
    [(b"POST /inbox HTTP/1.1", True), (b"POST /inbox HTTP/1.0", False)],
)
def test_only_http_1_1_can_wait_for_a_continue(line: bytes, expects: bool) -> None:
    assert parse_request_head(request(line, HOST + b"Expect: 100-Continue\r\n"), Limits()).expects_continue is expects


def test_connection_options() -> None:
    assert connection_options([b"close, X-One", b"", b" ,\tx-TWO\t,"]) == {b"close", b"x-one", b"x-two"}


_PIECES = st.sampled_from(
    [
        *(
            b" ",
            b"\t",
            b"\r",
            b"\n",
            b"\r\n",
            b"\x00",
            b"\x0b",
            b"\xe9",
            b":",
            b",",
            b"/",
            b"5",
            b"chunked",
            b"HTTP/1.1",
        ),
        *(HOST, b"X: y\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
    ]
)


@given(
    cuts=st.lists(
        st.tuples(st.integers(0, 120), st.integers(0, 3), _PIECES | st.binary(max_size=2)), min_size=1, max_size=3
    )
)
def test_what_we_accept_an_independent_parser_reads_alike(cuts: list[tuple[int, int, bytes]]) -> None:
    head = b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nContent-Length: 5\r\nDate: today \r\n\r\n"
    for at, removed, added in cuts:
        head = head[:at] + added + head[at + removed :]
    head = head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    try:
        ours = parse_request_head(head, Limits())
    except MalformedRequest:
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(head)
    theirs = other.next_event()
    assert isinstance(theirs, h11.Request)
    assert (ours.method.encode(), ours.target) == (theirs.method, theirs.target)
    assert [(line.name, line.value) for line in ours.headers if line.name not in (b"te", b"transfer-encoding")] == [
        header for header in theirs.headers if header[0] not in (b"te", b"transfer-encoding")
    ]


def response(line: bytes = b"HTTP/1.1 200 OK", headers: bytes = b"") -> bytes:
    return line + b"\r\n" + headers + b"\r\n"


@pytest.mark.parametrize(
    ("head", "method", "framing", "keep_alive"),
    [
        (response(headers=b"Content-Length: 5\r\n"), "POST", 5, True),
        (response(headers=b"Content-Length: 5\r\nConnection: close\r\n"), "POST", 5, False),
        (response(headers=b"Content-Length: 5\r\n"), "HEAD", 0, True),
        (response(headers=b"Transfer-Encoding: chunked\r\n"), "POST", "chunked", True),
        (response(), "POST", "to-end", False),
        (response(b"HTTP/1.0 200 OK", b"Content-Length: 5\r\n"), "POST", 5, False),
        (response(b"HTTP/1.1 204 No Content"), "POST", 0, True),
        (response(b"HTTP/1.1 304 Not Modified", b"Content-Length: 5\r\n"), "POST", 0, True),
        (response(b"HTTP/1.1 100 Continue"), "POST", 0, True),
        (response(b"HTTP/1.1 200 ", b"Content-Length: 0\r\n"), "POST", 0, True),
        (response(b"HTTP/1.1 200", b"Content-Length: 0\r\n"), "POST", 0, True),
    ],
)
def test_framing_of_answers(head: bytes, method: str, framing: int | str, keep_alive: bool) -> None:
    parsed = parse_response_head(head, method=method, body_bytes=10)
    assert (parsed.framing, parsed.keep_alive) == (framing, keep_alive)


def test_answers_lose_what_concerned_their_connection() -> None:
    headers = (
        b"Content-TYPE: application/json\r\nConnection: X-Private, keep-alive\r\nX-Private: a\r\nKeep-Alive: 5\r\n"
        b"Content-Length: 2\r\nX-Latin:\tcaf\xe9 \r\n"
    )
    parsed = parse_response_head(response(headers=headers), method="POST", body_bytes=10)
    assert parsed.headers == ((b"Content-TYPE", b"application/json"), (b"X-Latin", b"caf\xe9"))


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n\r\n",
        response(b"HTTP/1.1  200 OK"),
        response(b"HTTP/2.0 200 OK"),
        response(b"HTTP/1.1 099 OK"),
        response(b"HTTP/1.1 2000 OK"),
        response(b"HTTP/1.1 200 O\x00K"),
        response(b"HTTP/1.1 101 Switching Protocols", b"Connection: upgrade\r\nUpgrade: x\r\n"),
        response(headers=b"X: a\nb: c\r\n"),
        response(headers=b"X: a\r\n b\r\n"),
        response(headers=b"X: a\x01b\r\n"),
        response(headers=b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
        response(headers=b"Content-Length: 2\r\nContent-Length: 3\r\n"),
        response(headers=b"Content-Length: 11\r\n"),
        response(headers=b"Transfer-Encoding: gzip, chunked\r\n"),
        response(b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_refuses_answers(head: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_response_head(head, method="POST", body_bytes=10)
