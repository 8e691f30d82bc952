"""What the web servers of the loopback fediverse answer, well-behaved and hostile, as scripts of `servers`."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from tests.support import servers
from tests.support.servers import Conversation, Script

ACTIVITY_JSON = "application/activity+json; charset=utf-8"


def _answer(body: bytes, content_type: str, *headers: str, status: int = 200) -> bytes:
    return servers.answer(
        body, content_type, "Connection: close", *headers, status=f"{status} {HTTPStatus(status).phrase}"
    )


def reply(body: bytes = b"no", content_type: str = "text/plain", *headers: str, status: int = 200) -> Script:
    """`body` at once, with its length."""
    return servers.says(_answer(body, content_type, *headers, status=status))


def document(read: Callable[[], dict[str, Any]], content_type: str = ACTIVITY_JSON) -> Script:
    """The JSON of what `read()` returns at the time of the request."""

    async def script(conversation: Conversation) -> None:
        await conversation.send(_answer(json.dumps(read()).encode(), content_type))

    return script


def redirect(location: str) -> Script:
    return servers.says(servers.redirect(location))


def hang() -> Script:
    """The request is taken and nothing is ever said."""
    return servers.hangs()


def drip(body: bytes, bytes_per_second: float, content_type: str) -> Script:
    """The head at once, then `body` byte by byte."""
    head, blank, rest = _answer(body, content_type).partition(b"\r\n\r\n")
    return servers.drips(head + blank, rest, 1 / bytes_per_second)


def endless(start: bytes, content_type: str) -> Script:
    """`start`, then zeros for as long as somebody reads them."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n".encode()
    return servers.says_for_ever(head + start, bytes(65536))


def gzip_bomb(size: int, content_type: str) -> Script:
    """`size` zeros as a thousandth of that, in `Content-Encoding: gzip`."""
    return reply(gzip.compress(bytes(size), 6), content_type, "Content-Encoding: gzip")


def png_bomb(side: int) -> bytes:
    """A valid black-and-white PNG of `side` by `side` pixels, a few kB for hundreds of megapixels."""
    rows = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
