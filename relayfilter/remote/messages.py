"""What front and the fetch process say to each other: one question and one answer a connection, each a frame of four
bytes of length (big-endian) and that much MessagePack. Hanging up cancels the question."""

from __future__ import annotations

import msgspec

from relayfilter.media.finding import MediaReport


class DocumentRequest(msgspec.Struct, frozen=True, tag="document"):
    """GET `url` as JSON, within `max_bytes` of body and `deadline` seconds in all. `headers` are sent to `url`
    itself and never to where it redirects."""

    url: str
    accept: str
    max_bytes: int
    deadline: float
    headers: tuple[tuple[str, str], ...] = ()


class MediaRequest(msgspec.Struct, frozen=True, tag="media"):
    """What is on the picture at `url`? `may_be_page`: a web page there is no failure (an attached link)."""

    url: str
    deadline: float
    may_be_page: bool = False


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Is the fetch process alive, and does a worker look at a picture? Answered by a Pong."""

    deadline: float


Request = DocumentRequest | MediaRequest | Ping


class DocumentAnswer(msgspec.Struct, frozen=True, tag="document"):
    """The server's final answer whatever its `status`; `url` is where redirects led."""

    url: str
    status: int
    content_type: str
    body: bytes


class MediaAnswer(msgspec.Struct, frozen=True, tag="media"):
    """The report; the bytes stayed behind."""

    report: MediaReport


class FetchFailed(msgspec.Struct, frozen=True, tag="failed"):
    """No document. `reason` is a short stable slug (`private-address`, `dns`, `connect`, `tls`, `timeout`, `too-large`,
    `too-slow`, `redirects`, `url`, ...), `temporary` tells that a later try may succeed."""

    reason: str
    detail: str
    temporary: bool


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """`healthy` is false when no worker answered; `detail` says why."""

    healthy: bool
    detail: str = ""


Answer = DocumentAnswer | MediaAnswer | FetchFailed | Pong
