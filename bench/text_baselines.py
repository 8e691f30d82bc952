"""What a user would run instead, and what the job costs without a product around it.

    python -m bench.text_baselines hypercorn-httpx --listen-port N --upstream-port M
    python -m bench.text_baselines bare-trio --listen-port N --upstream-port M --public-key FILE

`hypercorn-httpx` is the usual Python stack, on asyncio, where it is fastest, and only forwards. `bare-trio` reads with
httptools, verifies digest and signature with one preloaded key and forwards over kept connections; it has no limits,
deadlines, policy or log.
Each runs on loopback until its standard input ends; both print `ready` when they listen.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import re
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

import httptools
import httpx
import trio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypercorn.asyncio import serve
from hypercorn.config import Config

_NOT_FORWARDED = {b"connection", b"keep-alive", b"transfer-encoding"}


async def hypercorn_httpx(listen_port: int, upstream_port: int) -> None:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(limits=limits, trust_env=False, timeout=10) as client:

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                raise NotImplementedError(scope["type"])
            body = b""
            more = True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
            url = httpx.URL(scheme="http", host="127.0.0.1", port=upstream_port, raw_path=scope["raw_path"])
            headers = [header for header in scope["headers"] if header[0] not in _NOT_FORWARDED]
            answer = await client.post(url, headers=headers, content=body)
            kept = [(name, value) for name, value in answer.headers.raw if name.lower() not in _NOT_FORWARDED]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
            await send({"type": "http.response.body", "body": answer.content})

        config = Config()
        listener = socket.create_server(("127.0.0.1", listen_port))
        config.bind = [f"fd://{listener.detach()}"]  # hypercorn closes it
        config.keep_alive_max_requests = 10**9
        config.errorlog = None
        print("ready", flush=True)
        await serve(app, config, shutdown_trigger=partial(asyncio.to_thread, sys.stdin.read))


async def bare_trio(listen_port: int, upstream_port: int, key: rsa.RSAPublicKey) -> None:
    pool: list[trio.SocketStream] = []

    async def converse(stream: trio.SocketStream) -> None:
        request = _Message()
        while data := await stream.receive_some(65536):
            request.feed(data)
            if request.complete:
                _verify(request, key)
                upstream = pool.pop() if pool else await trio.open_tcp_stream("127.0.0.1", upstream_port)
                await upstream.send_all(request.raw)
                answer = _Message(httptools.HttpResponseParser)
                while not answer.complete:
                    answer.feed(await upstream.receive_some(65536))
                pool.append(upstream)
                await stream.send_all(answer.raw)
                request = _Message()

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_tcp, converse, listen_port, host="127.0.0.1"))
        print("ready", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


class _Message:
    def __init__(self, parser: Any = httptools.HttpRequestParser) -> None:
        self.raw = b""
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False
        self._parser = parser(self)

    def feed(self, data: bytes) -> None:
        self.raw += data
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


_PARAMETER = re.compile(rb'([a-zA-Z]+)="([^"]*)"')


def _verify(request: _Message, key: rsa.RSAPublicKey) -> None:
    """Raises when the digest or the signature is wrong."""
    if request.headers[b"digest"] != b"SHA-256=" + base64.b64encode(hashlib.sha256(request.body).digest()):
        raise ValueError("digest")
    parameters = dict(_PARAMETER.findall(request.headers[b"signature"]))
    fields = {**request.headers, b"(request-target)": b"post " + request.target}
    text = b"\n".join(name + b": " + fields[name] for name in parameters[b"headers"].split())
    key.verify(base64.b64decode(parameters[b"signature"]), text, padding.PKCS1v15(), hashes.SHA256())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=["hypercorn-httpx", "bare-trio"])
    parser.add_argument("--listen-port", type=int, required=True)
    parser.add_argument("--upstream-port", type=int, required=True)
    parser.add_argument("--public-key", type=Path, help="PEM, for bare-trio")
    options = parser.parse_args()
    if options.name == "hypercorn-httpx":
        asyncio.run(hypercorn_httpx(options.listen_port, options.upstream_port))
    else:
        key = load_pem_public_key(options.public_key.read_bytes())
        assert isinstance(key, rsa.RSAPublicKey)
        trio.run(bare_trio, options.listen_port, options.upstream_port, key)


if __name__ == "__main__":
    main()
