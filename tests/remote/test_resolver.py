from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
import trio

from relayfilter.remote.messages import FetchFailed
from relayfilter.remote.resolver import DnsResolver, StaticHosts, SystemResolver, resolver_of
from relayfilter.remote.settings import Endpoint, FetchSettings, TestingSettings

Zone = Callable[[str, str], list[str] | dns.rcode.Rcode | None]
"""Name and type to records, an error, or silence."""


@asynccontextmanager
async def name_server(zone: Zone) -> AsyncIterator[tuple[DnsResolver, list[tuple[str, str]]]]:
    """A real name server on loopback, a resolver that asks it, and what it was asked."""
    asked: list[tuple[str, str]] = []
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        await socket.bind(("127.0.0.1", 0))

        async def answer() -> None:
            while True:
                data, client = await socket.recvfrom(4096)
                query = dns.message.from_wire(data)
                name, kind = str(query.question[0].name), dns.rdatatype.to_text(query.question[0].rdtype)
                asked.append((name, kind))
                found = zone(name, kind)
                if found is None:
                    continue
                response = dns.message.make_response(query)
                response.flags |= dns.flags.RA
                if isinstance(found, dns.rcode.Rcode):
                    response.set_rcode(found)
                elif found:
                    response.answer.append(dns.rrset.from_text_list(name, 60, "IN", kind, found))
                await socket.sendto(response.to_wire(), client)

        servers = dns.asyncresolver.Resolver(configure=False)
        servers.nameservers = ["127.0.0.1"]
        servers.port = socket.getsockname()[1]
        servers.lifetime = 0.8
        servers.search = [dns.name.from_text("search.example.")]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            yield DnsResolver(servers), asked
            nursery.cancel_scope.cancel()


def resolve(zone: Zone) -> tuple[tuple[Endpoint, ...] | FetchFailed, list[tuple[str, str]], float]:
    """What `a.org` resolves to, what was asked, and how many seconds it took."""

    async def ask() -> tuple[tuple[Endpoint, ...] | FetchFailed, list[tuple[str, str]], float]:
        async with name_server(zone) as (resolver, asked):
            started = time.monotonic()
            with trio.fail_after(10):
                found = await resolver.resolve("a.org", 443)
            return found, asked, time.monotonic() - started

    return trio.run(ask)


def test_every_address_of_both_families_is_told() -> None:
    records = {"A": ["192.0.2.1", "10.0.0.1"], "AAAA": ["2001:db8::1", "::1"]}
    found, asked, _ = resolve(lambda _name, kind: records[kind])
    assert isinstance(found, tuple)
    assert {endpoint.address for endpoint in found} == {"192.0.2.1", "10.0.0.1", "2001:db8::1", "::1"}
    assert {endpoint.port for endpoint in found} == {443}
    assert sorted(asked) == [("a.org.", "A"), ("a.org.", "AAAA")]


@pytest.mark.parametrize(("family", "address"), [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")])
@pytest.mark.parametrize("other", [[], dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN])
def test_one_family_is_enough(family: str, address: str, other: list[str] | dns.rcode.Rcode) -> None:
    found, _, _ = resolve(lambda _name, kind: [address] if kind == family else other)
    assert found == (Endpoint(address, 443),)


def test_a_family_that_never_answers_delays_little() -> None:
    found, _, seconds = resolve(lambda _name, kind: ["192.0.2.1"] if kind == "A" else None)
    assert found == (Endpoint("192.0.2.1", 443),)
    assert seconds < 2


@pytest.mark.parametrize(
    ("answer", "temporary"), [(dns.rcode.NXDOMAIN, False), ([], False), (dns.rcode.SERVFAIL, True), (None, True)]
)
def test_failures(answer: list[str] | dns.rcode.Rcode | None, temporary: bool) -> None:
    found, asked, seconds = resolve(lambda _name, _kind: answer)
    assert isinstance(found, FetchFailed)
    assert (found.reason, found.temporary) == ("dns", temporary)
    assert {name for name, _ in asked} == {"a.org."}, "a search domain was tried"
    assert seconds < 2


def test_the_system_knows_loopback_and_no_invalid_name() -> None:
    async def ask() -> None:
        found = await SystemResolver().resolve("localhost", 443)
        assert isinstance(found, tuple)
        assert "127.0.0.1" in {endpoint.address for endpoint in found}
        missing = await SystemResolver().resolve("name.invalid", 443)
        assert isinstance(missing, FetchFailed)
        assert missing.reason == "dns"

    trio.run(ask)


def test_static_hosts_come_first() -> None:
    async def ask() -> None:
        async with name_server(lambda _name, kind: ["192.0.2.9"] if kind == "A" else []) as (otherwise, _):
            resolver = StaticHosts(
                {"a.example": "127.0.0.1:8443", "b.example": "[::1]", "c.example": "127.0.0.2"}, otherwise
            )
            assert await resolver.resolve("a.example", 443) == (Endpoint("127.0.0.1", 8443),)
            assert await resolver.resolve("b.example", 80) == (Endpoint("::1", 80),)
            assert await resolver.resolve("c.example", 443) == (Endpoint("127.0.0.2", 443),)
            assert await resolver.resolve("a.example.org", 443) == (Endpoint("192.0.2.9", 443),)

    trio.run(ask)


def test_the_settings_choose() -> None:
    assert isinstance(resolver_of(FetchSettings()), DnsResolver)
    assert isinstance(resolver_of(FetchSettings(resolver="system")), SystemResolver)
    assert isinstance(
        resolver_of(FetchSettings(testing=TestingSettings(hosts={"a.example": "127.0.0.1"}))), StaticHosts
    )
