"""The body of a message (RFC 9112 sections 6 and 7), read without taking a byte of what follows it.

The chunked coding is read by the letter: a size is 1 to 8 hexadecimal digits, an extension holds no control characters
but the tab, each line ends with CRLF, and the last chunk is followed by an empty line, as there is nobody to whom
trailers would matter. Extensions are ignored, and bounded for the whole body.
"""

from __future__ import annotations

import re

from relayfilter.errors import MalformedRequest
from relayfilter.wire.head import Framing
from relayfilter.wire.reader import Reader

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})((?:;[\t\x20-\x7e\x80-\xff]*)?)")
_CHUNK_LINE_BYTES = 256
_EXTENSION_BYTES = 4096


async def read_body(reader: Reader, framing: Framing, limit: int) -> bytes:
    """The decoded body. A length was checked against `limit` with the head; what is longer without one raises
    MalformedRequest 413. Other malformed bodies raise it with 400, and Truncated when the peer hangs up."""
    if framing == "chunked":
        return await _read_chunked(reader, limit)
    if framing == "to-end":
        return await reader.to_end(limit)
    return await reader.exactly(framing)


async def _read_chunked(reader: Reader, limit: int) -> bytes:
    body = bytearray()
    extensions = 0
    while True:
        match = _CHUNK_LINE.fullmatch(await reader.line(_CHUNK_LINE_BYTES))
        if match is None:
            raise MalformedRequest(400, "malformed chunk size")
        extensions += len(match[2])
        if extensions > _EXTENSION_BYTES:
            raise MalformedRequest(400, f"more than {_EXTENSION_BYTES} bytes of chunk extensions")
        size = int(match[1], 16)
        if size == 0:
            break
        if len(body) + size > limit:
            raise MalformedRequest(413, f"more than {limit} bytes of chunked body")
        body += await reader.exactly(size)
        if await reader.exactly(2) != b"\r\n":
            raise MalformedRequest(400, "chunk is longer than its size")
    if await reader.exactly(2) != b"\r\n":
        raise MalformedRequest(400, "trailer after the last chunk")
    return bytes(body)
