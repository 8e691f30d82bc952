"""The fetch process: answers the questions of messages.py, one a connection.

A picture goes from the client's memory to the classifier; only the report leaves. Whoever asked and hangs up cancels
the work. Documents and media have places of their own, so that pictures that wait for a worker hold up no key.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Protocol

import msgspec
import trio

from relayfilter.media.finding import MediaReport, NotInlined, Uninspectable
from relayfilter.remote.client import Fetched, GuardedClient
from relayfilter.remote.frames import BrokenFrame, receive_frame, send_frame
from relayfilter.remote.messages import (
    Answer,
    DocumentAnswer,
    DocumentRequest,
    FetchFailed,
    MediaAnswer,
    MediaRequest,
    Ping,
    Pong,
    Request,
)
from relayfilter.remote.settings import FetchSettings
from relayfilter.remote.slots import Slots
from relayfilter.remote.sniff import not_a_picture

MAX_QUESTION = 64 * 1024
# How long a connection may take to state its question, and to take its answer.
TALK_SECONDS = 5.0
ACCEPT_MEDIA = "image/*, */*;q=0.1"
ACCEPT_MEDIA_OR_PAGE = "image/*, text/html;q=0.5, */*;q=0.1"

log = logging.getLogger(__name__)
_questions = msgspec.msgpack.Decoder(Request)


class Classifier(Protocol):
    """Looks at pictures, in a process of its own. `deadline` is in seconds."""

    async def inspect(self, data: bytes, *, deadline: float) -> MediaReport:
        """What is on the picture; whatever goes wrong is a finding."""
        ...

    async def ping(self, deadline: float) -> Pong:
        """Whether a worker answers."""
        ...


class FetchService:
    def __init__(self, settings: FetchSettings, client: GuardedClient, classifier: Classifier) -> None:
        self._settings = settings
        self._client = client
        self._classifier = classifier
        self._document_places = Slots(settings.concurrency, settings.per_host)
        self._media_places = Slots(settings.concurrency, settings.per_host)

    async def serve(
        self, listener: trio.SocketListener, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Answers until cancelled."""
        task_status.started()
        await trio.serve_listeners(self._converse, [listener])

    async def _converse(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                with trio.fail_after(TALK_SECONDS):
                    question = _questions.decode(await receive_frame(stream, MAX_QUESTION))
                if (answer := await self._unless_hung_up(stream, question)) is not None:
                    with trio.fail_after(TALK_SECONDS):
                        await send_frame(stream, msgspec.msgpack.encode(answer))
            except (BrokenFrame, trio.BrokenResourceError, trio.TooSlowError) as error:
                log.info("whoever asked has gone: %s", type(error).__name__)
            except msgspec.DecodeError as error:
                log.error("a question that is none: %s", error)

    async def _unless_hung_up(self, stream: trio.SocketStream, question: Request) -> Answer | None:
        """The answer. None when the other side hung up first, which cancels the work, or when the work broke."""
        answer = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_hung_up, stream, nursery.cancel_scope)
            try:
                answer = await self._answer(question)
            except Exception:
                log.exception("a question stays without an answer")
            nursery.cancel_scope.cancel()
        return answer

    async def _answer(self, question: Request) -> Answer:
        match question:
            case DocumentRequest():
                return await self._document(question)
            case MediaRequest():
                return MediaAnswer(await self._media(question))
            case Ping():
                return await self._classifier.ping(question.deadline)

    async def _document(self, question: DocumentRequest) -> DocumentAnswer | FetchFailed:
        url = self._client.read(question.url)
        if isinstance(url, FetchFailed):
            return url
        until = trio.current_time() + min(question.deadline, self._settings.document_timeout)
        try:
            async with self._document_places.taken(url.host, until):
                fetched = await self._client.get(
                    question.url,
                    accept=question.accept,
                    max_bytes=min(question.max_bytes, self._settings.max_document_bytes),
                    deadline=until - trio.current_time(),
                    gzip=True,
                    headers=question.headers,
                )
        except trio.TooSlowError:
            return _BUSY
        if isinstance(fetched, FetchFailed):
            return fetched
        return DocumentAnswer(fetched.url, fetched.status, fetched.content_type, fetched.body)

    async def _media(self, question: MediaRequest) -> MediaReport:
        url = self._client.read(question.url)
        if isinstance(url, FetchFailed):
            return _failed(url)
        asked = trio.current_time()
        until = asked + question.deadline
        try:
            async with self._media_places.taken(url.host, until):
                started = trio.current_time()
                fetched = await self._download(question, until - started)
                timings = {"queue": (started - asked) * 1000, "fetch": (trio.current_time() - started) * 1000}
                if isinstance(fetched, FetchFailed):
                    return _failed(fetched, timings)
                report = await self._look_at(fetched, question.may_be_page, until)
        except trio.TooSlowError:
            return _failed(_BUSY)
        return msgspec.structs.replace(
            report,
            final_url=fetched.url,
            content_type=fetched.content_type,
            timings={**timings, **report.timings},
        )

    async def _download(self, question: MediaRequest, deadline: float) -> Fetched | FetchFailed:
        def enough(status: int, content_type: str, first: bytes) -> bool:
            return status != 200 or (question.may_be_page and not_a_picture(content_type, first) is not None)

        return await self._client.get(
            question.url,
            accept=ACCEPT_MEDIA_OR_PAGE if question.may_be_page else ACCEPT_MEDIA,
            max_bytes=self._settings.max_media_bytes,
            deadline=deadline,
            gzip=question.may_be_page,  # some web servers compress pages whatever they are asked for
            enough=enough,
        )

    async def _look_at(self, fetched: Fetched, may_be_page: bool, until: float) -> MediaReport:
        if fetched.status != 200:
            temporary = fetched.status >= 500 or fetched.status in (408, 429)
            return MediaReport(findings=(Uninspectable(f"http-{fetched.status}", temporary=temporary),))
        if may_be_page and (kind := not_a_picture(fetched.content_type, fetched.body)) is not None:
            return MediaReport(findings=(NotInlined(kind),))
        report = await self._classifier.inspect(fetched.body, deadline=until - trio.current_time())
        return msgspec.structs.replace(report, bytes=len(fetched.body))


async def _until_hung_up(stream: trio.SocketStream, work: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError):
        await stream.receive_some(1)
    work.cancel()


_BUSY = FetchFailed("busy", "no free place within the deadline", temporary=True)


def _failed(failure: FetchFailed, timings: dict[str, float] | None = None) -> MediaReport:
    finding = Uninspectable(failure.reason, failure.detail, failure.temporary)
    return MediaReport(findings=(finding,), timings=timings or {})
