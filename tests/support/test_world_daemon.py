from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.support.world_daemon import Daemon, Ended, Heard
from tests.support.world_delivery import exchange

SAYS_HELLO = """
import json, os, signal, socket, sys
def tell(message):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0"))
        manager.send(message)
print(json.dumps({"event": "hello", "cwd": os.getcwd()}), flush=True)
print("no JSON", flush=True)
print("to stderr", file=sys.stderr, flush=True)
tell(b"STATUS=up\\nREADY=1")
"""
UNTIL_TERM = "signal.sigwait({signal.SIGTERM})\n"
BLOCKED = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"


def run(directory: Path, script: str, scenario: Callable[[Daemon], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        with trio.fail_after(20):
            daemon = Daemon(
                [sys.executable, "-c", script], directory=directory, environment={"COLOUR": "red"}, **options
            )
            async with trio.open_nursery() as nursery:
                await nursery.start(daemon.run)
                await scenario(daemon)
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_hears_readiness_log_and_stderr_and_ends_by_a_signal(tmp_path: Path) -> None:
    async def scenario(daemon: Daemon) -> None:
        await daemon.ready()
        assert await daemon.log.find(lambda line: line["event"] == "hello") == {"event": "hello", "cwd": str(tmp_path)}
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.ended() == 0
        assert (daemon.stray, daemon.stderr, daemon.notices.items) == (
            [b"no JSON"],
            b"to stderr\n",
            ["STATUS=up\nREADY=1"],
        )
        assert (daemon.left_behind, daemon.processes()) == ([], [])

    run(tmp_path, "import signal\n" + BLOCKED + SAYS_HELLO + UNTIL_TERM, scenario)


def test_an_early_end_is_told_at_once_with_its_reason(tmp_path: Path) -> None:
    async def scenario(daemon: Daemon) -> None:
        with pytest.raises(Ended, match="status 78: no such file"):
            await daemon.ready()
        with pytest.raises(Ended):
            await daemon.log.find(lambda line: True)
        assert await daemon.ended() == 78

    run(tmp_path, "import sys; print('no such file', file=sys.stderr); sys.exit(78)", scenario)


def test_hands_a_listening_socket_over_as_systemd_does(tmp_path: Path) -> None:
    script = """
import os, socket
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1"
assert os.environ["LISTEN_FDNAMES"] == "inbox" and os.environ["COLOUR"] == "red"
assert len(os.listdir("/proc/self/fd")) == 5, "stdin, stdout, stderr, the socket, and the directory being listed"
peer, _ = socket.socket(fileno=3).accept()
peer.recv(100)
peer.sendall(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
"""

    async def scenario(daemon: Daemon) -> None:
        answer = await exchange(listener.getsockname()[1], b"GET / HTTP/1.1\r\n\r\n")
        assert answer.status == 204
        assert await daemon.ended() == 0

    with socket.create_server(("127.0.0.1", 0)) as listener:
        run(tmp_path, script, scenario, inherits=listener)


def test_knows_the_children_that_are_left_behind_and_kills_them(tmp_path: Path) -> None:
    script = "import subprocess; print('{\"child\": %d}' % subprocess.Popen(['sleep', '60']).pid)"

    async def scenario(daemon: Daemon) -> None:
        assert await daemon.ended() == 0
        assert daemon.left_behind == [daemon.log.items[0]["child"]]
        assert daemon.log.items[0]["child"] not in daemon.processes()

    run(tmp_path, script, scenario, moment=0.2)


def test_waits_a_moment_for_children_that_are_about_to_end(tmp_path: Path) -> None:
    async def scenario(daemon: Daemon) -> None:
        assert await daemon.ended() == 0
        assert daemon.left_behind == []

    run(tmp_path, "import subprocess; subprocess.Popen(['sleep', '0.3'])", scenario)


def test_leaving_kills_what_does_not_end(tmp_path: Path) -> None:
    async def scenario(daemon: Daemon) -> None:
        await daemon.ready()
        assert daemon.processes() == [daemon.process.pid]

    run(tmp_path, "import signal\n" + BLOCKED + SAYS_HELLO + "signal.sigwait({signal.SIGUSR1})", scenario)


def test_finds_what_was_said_before_and_after_it_was_asked_for() -> None:
    async def main() -> None:
        heard: Heard[int] = Heard()
        heard.add(1)
        assert await heard.find(lambda number: number == 1) == 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heard.find, lambda number: number == 3)
            await trio.testing.wait_all_tasks_blocked()
            heard.add(2)
            heard.add(3)
        with pytest.raises(trio.TooSlowError, match=r"\[1, 2, 3\]"):
            await heard.find(lambda number: number == 1, after=1, deadline=0.01)

    trio.run(main)
