"""What one connection may cost."""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[limits]` table.

    head_bytes    bytes of request line and headers, with the empty line (431, or 414 when it is all one line)
    header_count  header lines (431)
    target_bytes  bytes of the request-target (414)
    body_bytes    bytes of the body without its chunk framing (413); the default is Lemmy's own limit for an inbox
    head_timeout  seconds from the first byte of a request to the end of its headers (408)
    body_timeout  seconds from there to the end of the body (408)
    idle_timeout  seconds that a connection may stay open between requests, or a little longer; no answer is sent
    write_timeout seconds that a peer may take to accept an answer
    """

    head_bytes: Count = 32 * 1024
    header_count: Count = 100
    target_bytes: Count = 8 * 1024
    body_bytes: Count = 256 * 1024
    head_timeout: Seconds = 10.0
    body_timeout: Seconds = 30.0
    idle_timeout: Seconds = 75.0
    write_timeout: Seconds = 30.0
