"""The one door to strangers: an httpx transport on an httpcore pool whose sockets are opened here and nowhere else.

httpcore asks a network backend for every connection and speaks HTTP/1.1 (h11) over the stream that it gets. So the
rules stand below everything that a server can influence:

- A name is resolved once, by us. Unless every address of the answer may be reached, none is (one public address beside
  a private one is what rebinding looks like). The connection goes to the literal address that was judged; TLS and Host
  keep the name; the peer is compared once more when the connection stands.
- Bytes beyond those of the body are bounded (`OVERHEAD`, and a little in proportion to the body): that ends endless
  1xx answers, header floods, chunk extensions and one-byte chunks, and with them the time that h11 spends between two
  reads, which no deadline can interrupt.
- No HTTP/2, no proxy, no connection kept, nothing retried.

httpcore reads through nested generators. Leaving them half-way would leave them to the garbage collector, so who wants
no more of a body says `hang_up()` and reads on: the next read from the socket then ends every layer in turn.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx
import trio

from relayfilter.remote.address_guard import AddressRefused, IPNetwork, check_address
from relayfilter.remote.messages import FetchFailed
from relayfilter.remote.resolver import Resolver
from relayfilter.remote.settings import Endpoint

CONNECT_TIMEOUT = 3.0
MAX_ATTEMPTS = 3
OVERHEAD = 64 * 1024
OVERHEAD_SHARE = 32


class Failed(Exception):
    """Carries a failure through httpcore and httpx, up to the client that returns it as a value."""

    def __init__(self, failure: FetchFailed) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class HungUp(Exception):
    """The reader said `hang_up()`."""


class Wire(httpcore.AsyncNetworkStream):
    """A connection to a stranger. `body` is what the reader of the answer has had of it, in bytes."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._hung_up = False
        self.received = 0
        self.body = 0
        self.ended = False

    def hang_up(self) -> None:
        """Read no more: the next read raises HungUp."""
        self._hung_up = True

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._hung_up:
            raise HungUp
        if self.received - self.body > OVERHEAD + self.body // OVERHEAD_SHARE:
            raise Failed(FetchFailed("protocol", "too much around the body", temporary=False))
        data = await self._stream.read(max_bytes, timeout)
        self.received += len(data)
        self.ended = not data
        if self.ended and self.received == 0:
            raise httpcore.ReadError("closed without an answer")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Wire:
        try:
            return Wire(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except httpcore.ConnectError as error:
            raise Failed(_tls_failure(error)) from error
        except trio.Cancelled:
            # httpcore closes after other failures, but not after this one.
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to addresses that strangers may name, and to `allowed` ones (settings for tests)."""

    def __init__(
        self,
        resolver: Resolver,
        allowed: tuple[IPNetwork, ...] = (),
        sockets: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._sockets = sockets or httpcore.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's signature
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> Wire:
        failure = None
        for endpoint in (await self._permitted(host, port))[:MAX_ATTEMPTS]:
            try:
                return Wire(await self._connect(endpoint))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = FetchFailed("connect", f"{endpoint.address} port {endpoint.port}: {error}", temporary=True)
        assert failure is not None
        raise Failed(failure)

    async def _permitted(self, host: str, port: int) -> tuple[Endpoint, ...]:
        endpoints = (Endpoint(host, port),) if _is_literal(host) else await self._resolver.resolve(host, port)
        if isinstance(endpoints, FetchFailed):
            raise Failed(endpoints)
        permitted = []
        for endpoint in endpoints:
            address = check_address(endpoint.address, self._allowed)
            if isinstance(address, AddressRefused):
                raise Failed(FetchFailed("private-address", address.detail, temporary=False))
            permitted.append(Endpoint(str(address), endpoint.port))
        if not permitted:
            raise Failed(FetchFailed("dns", "no address", temporary=False))
        return tuple(permitted)

    async def _connect(self, endpoint: Endpoint) -> httpcore.AsyncNetworkStream:
        stream = await self._sockets.connect_tcp(endpoint.address, endpoint.port, timeout=CONNECT_TIMEOUT)
        try:
            peer = stream.get_extra_info("server_addr")[0]
        except OSError as error:
            await stream.aclose()
            raise httpcore.ConnectError("reset at once") from error
        if ip_address(peer) != ip_address(endpoint.address):
            await stream.aclose()
            raise Failed(FetchFailed("private-address", f"{endpoint.address} turned out as {peer}", temporary=False))
        return stream


class GuardedTransport(httpx.AsyncBaseTransport):
    """Answers one httpx request over one connection. The response's extension `network_stream` is its Wire."""

    def __init__(self, backend: GuardedBackend, ssl_context: ssl.SSLContext) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context,
            network_backend=backend,
            max_connections=None,
            max_keepalive_connections=0,
            http1=True,
            http2=False,
            retries=0,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """A response's body, counted on its Wire."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response
        self._wire: Wire = response.extensions["network_stream"]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            self._wire.body += len(part)
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _tls_failure(error: httpcore.ConnectError) -> FetchFailed:
    """A certificate that does not fit is the server's lasting choice; a handshake that breaks off may go better."""
    broken = error.__cause__
    cause = broken.__cause__ if broken is not None else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return FetchFailed("tls", cause.verify_message, temporary=False)
    return FetchFailed("tls", getattr(cause, "reason", None) or "the handshake broke off", temporary=True)
