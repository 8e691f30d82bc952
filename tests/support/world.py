"""The loopback world: the small fediverse, the Lemmy stand-in, and between them the real daemon process.

    async with World(policy=POLICY) as world:
        alice = world.fediverse["alpha.example"].actor("alice")
        answer = await world.deliver(alice, activities.mastodon_note(alice, "<p>Hello</p>"))
        received = await world.lemmy.next_received()
        line = await world.log_line(lambda line: line["event"] == "delivery")

The daemon inherits its listening socket as from systemd unless `hand_over` is False; the socket outlives the daemon, so
deliveries queue while it is restarted. Leaving the world ends the daemon by SIGTERM, and fails if it does not end with
status 0 or leaves a process behind.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import trio

from tests.support.fediverse import Fediverse
from tests.support.lemmy import Lemmy
from tests.support.world_actors import Actor
from tests.support.world_daemon import Daemon
from tests.support.world_delivery import INSTANCE, Answer, exchange, signed_post

RELAYFILTER = (sys.executable, "-m", "relayfilter")
SHIPPED_POLICY = Path(__file__).parents[2] / "config" / "policy.toml"

Line = dict[str, Any]


class World:
    """`policy` is TOML text (the shipped policy without it); `settings` are merged into relayfilter.toml's tables;
    `files` go beside it by name. `start=False` leaves the daemon to `start()`. `command` stands for `relayfilter`.
    """

    def __init__(
        self,
        *,
        policy: str | None = None,
        settings: Mapping[str, Any] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        environment: Mapping[str, str] | None = None,
        lemmy_version: Literal["1.0", "0.19"] = "1.0",
        hand_over: bool = True,
        start: bool = True,
        command: Sequence[str] = RELAYFILTER,
    ) -> None:
        self.fediverse = Fediverse()
        self.lemmy = Lemmy(self.fediverse.key_of, version=lemmy_version)
        self.port = 0
        self.running = False
        self.arguments: tuple[str, ...] = ()
        """Further ones for `serve`."""
        self.daemon: Daemon
        self._policy = SHIPPED_POLICY.read_text() if policy is None else policy
        self._settings = settings or {}
        self._files = files or {}
        self._environment = environment or {}
        self._hand_over = hand_over
        self._start = start
        self.command = command
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            return await self._enter()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _enter(self) -> Self:
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="relayfilter-world-")))
        await self._stack.enter_async_context(self.fediverse)
        await self._stack.enter_async_context(self.lemmy)
        self._listener = self._stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        self.port = self._listener.getsockname()[1]
        if not self._hand_over:
            self._listener.close()
        self.state = directory / "state"
        self.state.mkdir()
        self.config_file = directory / "relayfilter.toml"
        self.policy_file = directory / "policy.toml"
        self.config_file.write_text(toml(merged(self._tables(), self._settings)))
        self.policy_file.write_text(self._policy)
        for name, content in self._files.items():
            (directory / name).write_bytes(content.encode() if isinstance(content, str) else content)
        self._nursery = await self._stack.enter_async_context(trio.open_nursery())
        self._stack.callback(self._nursery.cancel_scope.cancel)
        if self._start:
            await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self.running:
                await self.stop()
            elif error is not None and self.running:
                error.add_note(f"the daemon's log: {self.daemon.log.items[-10:]}")
                error.add_note(f"the daemon's stderr: {self.daemon.stderr.decode(errors='replace')}")
        finally:
            await self._stack.aclose()

    def _tables(self) -> dict[str, Any]:
        return {
            "instance": {"domains": [INSTANCE]},
            "listen": {"address": f"127.0.0.1:{self.port}"},
            "upstream": {"url": f"http://127.0.0.1:{self.lemmy.port}"},
            "state": {"directory": str(self.state)},
            "policy": {"file": "policy.toml"},
            "fetch": {
                "testing": {
                    "allow_addresses": ["127.0.0.0/8"],
                    "allow_ports": [int(address.rpartition(":")[2]) for address in self.fediverse.hosts.values()],
                    "ca_file": str(self.fediverse.ca_file),
                    "hosts": self.fediverse.hosts,
                }
            },
            "classify": {"workers": 2},
        }

    async def start(self, deadline: float = 60.0) -> None:
        """Start the daemon and wait until it is ready. Raises Ended with what stderr said, or trio.TooSlowError."""
        self.daemon = Daemon(
            [*self.command, "serve", *self.arguments, "--config", str(self.config_file)],
            directory=self.config_file.parent,
            environment=self._environment,
            inherits=self._listener if self._hand_over else None,
        )
        await self._nursery.start(self.daemon.run)
        self.running = True
        await self.daemon.ready(deadline)

    async def stop(self, deadline: float = 30.0) -> None:
        """SIGTERM. Raises AssertionError unless the daemon ends with status 0 and with all its processes."""
        self.daemon.process.send_signal(signal.SIGTERM)
        status = await self.daemon.ended(deadline)
        self.running = False
        assert status == 0, f"status {status} after SIGTERM: {self.daemon.stderr.decode(errors='replace')}"
        assert self.daemon.left_behind == [], "processes left behind"

    async def kill(self) -> None:
        """SIGKILL to the front process alone, as a crash would end it."""
        self.running = False
        self.daemon.process.kill()
        await self.daemon.ended()

    async def reload(self, policy: str | None = None, deadline: float = 20.0) -> None:
        """SIGHUP, with `policy` as the new file if given; returns when the daemon says that it is done."""
        if policy is not None:
            self.policy_file.write_text(policy)
        before = len(self.daemon.notices.items)
        self.daemon.process.send_signal(signal.SIGHUP)
        await self.daemon.notices.find(lambda notice: "READY=1" in notice, after=before, deadline=deadline)

    async def log_line(self, predicate: Callable[[Line], bool], *, after: int = 0, deadline: float = 10.0) -> Line:
        """The first line of the running daemon's log for which `predicate` holds: see Heard.find."""
        return await self.daemon.log.find(predicate, after=after, deadline=deadline)

    async def deliver(
        self,
        actor: Actor,
        activity: dict[str, Any] | bytes,
        *,
        shape: str = "mastodon",
        one_byte: bool = False,
        deadline: float = 30.0,
        **changes: Any,
    ) -> Answer:
        """What the daemon answers to this delivery by `actor`'s server: see signed_post."""
        return await self.send(
            signed_post(actor, activity, shape=shape, **changes), one_byte=one_byte, deadline=deadline
        )

    async def send(self, raw: bytes, *, one_byte: bool = False, deadline: float = 30.0) -> Answer:
        """What the daemon answers to these bytes: see Connection.exchange."""
        return await exchange(self.port, raw, one_byte=one_byte, deadline=deadline)

    async def run_cli(
        self, *arguments: str, stdin: bytes = b"", deadline: float = 60.0
    ) -> subprocess.CompletedProcess[bytes]:
        """`relayfilter ARGUMENTS...` with this world's configuration."""
        with trio.fail_after(deadline):
            return await trio.run_process(
                [*self.command, *arguments],
                stdin=stdin,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                cwd=self.config_file.parent,
                env={**os.environ, **self._environment, "RELAYFILTER_CONFIG": str(self.config_file)},
            )


def merged(tables: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`tables` with `changes` on top, table by table."""
    result = dict(tables)
    for key, value in changes.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return result


def toml(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """TOML text of tables within tables; JSON's strings, numbers, booleans and lists are TOML's as well."""
    lines = [f"[{'.'.join(path)}]"] if path else []
    lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    inner = [toml(value, (*path, _key(key))) for key, value in table.items() if isinstance(value, Mapping)]
    return "\n".join([*lines, "", *inner])


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())}}}"
    return json.dumps(value)
