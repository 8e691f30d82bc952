"""The head of a message: the start line and the header lines, up to and with the empty line (RFC 9112 sections 2 to 6).

A filter that reads a request differently from the server behind it can be made to judge one message and pass another,
so there is one reading or none:

- llhttp in its strict mode judges the head first. It refuses bare CR and LF, folded lines, blanks around names, control
  characters, Content-Length with Transfer-Encoding, and lengths that are repeated or not plain numbers.
- What it lets pass and we do not: several blanks in the start line, empty lines before it, other protocols and
  versions, control characters in a reason phrase, targets that are not origin-form, transfer codings besides `chunked`.
- Header lines are kept as they stood on the wire. They are what lies between two CRLFs, which cannot differ from what
  llhttp saw (CR and LF occur nowhere else), and their number must equal the number of its headers all the same.
- A `Connection` option takes a header field away from the next hop (RFC 9110 section 7.6.1). Without a field that its
  signature or routing rests on, a delivery would not be the one that was judged: such a request is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import httptools
import msgspec

from relayfilter.errors import MalformedRequest
from relayfilter.request import HeaderLine
from relayfilter.wire.limits import Limits

Framing = int | Literal["chunked", "to-end"]
"""How the body ends: after so many bytes, with its last chunk, or with the connection (answers only)."""

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields that concern one connection only and are never forwarded, nor is what `Connection` names."""

END_TO_END = frozenset(
    {
        b"authorization",
        b"content-digest",
        b"content-length",
        b"content-type",
        b"date",
        b"digest",
        b"host",
        b"signature",
        b"signature-input",
    }
)
"""Fields that a `Connection` header must not name."""

_REQUEST_LINE = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_LENGTH_DIGITS = 19


class RequestHead(msgspec.Struct, frozen=True):
    """`expects_continue`: the peer waits for a 100 before it sends the body."""

    method: str
    target: bytes
    headers: tuple[HeaderLine, ...]
    framing: Framing
    keep_alive: bool
    expects_continue: bool


class ResponseHead(msgspec.Struct, frozen=True):
    """`headers` are those that go on to the next hop, without `Content-Length`: framing is each hop's own."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    framing: Framing
    keep_alive: bool


def parse_request_head(head: bytes, limits: Limits) -> RequestHead:
    """Reads `head`, which ends with its only empty line.

    Raises MalformedRequest: 400, 413 (declared length), 414, 417, 431, 501 (transfer coding), 505 (version).
    """
    lines = head.split(b"\r\n")[:-2]
    start = _REQUEST_LINE.fullmatch(lines[0])
    if start is None:
        raise MalformedRequest(400, "no valid request line")
    method, target, major, version = start.groups()
    if major != b"1" or version not in (b"0", b"1"):
        raise MalformedRequest(505, "neither HTTP/1.1 nor HTTP/1.0")
    if len(target) > limits.target_bytes:
        raise MalformedRequest(414, f"request-target of {len(target)} bytes")
    if not target.startswith(b"/") or b"#" in target:
        raise MalformedRequest(400, "request-target is not in origin-form")
    if len(lines) - 1 > limits.header_count:
        raise MalformedRequest(431, f"{len(lines) - 1} header lines")

    headers = _read_headers(head, lines, httptools.HttpRequestParser)
    is_1_1 = version == b"1"
    host = _values(headers, b"host")
    if len(host) != 1:
        raise MalformedRequest(400, "no Host" if not host else "more than one Host")
    framing = _framing(headers, limits.body_bytes, is_1_1, without_length=0)
    options = connection_options(_values(headers, b"connection"))
    if not options.isdisjoint(END_TO_END):
        raise MalformedRequest(400, "Connection names an end-to-end field")
    expectations = _values(headers, b"expect")
    if any(value.lower() != b"100-continue" for value in expectations):
        raise MalformedRequest(417, "unknown expectation")
    return RequestHead(
        method=method.decode("ascii"),
        target=target,
        headers=tuple(headers),
        framing=framing,
        keep_alive=_keep_alive(options, is_1_1),
        expects_continue=bool(expectations) and is_1_1,
    )


def parse_response_head(head: bytes, *, method: str, body_bytes: int) -> ResponseHead:
    """Reads the head of an answer to a `method` request, with at most `body_bytes` of declared length.

    Raises MalformedRequest; its status means nothing here.
    """
    lines = head.split(b"\r\n")[:-2]
    start = _STATUS_LINE.fullmatch(lines[0])
    if start is None:
        raise MalformedRequest(400, "no valid status line")
    status, is_1_1 = int(start[2]), start[1] == b"1"
    if status == 101:
        raise MalformedRequest(400, "switches protocols unasked")
    headers = _read_headers(head, lines, httptools.HttpResponseParser)
    options = connection_options(_values(headers, b"connection"))
    dropped = HOP_BY_HOP | options | {b"content-length"}
    framing: Framing = 0
    if method != "HEAD" and status >= 200 and status not in (204, 304):
        framing = _framing(headers, body_bytes, is_1_1, without_length="to-end")
    return ResponseHead(
        status=status,
        headers=tuple([(line.raw[: len(line.name)], line.value) for line in headers if line.name not in dropped]),
        framing=framing,
        keep_alive=framing != "to-end" and _keep_alive(options, is_1_1),
    )


def connection_options(values: Iterable[bytes]) -> set[bytes]:
    """The lower-cased options in the `values` of `Connection` fields (RFC 9110 section 7.6.1)."""
    return {option for value in values for item in value.split(b",") if (option := item.strip(b" \t").lower())}


class _Collector:
    """What llhttp reports. `complete` is set before it judges the framing as a whole."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


def _read_headers(head: bytes, lines: list[bytes], parser: type) -> list[HeaderLine]:
    seen = _Collector()
    try:
        parser(seen).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # an offer to change the protocol; we do not take it up
    except httptools.HttpParserError as error:
        raise MalformedRequest(501 if seen.complete else 400, str(error)) from None
    if not seen.complete or len(seen.headers) != len(lines) - 1:
        raise MalformedRequest(400, "ambiguous head")
    return [
        HeaderLine(name.lower(), value.strip(b" \t"), raw)
        for (name, value), raw in zip(seen.headers, lines[1:], strict=True)
    ]


def _values(headers: list[HeaderLine], name: bytes) -> list[bytes]:
    return [line.value for line in headers if line.name == name]


def _framing(headers: list[HeaderLine], limit: int, is_1_1: bool, *, without_length: Framing) -> Framing:
    codings = _values(headers, b"transfer-encoding")
    lengths = _values(headers, b"content-length")
    if codings:
        if lengths or not is_1_1:
            raise MalformedRequest(400, "Transfer-Encoding with Content-Length or in HTTP/1.0")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise MalformedRequest(501, "transfer coding other than chunked")
        return "chunked"
    if not lengths:
        return without_length
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > _LENGTH_DIGITS:
        raise MalformedRequest(400, "no single plain Content-Length")
    length = int(lengths[0])
    if length > limit:
        raise MalformedRequest(413, f"declares {length} bytes of body")
    return length


def _keep_alive(options: set[bytes], is_1_1: bool) -> bool:
    return b"close" not in options and (is_1_1 or b"keep-alive" in options)
