from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from relayfilter.errors import RemoteUnavailable
from relayfilter.media.finding import MediaReport, NotInlined
from relayfilter.remote.documents import MAX_REPORT, FetchProcess
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

URL = "https://a.org/users/alice"
REPORT = MediaReport(findings=(NotInlined("page"),), final_url=URL)


def framed(answer: Answer) -> bytes:
    data = msgspec.msgpack.encode(answer)
    return len(data).to_bytes(4, "big") + data


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(20):
            await test()

    trio.run(bounded)


@asynccontextmanager
async def answering(
    path: Path, sent: bytes | None, size: int = 4096
) -> AsyncIterator[tuple[FetchProcess, list[Request]]]:
    """A process that answers any question with the same bytes, or never."""
    questions: list[Request] = []

    async def converse(stream: trio.SocketStream) -> None:
        length = int.from_bytes(await stream.receive_some(4), "big")
        questions.append(msgspec.msgpack.decode(await stream.receive_some(length), type=Request))
        if sent is None:
            await trio.sleep_forever()
        else:
            for start in range(0, len(sent), size):
                await stream.send_all(sent[start : start + size])

    with trio.socket.socket(trio.socket.AF_UNIX) as socket:
        await socket.bind(str(path / "fetch.sock"))
        socket.listen()
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, converse, [trio.SocketListener(socket)])
            yield FetchProcess(str(path / "fetch.sock")), questions
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("size", [1, 4096])
@pytest.mark.parametrize(
    "answer", [DocumentAnswer(URL, 410, "text/html", b"gone" * 100), FetchFailed("dns", "NXDOMAIN", temporary=False)]
)
def test_a_document(tmp_path: Path, answer: DocumentAnswer | FetchFailed, size: int) -> None:
    async def test() -> None:
        async with answering(tmp_path, framed(answer), size) as (process, questions):
            assert await process.fetch(URL, accept="x/y", max_bytes=1000, deadline=2.5) == answer
            signed = (("Date", "today"),)
            assert await process.fetch(URL, accept="x/y", max_bytes=9, deadline=1.5, headers=signed) == answer
        assert questions == [DocumentRequest(URL, "x/y", 1000, 2.5), DocumentRequest(URL, "x/y", 9, 1.5, signed)]

    run(test)


def test_a_medium(tmp_path: Path) -> None:
    async def test() -> None:
        async with answering(tmp_path, framed(MediaAnswer(REPORT))) as (process, questions):
            assert await process.media(URL, deadline=2.5, may_be_page=True) == REPORT
            assert await process.media(URL, deadline=1.5) == REPORT
        assert questions == [MediaRequest(URL, 2.5, may_be_page=True), MediaRequest(URL, 1.5)]

    run(test)


def test_a_ping(tmp_path: Path) -> None:
    async def test() -> None:
        async with answering(tmp_path, framed(Pong(healthy=True))) as (process, questions):
            assert await process.ping(1.0) == Pong(healthy=True)
        assert questions == [Ping(1.0)]

    run(test)


async def ask_all(process: FetchProcess, deadline: float = 1.0) -> None:
    with pytest.raises(RemoteUnavailable):
        await process.fetch(URL, accept="x/y", max_bytes=1000, deadline=deadline)
    with pytest.raises(RemoteUnavailable):
        await process.media(URL, deadline=deadline)
    with pytest.raises(RemoteUnavailable):
        await process.ping(deadline)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\0\0\1",
        framed(Pong(healthy=True))[:-1],
        b"\0\0\0\1\xc1",
        b"\0\0\0\2{}",
        (MAX_REPORT + 1).to_bytes(4, "big"),
        b"\xff\xff\xff\xff",
    ],
)
def test_an_answer_that_is_none(tmp_path: Path, sent: bytes) -> None:
    async def test() -> None:
        async with answering(tmp_path, sent) as (process, _):
            await ask_all(process)

    run(test)


def test_an_answer_to_another_question(tmp_path: Path) -> None:
    async def test() -> None:
        async with answering(tmp_path, framed(Pong(healthy=True))) as (process, _):
            with pytest.raises(RemoteUnavailable):
                await process.media(URL, deadline=1.0)

    run(test)


def test_nobody_there(tmp_path: Path) -> None:
    async def test() -> None:
        await ask_all(FetchProcess(str(tmp_path / "no.sock")))
        (tmp_path / "file").touch()
        await ask_all(FetchProcess(str(tmp_path / "file")))
        with trio.socket.socket(trio.socket.AF_UNIX) as socket:
            await socket.bind(str(tmp_path / "left.sock"))
        await ask_all(FetchProcess(str(tmp_path / "left.sock")))

    run(test)


def test_no_answer_in_time(tmp_path: Path) -> None:
    async def test() -> None:
        async with answering(tmp_path, None) as (process, _):
            started = trio.current_time()
            with pytest.raises(RemoteUnavailable):
                await process.media(URL, deadline=0.1)
            assert trio.current_time() - started < 1.5

    run(test)


def test_front_loads_nothing_that_reaches_the_network() -> None:
    """What front imports from here is small, and knows no HTTP client, resolver or decoder."""
    script = (
        "import sys, relayfilter.remote.documents, relayfilter.remote.settings;"
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    for name in ("httpx", "httpcore", "h11", "dns", "PIL", "numpy", "onnxruntime"):
        assert f"'{name}'" not in loaded
