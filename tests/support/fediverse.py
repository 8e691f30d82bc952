"""A small fediverse on loopback over real TLS: a private certificate authority, and web servers with a name, a
certificate and an ephemeral port of 127.0.0.1 each, which serve actors, pictures and whatever hostile thing a test
registers.

    async with Fediverse() as fediverse:
        alpha = fediverse["alpha.example"]
        alice = alpha.actor("alice")
        url = alpha.add_image("/media/1.png", png)
        alpha.add("/media/2.png", world_answers.hang())
        ...
        assert alpha.requests["/media/1.png"] == 1

URLs carry no port: `hosts` tells the daemon's testing settings where a name is served and `ca_file` whom to trust.
Actors, pictures and scripts can be registered before the servers run as well as later.
"""

from __future__ import annotations

import ssl
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trio
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tests.support.servers import Authority, Conversation, Script, Server, serving
from tests.support.world_actors import Actor, Kind, Software
from tests.support.world_answers import ACTIVITY_JSON, document, reply

DOMAINS = ("alpha.example", "beta.example", "gamma.example")


class Host:
    """One name and its server. `requests` counts by request-target (path and query); `server` has the raw heads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.server: Server
        self.requests: Counter[str] = Counter()
        self.actors: dict[str, Actor] = {}
        self._scripts: dict[str, Script] = {}
        self._arrived = trio.Event()

    def url(self, path: str) -> str:
        return f"https://{self.name}{path}"

    def add(self, path: str, script: Script) -> str:
        """`script` is what GET of `path` (with its query) gets from now on; without one it is 404. Returns the URL."""
        self._scripts[path] = script
        return self.url(path)

    def add_image(self, path: str, data: bytes, content_type: str = "image/png") -> str:
        return self.add(path, reply(data, content_type))

    def add_document(self, path: str, content: dict[str, Any], content_type: str = ACTIVITY_JSON) -> str:
        return self.add(path, document(lambda: content, content_type))

    def actor(self, name: str, *, kind: Kind = "Person", software: Software = "mastodon") -> Actor:
        """An actor who lives here, with the documents that publish the key."""
        actor = Actor(self.name, name, kind=kind, software=software)
        self.actors[actor.id] = actor
        self.add(actor.path, document(actor.document))
        if actor.key_path != actor.path:
            self.add(actor.key_path, document(actor.key_document))
        return actor

    async def wait_for(self, path: str, count: int = 1, deadline: float = 10.0) -> None:
        """Return once `path` was asked for `count` times. Raises trio.TooSlowError."""
        with trio.fail_after(deadline):
            while self.requests[path] < count:
                await self._arrived.wait()

    async def converse(self, conversation: Conversation) -> None:
        """Count the request and answer it. What is no whole GET gets nothing."""
        method, _, rest = conversation.head.partition(b" ")
        if method != b"GET" or not rest.endswith(b"\r\n\r\n"):
            return
        target = rest.split(b" ", 1)[0].decode("latin-1")
        self.requests[target] += 1
        self._arrived.set()
        self._arrived = trio.Event()
        await self._scripts.get(target, reply(status=404))(conversation)


class Fediverse:
    """The hosts named in `domains`, by name. `hosts` has their addresses, `ca_file` is the authority's PEM."""

    def __init__(self, domains: tuple[str, ...] = DOMAINS) -> None:
        self._by_name = {name: Host(name) for name in domains}
        self._stack = AsyncExitStack()

    def __getitem__(self, name: str) -> Host:
        return self._by_name[name]

    @property
    def hosts(self) -> dict[str, str]:
        return {name: host.server.endpoint for name, host in self._by_name.items()}

    def key_of(self, actor_id: str) -> RSAPublicKey | None:
        """The present key of an actor, as a Lemmy that knows everybody has it in its database."""
        for host in self._by_name.values():
            if actor := host.actors.get(actor_id):
                return actor.public_key
        return None

    def client_context(self) -> ssl.SSLContext:
        """A client's TLS settings that trust this fediverse and nobody else."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    async def __aenter__(self) -> Self:
        directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fediverse-"))
        authority = Authority(Path(directory))
        self.ca_file = authority.file
        for host in self._by_name.values():
            host.server = await self._stack.enter_async_context(serving(host.converse, tls=authority.server(host.name)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
