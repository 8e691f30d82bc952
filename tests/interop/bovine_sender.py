"""bovine: its own client with its own signatures over aiohttp, whose look-ups lead to loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any

import aiohttp  # type: ignore[import-not-found]
from aiohttp.abc import AbstractResolver  # type: ignore[import-not-found]
from bovine.clients.signed_http import SignedHttpClient  # type: ignore[import-not-found]


class Loopback(AbstractResolver):  # type: ignore[misc]
    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[Any]:
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": self._port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
        ]

    async def close(self) -> None:
        pass


async def main() -> None:
    task = json.load(sys.stdin)
    connector = aiohttp.TCPConnector(resolver=Loopback(task["port"]))
    async with aiohttp.ClientSession(connector=connector) as session:
        client = SignedHttpClient(session, task["actor"]["keyId"], task["actor"]["pem"])
        for activity in task["activities"]:
            answer = await client.post(task["inbox"].replace("https:", "http:"), json.dumps(activity))
            print(json.dumps({"signed": "cavage", "status": answer.status}))


asyncio.run(main())
