"""Names to addresses. What comes out is only a claim of the name's owner: the guard judges every address of it."""

from __future__ import annotations

from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
import trio

from relayfilter.errors import ConfigError
from relayfilter.remote.messages import FetchFailed
from relayfilter.remote.settings import Endpoint, FetchSettings, read_endpoint

LIFETIME = 3.0
# Once one family has an answer, how long the other may still take: some name servers never answer for AAAA.
SECOND_FAMILY = 0.5


class Resolver(Protocol):
    async def resolve(self, host: str, port: int) -> tuple[Endpoint, ...] | FetchFailed:
        """All endpoints of `host` (ASCII, without a final dot), at least one, in the order to try. Bounded in time."""
        ...


class DnsResolver:
    """Asks the name servers of resolv.conf for A and AAAA, at the same time, without search domains or a cache.

    /etc/hosts is not read, so that a name of this machine's own network means nothing to strangers. How long to ask is
    the `lifetime` of `servers`.
    """

    def __init__(self, servers: dns.asyncresolver.Resolver) -> None:
        self._servers = servers

    async def resolve(self, host: str, port: int) -> tuple[Endpoint, ...] | FetchFailed:
        answers: dict[str, list[str]] = {}
        failures: list[FetchFailed] = []
        async with trio.open_nursery() as nursery:

            async def ask(kind: str) -> None:
                try:
                    answer = await self._servers.resolve(f"{host}.", kind)
                except dns.exception.DNSException as error:
                    failures.append(_failure(error))
                else:
                    answers[kind] = [record.to_text() for record in answer]
                    nursery.cancel_scope.deadline = trio.current_time() + SECOND_FAMILY

            nursery.start_soon(ask, "A")
            nursery.start_soon(ask, "AAAA")
        if answers:
            return tuple(Endpoint(address, port) for kind in ("A", "AAAA") for address in answers.get(kind, ()))
        return next((failure for failure in failures if failure.temporary), failures[0])


def _failure(error: dns.exception.DNSException) -> FetchFailed:
    lasting = isinstance(error, (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN))
    return FetchFailed("dns", f"{type(error).__name__}", temporary=not lasting)


class SystemResolver:
    """The C library's look-up, in trio's threads: nsswitch, /etc/hosts, search domains and all."""

    async def resolve(self, host: str, port: int) -> tuple[Endpoint, ...] | FetchFailed:
        with trio.move_on_after(LIFETIME):
            try:
                found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
            except trio.socket.gaierror as error:
                lasting = error.errno in (trio.socket.EAI_NONAME, trio.socket.EAI_NODATA)
                return FetchFailed("dns", str(error.strerror), temporary=not lasting)
            addresses = dict.fromkeys(str(address[0]) for *_, address in found)
            return tuple(Endpoint(address, port) for address in addresses)
        return FetchFailed("dns", f"no answer within {LIFETIME:g} s", temporary=True)


class StaticHosts:
    """The `hosts` of the testing settings, then whoever is asked otherwise."""

    def __init__(self, hosts: dict[str, str], otherwise: Resolver) -> None:
        self._hosts = hosts
        self._otherwise = otherwise

    async def resolve(self, host: str, port: int) -> tuple[Endpoint, ...] | FetchFailed:
        if (written := self._hosts.get(host)) is not None:
            return (read_endpoint(written, port),)
        return await self._otherwise.resolve(host, port)


def resolver_of(settings: FetchSettings) -> Resolver:
    """What the settings ask for. Raises ConfigError when the machine has no name servers."""
    resolver: Resolver = SystemResolver()
    if settings.resolver == "dns":
        try:
            servers = dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration as error:
            raise ConfigError(f"no name servers: {error}", file="/etc/resolv.conf") from error
        servers.lifetime = LIFETIME
        resolver = DnsResolver(servers)
    return StaticHosts(settings.testing.hosts, resolver) if settings.testing.hosts else resolver
