from __future__ import annotations

import gzip
import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from PIL import Image

from relayfilter.errors import RemoteUnavailable
from relayfilter.media.finding import Finding, Labelled, MediaReport, NotInlined, Uninspectable
from relayfilter.remote.documents import FetchProcess
from relayfilter.remote.frames import BrokenFrame, receive_frame, send_frame
from relayfilter.remote.messages import DocumentAnswer, FetchFailed, Ping, Pong
from tests.remote.fetching import fetch_service
from tests.support.servers import (
    Authority,
    Script,
    Server,
    answer,
    drips,
    fetch_settings,
    hangs,
    redirect,
    routes,
    says,
    says_for_ever,
    serving,
)

NAME = "pictures.example"
URL = f"https://{NAME}/a.png"
SEEN = MediaReport(findings=(Labelled("stand-in", "seen", 1.0),), model="stand-in", timings={"decode": 1.5})
PAGE = b"<!DOCTYPE html><html><body>" + b"hello " * 1000


def picture(format_name: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").save(file, format_name)
    return file.getvalue()


class Witness:
    """A classifier that remembers what it was given, and may take for ever over it."""

    def __init__(self, *, slow: bool = False) -> None:
        self.given: list[bytes] = []
        self.deadlines: list[float] = []
        self.asked = trio.Event()
        self.cancelled = False
        self._slow = slow

    async def inspect(self, data: bytes, *, deadline: float) -> MediaReport:
        self.given.append(data)
        self.deadlines.append(deadline)
        self.asked.set()
        if self._slow:
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                self.cancelled = True
                raise
        return SEEN

    async def ping(self, deadline: float) -> Pong:
        return Pong(healthy=bool(self.given), detail=f"{deadline:g}")


class Broken:
    """A classifier with a bug."""

    async def inspect(self, data: bytes, *, deadline: float) -> MediaReport:
        raise ZeroDivisionError

    async def ping(self, deadline: float) -> Pong:
        raise ZeroDivisionError


class Running:
    def __init__(self, process: FetchProcess, path: str) -> None:
        self.process = process
        self.path = path

    async def media(self, url: str = URL, *, deadline: float = 5.0, may_be_page: bool = False) -> MediaReport:
        return await self.process.media(url, deadline=deadline, may_be_page=may_be_page)

    async def document(self, url: str = URL, *, deadline: float = 5.0) -> DocumentAnswer | FetchFailed:
        return await self.process.fetch(url, accept="application/activity+json", max_bytes=10_000, deadline=deadline)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(20):
            await test()

    trio.run(bounded)


@asynccontextmanager
async def fetch_process(
    path: Path, authority: Authority, hosts: dict[str, Server | str], classifier: Any, **changes: Any
) -> AsyncIterator[Running]:
    async with fetch_service(path, fetch_settings(authority, hosts, **changes), classifier) as process:
        yield Running(process, str(path / "fetch.sock"))


@asynccontextmanager
async def world(
    path: Path, authority: Authority, script: Script, classifier: Any = None, **changes: Any
) -> AsyncIterator[tuple[Server, Running]]:
    """A stranger's server called NAME, and a fetch process that may reach it."""
    async with (
        serving(script, authority.server(NAME)) as server,
        fetch_process(path, authority, {NAME: server}, classifier or Witness(), **changes) as running,
    ):
        yield server, running


# Media


def test_a_picture_goes_to_the_classifier_and_only_the_report_comes_back(tmp_path: Path, authority: Authority) -> None:
    data = picture()

    async def test() -> None:
        witness = Witness()
        moved = routes({"/a.png": says(redirect("/b.png")), "/b.png": says(answer(data))})
        async with world(tmp_path, authority, moved, witness) as (_, running):
            report = await running.media()
        assert witness.given == [data]
        assert 4.0 < witness.deadlines[0] <= 5.0
        assert report.findings == SEEN.findings
        assert report.model == "stand-in"
        assert report.final_url == f"https://{NAME}/b.png"
        assert report.content_type == "image/png"
        assert report.bytes == len(data)
        assert report.timings["decode"] == 1.5
        assert report.timings["fetch"] > 0
        assert report.timings["queue"] >= 0
        assert data[:200] not in msgspec.msgpack.encode(report)

    run(test)


@pytest.mark.parametrize(
    ("status", "temporary"),
    [
        ("404 Not Found", False),
        ("410 Gone", False),
        ("403 Forbidden", False),
        ("206 Partial", False),
        ("204 Empty", False),
        ("500 Error", True),
        ("503 Busy", True),
        ("429 Slow Down", True),
        ("408 Timeout", True),
    ],
)
def test_only_200_is_a_picture(tmp_path: Path, authority: Authority, status: str, temporary: bool) -> None:
    async def test() -> None:
        witness = Witness()
        script = hangs(answer(picture(), "image/png", "Content-Encoding: gzip", status=status))
        async with world(tmp_path, authority, script, witness) as (_, running):
            report = await running.media()
        assert report.findings == (Uninspectable(f"http-{status[:3]}", temporary=temporary),)
        assert report.final_url == URL
        assert witness.given == []

    run(test)


@pytest.mark.parametrize(
    ("script", "reason", "temporary"),
    [
        (hangs(answer(picture(), "image/png", "Content-Encoding: gzip")), "encoding", False),
        (hangs(b"HTTP/1.1 200 OK\r\nContent-Length: 20001\r\n\r\n"), "too-large", False),
        (says_for_ever(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096), "too-large", False),
        (drips(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", picture(), 0.05), "too-slow", True),
        (hangs(), "timeout", True),
        (says(redirect("http://169.254.169.254/latest/meta-data")), "url", False),
        (says(redirect("https://private.example/")), "private-address", False),
    ],
)
def test_a_failed_fetch_is_a_finding(
    tmp_path: Path, authority: Authority, script: Script, reason: str, temporary: bool
) -> None:
    async def test() -> None:
        witness = Witness()
        async with (
            serving(script, authority.server(NAME)) as server,
            fetch_process(
                tmp_path,
                authority,
                {NAME: server, "private.example": "10.0.0.1"},
                witness,
                max_media_bytes=20_000,
                slow_after=0.2,
            ) as running,
        ):
            report = await running.media(deadline=0.8)
        (finding,) = report.findings
        assert isinstance(finding, Uninspectable)
        assert (finding.reason, finding.temporary) == (reason, temporary)
        assert report.timings["fetch"] > 0
        assert witness.given == []

    run(test)


def test_an_unreadable_url_is_a_finding(tmp_path: Path, authority: Authority) -> None:
    async def test() -> None:
        async with world(tmp_path, authority, hangs()) as (_, running):
            for url in ("", "http://10.0.0.1/", "x" * 3000, "https://a@b.org/"):
                (finding,) = (await running.media(url)).findings
                assert isinstance(finding, Uninspectable)
                assert (finding.reason, finding.temporary) == ("url", False)

    run(test)


# Pages


@pytest.mark.parametrize(
    ("content_type", "start", "kind"),
    [("text/html; charset=utf-8", PAGE, "page"), ("application/activity+json", b'{"id": "' + b"x" * 5000, "activity")],
)
def test_a_page_is_left_early_where_one_may_be(
    tmp_path: Path, authority: Authority, content_type: str, start: bytes, kind: str
) -> None:
    async def test() -> None:
        witness = Witness()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: 9000000\r\n\r\n".encode()
        async with world(tmp_path, authority, hangs(head + start), witness) as (server, running):
            report = await running.media(may_be_page=True)
            assert report.findings == (NotInlined(kind),)
            assert report.final_url == URL
            await server.hung_up.wait()
        assert witness.given == []

    run(test)


@pytest.mark.parametrize("body", [PAGE, b"<p>short</p>"])
def test_a_page_is_inspected_where_none_may_be(tmp_path: Path, authority: Authority, body: bytes) -> None:
    async def test() -> None:
        witness = Witness()
        async with world(tmp_path, authority, says(answer(body, "text/html")), witness) as (_, running):
            assert (await running.media()).findings == SEEN.findings
            assert (await running.media(may_be_page=True)).findings == (NotInlined("page"),)
        assert witness.given == [body]

    run(test)


@pytest.mark.parametrize(("body", "findings"), [(PAGE, (NotInlined("page"),)), (picture(), SEEN.findings)])
def test_what_is_compressed_unasked_is_unpacked_where_a_page_may_be(
    tmp_path: Path, authority: Authority, body: bytes, findings: tuple[Finding, ...]
) -> None:
    async def test() -> None:
        witness = Witness()
        script = says(answer(gzip.compress(body), "text/html", "Content-Encoding: gzip"))
        async with world(tmp_path, authority, script, witness) as (_, running):
            assert (await running.media(may_be_page=True)).findings == findings

    run(test)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("content_type", ["text/html", "application/activity+json"])
def test_a_picture_disguised_as_a_page_is_inspected(
    tmp_path: Path, authority: Authority, content_type: str, format_name: str
) -> None:
    data = picture(format_name)

    async def test() -> None:
        witness = Witness()
        async with world(tmp_path, authority, says(answer(data, content_type)), witness) as (_, running):
            assert (await running.media(may_be_page=True)).findings == SEEN.findings
        assert witness.given == [data]

    run(test)


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", ""])
def test_markup_that_calls_itself_a_picture_is_inspected(
    tmp_path: Path, authority: Authority, content_type: str
) -> None:
    async def test() -> None:
        witness = Witness()
        async with world(tmp_path, authority, says(answer(PAGE, content_type)), witness) as (_, running):
            assert (await running.media(may_be_page=True)).findings == SEEN.findings
        assert witness.given == [PAGE]

    run(test)


# Documents


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "410 Gone", "500 Error"])
def test_every_status_of_a_document_is_an_answer(tmp_path: Path, authority: Authority, status: str) -> None:
    async def test() -> None:
        script = says(answer(b'{"id": 1}', "application/activity+json", status=status))
        async with world(tmp_path, authority, script) as (server, running):
            document = await running.document()
        assert document == DocumentAnswer(URL, int(status[:3]), "application/activity+json", b'{"id": 1}')
        assert b"\r\nAccept: application/activity+json\r\n" in server.heads[0]

    run(test)


def test_the_settings_cap_what_a_question_may_ask(tmp_path: Path, authority: Authority) -> None:
    async def test() -> None:
        script = routes({"/large": says(answer(b"x" * 5001)), "/slow": hangs()})
        changes = {"max_document_bytes": 5000, "document_timeout": 0.3}
        async with world(tmp_path, authority, script, **changes) as (_, running):
            large = await running.document(f"https://{NAME}/large")
            slow = await running.document(f"https://{NAME}/slow", deadline=60)
        assert isinstance(large, FetchFailed)
        assert large.reason == "too-large"
        assert isinstance(slow, FetchFailed)
        assert slow.reason == "timeout"

    run(test)


# Places


def test_a_slow_host_does_not_hold_up_another_and_media_hold_up_no_document(
    tmp_path: Path, authority: Authority
) -> None:
    async def test() -> None:
        async with (
            serving(hangs(), authority.server(NAME)) as slow,
            serving(says(answer(b"{}")), authority.server("quick.example")) as quick,
            fetch_process(
                tmp_path, authority, {NAME: slow, "quick.example": quick}, Witness(), concurrency=3, per_host=2
            ) as running,
            trio.open_nursery() as nursery,
        ):
            for _ in range(10):
                nursery.start_soon(running.media)
            await slow.asked.wait()
            assert (await running.media("https://quick.example/")).findings == SEEN.findings
            assert isinstance(await running.document("https://quick.example/"), DocumentAnswer)
            late = await running.media(deadline=0.2)
            assert late.findings == (Uninspectable("busy", "no free place within the deadline", temporary=True),)
            assert slow.connections == 2
            nursery.cancel_scope.cancel()

    run(test)


# Hanging up, and trouble of our own


def test_hanging_up_cancels_the_download(tmp_path: Path, authority: Authority) -> None:
    async def test() -> None:
        async with world(tmp_path, authority, hangs()) as (server, running):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(running.media)
                await server.asked.wait()
                nursery.cancel_scope.cancel()
            await server.hung_up.wait()

    run(test)


def test_hanging_up_cancels_the_inspection(tmp_path: Path, authority: Authority) -> None:
    async def test() -> None:
        witness = Witness(slow=True)
        async with world(tmp_path, authority, says(answer(picture())), witness) as (_, running):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(running.media)
                await witness.asked.wait()
                nursery.cancel_scope.cancel()
            while not witness.cancelled:
                await trio.lowlevel.checkpoint()

    run(test)


def test_ping_is_the_classifiers_word(tmp_path: Path, authority: Authority) -> None:
    async def test() -> None:
        witness = Witness()
        async with world(tmp_path, authority, hangs(), witness) as (_, running):
            assert await running.process.ping(2.0) == Pong(healthy=False, detail="2")
            witness.given.append(b"")
            assert await running.process.ping(2.0) == Pong(healthy=True, detail="2")

    run(test)


def test_a_bug_is_logged_and_answers_nothing_and_the_next_question_is_served(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with world(tmp_path, authority, says(answer(picture())), Broken()) as (_, running):
            with pytest.raises(RemoteUnavailable):
                await running.media()
            assert isinstance(await running.document(), DocumentAnswer)

    with caplog.at_level(logging.ERROR):
        run(test)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\0\0",
        b"\0\0\0\4GET ",
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"\0\0\0\1\xc1",
        b"\0\0\0\1\x80",
        len(msgspec.msgpack.encode({"type": "media"})).to_bytes(4, "big") + msgspec.msgpack.encode({"type": "media"}),
    ],
)
def test_nonsense_is_not_answered_and_harms_nobody(tmp_path: Path, authority: Authority, sent: bytes) -> None:
    async def test() -> None:
        async with world(tmp_path, authority, hangs()) as (_, running):
            async with await trio.open_unix_socket(running.path) as stream:
                await stream.send_all(sent)
                await stream.send_eof()
                with pytest.raises((BrokenFrame, trio.BrokenResourceError)):
                    await receive_frame(stream, 1000)
            assert isinstance(await running.process.ping(1.0), Pong)

    run(test)


def test_one_question_a_connection(tmp_path: Path, authority: Authority) -> None:
    async def test() -> None:
        async with (
            world(tmp_path, authority, hangs()) as (_, running),
            await trio.open_unix_socket(running.path) as stream,
        ):
            await send_frame(stream, msgspec.msgpack.encode(Ping(1.0)))
            await receive_frame(stream, 1000)
            assert await stream.receive_some() == b""

    run(test)
