"""GET from strangers: within bounds, from public addresses only, into memory only.

Requests go straight to the guarded transport. httpx.AsyncClient is left out on purpose: it would keep cookies, ask the
environment for proxies, and read the Location of every redirect in its own way even when told not to follow. Here each
redirect is read as strictly as the first URL and goes through the guard again, and none leads from https to http.

One deadline stands over everything, since time limits of httpx are per read and bound nothing. Nothing is retried.
"""

from __future__ import annotations

import ssl
from contextlib import aclosing
from importlib.metadata import version
from types import TracebackType

import httpcore
import httpx
import msgspec
import trio

from relayfilter.remote.body import Body, Enough, Limits
from relayfilter.remote.messages import FetchFailed
from relayfilter.remote.resolver import Resolver, resolver_of
from relayfilter.remote.settings import FetchSettings
from relayfilter.remote.transport import Failed, GuardedBackend, GuardedTransport, HungUp, Wire
from relayfilter.remote.url import Url, UrlRefused, UrlRules, read_redirect, read_url

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Fetched(msgspec.Struct, frozen=True):
    """A server's final answer. `url` is where redirects led; `body` is what had arrived when `enough` was satisfied,
    else all of it. Content-Type is printable ASCII, at most 200 characters, empty when there was none."""

    url: str
    status: int
    content_type: str
    body: bytes


class _Moved(msgspec.Struct, frozen=True):
    location: bytes


class GuardedClient:
    """An async context manager; `get` may be called from many tasks at a time."""

    def __init__(self, settings: FetchSettings, resolver: Resolver | None = None) -> None:
        testing = settings.testing
        self._settings = settings
        self._rules = UrlRules(
            ports=frozenset({80, 443, *testing.allow_ports}),
            special_use_names=testing.active,
            addresses=testing.networks(),
        )
        self._transport = GuardedTransport(
            GuardedBackend(resolver or resolver_of(settings), testing.networks()), _ssl_context(testing.ca_file)
        )
        self._headers = {"User-Agent": user_agent(settings), "Accept-Encoding": "identity", "Connection": "close"}

    async def __aenter__(self) -> GuardedClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    def read(self, url: str) -> Url | FetchFailed:
        """`url` as `get` will understand it."""
        read = read_url(url, self._rules)
        return FetchFailed("url", read.detail, temporary=False) if isinstance(read, UrlRefused) else read

    async def get(
        self,
        url: str,
        *,
        accept: str,
        max_bytes: int,
        deadline: float,
        gzip: bool = False,
        enough: Enough | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Fetched | FetchFailed:
        """GET `url` and where it redirects to, at most `max_bytes` of body within `deadline` seconds in all.

        Every status is an answer. With `gzip` a body that is compressed although we asked for none is decompressed
        (`max_bytes` bounds both forms), otherwise it is refused. `headers` go to `url` itself and are never forwarded,
        since they may hold a signature that is meant for it alone. Reasons: `url`, `dns`, `private-address`, `connect`,
        `tls`, `disconnected`, `protocol`, `redirects`, `downgrade`, `encoding`, `too-large`, `too-slow`, `timeout`.
        """
        with trio.move_on_after(deadline):
            try:
                return await self._follow(url, accept, headers, Limits(max_bytes, gzip, enough))
            except Failed as failed:
                return failed.failure
            except (httpcore.ReadError, httpcore.WriteError) as error:
                return FetchFailed("disconnected", _printable(str(error)), temporary=True)
            except (httpcore.RemoteProtocolError, httpcore.LocalProtocolError) as error:
                return FetchFailed("protocol", _printable(str(error)), temporary=False)
        return FetchFailed("timeout", f"no whole answer within {deadline:g} s", temporary=True)

    async def _follow(
        self, url: str, accept: str, headers: tuple[tuple[str, str], ...], limits: Limits
    ) -> Fetched | FetchFailed:
        at = read_url(url, self._rules)
        for _ in range(self._settings.max_redirects + 1):
            if isinstance(at, UrlRefused):
                return FetchFailed("url", at.detail, temporary=False)
            answer = await self._ask(at, {"Accept": accept, **dict(headers)}, limits)
            if not isinstance(answer, _Moved):
                return answer
            headers = ()
            try:
                location = answer.location.decode("utf-8")
            except UnicodeDecodeError:
                return FetchFailed("url", "a redirect that is not UTF-8", temporary=False)
            before, at = at, read_redirect(at, location, self._rules)
            if isinstance(at, Url) and before.scheme == "https" and at.scheme == "http":
                return FetchFailed("downgrade", f"https to http, at {before.host}", temporary=False)
        return FetchFailed("redirects", f"more than {self._settings.max_redirects}", temporary=False)

    async def _ask(self, url: Url, headers: dict[str, str], limits: Limits) -> Fetched | FetchFailed | _Moved:
        # httpx would make a Host of its own, and fail at names that IDNA 2008 does not know.
        request = httpx.Request("GET", str(url), headers={"Host": url.authority, **self._headers, **headers})
        async with aclosing(await self._transport.handle_async_request(request)) as response:
            if response.status_code < 200:
                return FetchFailed("protocol", f"status {response.status_code}", temporary=False)
            if response.status_code in _REDIRECTS and (locations := _values(response, b"location")):
                if len(locations) > 1:
                    return FetchFailed("redirects", "more than one Location", temporary=False)
                return _Moved(locations[0])
            content_type = _printable(b", ".join(_values(response, b"content-type")).decode("latin-1"))
            body = Body(limits, response.status_code, content_type)
            body.begin(_values(response, b"content-encoding"), _values(response, b"content-length"))
            if not body.done:
                await self._read(response, body)
            return body.failure or Fetched(str(url), response.status_code, content_type, bytes(body.data))

    async def _read(self, response: httpx.Response, body: Body) -> None:
        """Into `body` until that has enough, at no less than the agreed pace."""
        wire: Wire = response.extensions["network_stream"]
        started = trio.current_time()
        with trio.CancelScope(deadline=started + self._settings.slow_after) as pace:
            try:
                async for part in response.aiter_raw():
                    if not body.done:
                        body.take(part)
                    if body.done:
                        wire.hang_up()
                    pace.deadline = started + self._settings.slow_after + wire.body / self._settings.min_rate
                body.end()
            except HungUp:
                pass
            except httpcore.RemoteProtocolError:
                if not wire.ended:
                    raise
                raise Failed(FetchFailed("disconnected", "the body broke off", temporary=True)) from None
        if pace.cancelled_caught:
            slow = f"{wire.body} bytes of body in {trio.current_time() - started:.1f} s"
            raise Failed(FetchFailed("too-slow", slow, temporary=True))


def user_agent(settings: FetchSettings) -> str:
    contact = f" (+{settings.contact})" if settings.contact else ""
    return f"relayfilter/{version('relayfilter')}{contact}"


def _ssl_context(ca_file: str | None) -> ssl.SSLContext:
    """The public certificate authorities as packaged with httpx, or those of `ca_file` alone."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context(trust_env=False)


def _values(response: httpx.Response, name: bytes) -> list[bytes]:
    return [value for key, value in response.headers.raw if key.lower() == name]


def _printable(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text[:200])
