"""Front's way to ask the fetch process. Nothing here reaches the network, or imports what does."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import trio

from relayfilter.errors import RemoteUnavailable
from relayfilter.media.finding import MediaReport
from relayfilter.remote.frames import BrokenFrame, receive_frame, send_frame
from relayfilter.remote.messages import (
    DocumentAnswer,
    DocumentRequest,
    FetchFailed,
    MediaAnswer,
    MediaRequest,
    Ping,
    Pong,
    Request,
)

T = TypeVar("T")

# How long after a deadline the fetch process may still say that it passed.
GRACE = 1.0
MAX_REPORT = 1024 * 1024
_ENVELOPE = 64 * 1024

_document_answers = msgspec.msgpack.Decoder(DocumentAnswer | FetchFailed)
_media_answers = msgspec.msgpack.Decoder(MediaAnswer)
_pongs = msgspec.msgpack.Decoder(Pong)


class FetchProcess:
    """The fetch process behind the Unix socket at `path`.

    Deadlines are in seconds from now. Cancelling a call cancels the work there. Every method raises RemoteUnavailable
    when the process cannot be asked or gives no proper answer.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    async def fetch(
        self, url: str, *, accept: str, max_bytes: int, deadline: float, headers: tuple[tuple[str, str], ...] = ()
    ) -> DocumentAnswer | FetchFailed:
        """The document at `url`, whatever its server's status. `headers` go to `url` itself, never to where it
        redirects."""
        question = DocumentRequest(url, accept, max_bytes, deadline, headers)
        return await self._ask(question, _document_answers, max_bytes + _ENVELOPE, deadline)

    async def media(self, url: str, *, deadline: float, may_be_page: bool = False) -> MediaReport:
        """What is on the picture at `url`. With `may_be_page` a web page is a NotInlined finding."""
        answer = await self._ask(MediaRequest(url, deadline, may_be_page), _media_answers, MAX_REPORT, deadline)
        return answer.report

    async def ping(self, deadline: float) -> Pong:
        """Whether the process lives and one of its workers answers."""
        return await self._ask(Ping(deadline), _pongs, _ENVELOPE, deadline)

    async def _ask(self, question: Request, answers: msgspec.msgpack.Decoder[T], max_bytes: int, deadline: float) -> T:
        try:
            with trio.fail_after(deadline + GRACE):
                async with await trio.open_unix_socket(self._path) as stream:
                    await send_frame(stream, msgspec.msgpack.encode(question))
                    return answers.decode(await receive_frame(stream, max_bytes))
        except trio.TooSlowError:
            raise RemoteUnavailable(f"the fetch process gave no answer within {deadline + GRACE:g} s") from None
        except (OSError, BrokenFrame, trio.BrokenResourceError) as error:
            raise RemoteUnavailable(f"the fetch process cannot be asked: {error}") from error
        except msgspec.DecodeError as error:
            raise RemoteUnavailable(f"the fetch process gave an answer that is none: {error}") from error
