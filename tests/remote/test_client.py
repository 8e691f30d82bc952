from __future__ import annotations

import gc
import gzip
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from relayfilter.remote.client import Fetched, GuardedClient
from relayfilter.remote.messages import FetchFailed
from relayfilter.remote.settings import Endpoint, FetchSettings
from relayfilter.remote.url import Url, UrlRules, read_url
from tests.support.servers import (
    Authority,
    Script,
    Server,
    answer,
    drips,
    fetch_settings,
    hangs,
    listening,
    redirect,
    routes,
    says,
    says_for_ever,
    serving,
)

NAME = "pictures.example"
URL = f"https://{NAME}/a.png"
PICTURE = bytes(range(256)) * 40
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(20):
            await test()

    trio.run(bounded)


async def get(client: GuardedClient, url: str = URL, **changes: Any) -> Fetched | FetchFailed:
    return await client.get(url, **{"accept": "image/*", "max_bytes": 100_000, "deadline": 5.0, **changes})


@asynccontextmanager
async def stranger(authority: Authority, script: Script, **changes: Any) -> AsyncIterator[tuple[Server, GuardedClient]]:
    """One TLS server called NAME, and a client that may reach it."""
    async with (
        serving(script, authority.server(NAME)) as server,
        GuardedClient(fetch_settings(authority, {NAME: server}, **changes)) as client,
    ):
        yield server, client


def ask_once(authority: Authority, script: Script, *, settings: dict[str, Any] | None = None, **question: Any) -> Any:
    """What one question to a server with that script comes to."""
    results: list[Fetched | FetchFailed] = []

    async def ask() -> None:
        async with stranger(authority, script, **(settings or {})) as (_, client):
            results.append(await get(client, **question))

    run(ask)
    return results[0]


# What is sent, and to whom


def test_a_picture_is_fetched_whole(authority: Authority) -> None:
    fetched = ask_once(authority, says(answer(PICTURE)))
    assert fetched == Fetched(URL, 200, "image/png", PICTURE)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_picture_arrives_in_small_parts(authority: Authority, size: int) -> None:
    body = PICTURE[:1500] if size == 1 else PICTURE
    whole = answer(body)
    parts = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert ask_once(authority, says(*parts)).body == body


def test_chunked_and_closed_bodies_are_whole(authority: Authority) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (PICTURE[:5000], PICTURE[5000:])) + b"0\r\n\r\n"
    assert ask_once(authority, says(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)).body == PICTURE
    assert ask_once(authority, says(OK + b"Connection: close\r\n\r\n" + PICTURE)).body == PICTURE


def test_server_name_and_host_are_the_name(authority: Authority) -> None:
    async def test() -> None:
        async with stranger(authority, says(answer(PICTURE)), contact="https://lemmy.example") as (server, client):
            await get(client, f"https://{NAME}/dir/a.png?x=%zz&y=é#fragment", accept="image/*, */*;q=0.1")
        assert server.server_names == [NAME]
        lines = server.heads[0].split(b"\r\n")
        assert lines[0] == b"GET /dir/a.png?x=%zz&y=%C3%A9 HTTP/1.1"
        assert set(lines[1:-2]) == {
            b"Host: pictures.example",
            b"Accept: image/*, */*;q=0.1",
            b"Accept-Encoding: identity",
            b"Connection: close",
            b"User-Agent: relayfilter/0.1.0 (+https://lemmy.example)",
        }

    run(test)


def test_extra_headers_go_to_the_first_server_only(authority: Authority) -> None:
    async def test() -> None:
        moved = routes({"/a.png": says(redirect("/b.png")), "/b.png": says(answer(PICTURE))})
        async with stranger(authority, moved) as (server, client):
            fetched = await get(client, headers=(("Date", "today"), ("Signature", "ours")))
        assert isinstance(fetched, Fetched)
        assert fetched.url == f"https://{NAME}/b.png"
        first, second = (set(head.split(b"\r\n")[1:-2]) for head in server.heads)
        assert first - second == {b"Date: today", b"Signature: ours"}
        assert second - first == set()

    run(test)


def test_extra_headers_cannot_begin_another_line(authority: Authority) -> None:
    failed = ask_once(authority, says(answer(PICTURE)), headers=(("Date", "today\r\nX: y"),))
    assert isinstance(failed, FetchFailed)
    assert failed.reason == "protocol"


@pytest.mark.parametrize(
    ("written", "name", "certified"),
    [
        ("bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("FAß.example.", "xn--fa-hia.example", "xn--fa-hia.example"),
        ("xn--i-7iq.hearts.example", "xn--i-7iq.hearts.example", "*.hearts.example"),
    ],
)
def test_international_names(authority: Authority, written: str, name: str, certified: str) -> None:
    async def test() -> None:
        async with (
            serving(says(answer(PICTURE)), authority.server(certified)) as server,
            GuardedClient(fetch_settings(authority, {name: server})) as client,
        ):
            assert await get(client, f"https://{written}/") == Fetched(f"https://{name}/", 200, "image/png", PICTURE)
        assert server.server_names == [name]
        assert f"\r\nHost: {name}\r\n".encode() in server.heads[0]

    run(test)


@pytest.mark.parametrize("spelling", ["/x{}y", "/?x{}y", "?{}", "/{}", "//{}//"])
def test_httpx_asks_for_what_was_read(spelling: str) -> None:
    read = 0
    for character in map(chr, range(0x21, 0x180)):
        url = read_url(f"https://a.org{spelling.format(character)}", UrlRules())
        if isinstance(url, Url):
            read += 1
            asked = httpx.URL(str(url))
            assert asked.raw_path == url.target.encode("ascii")
            assert (asked.raw_scheme, asked.raw_host, asked.port) == (b"https", b"a.org", None)
    assert read > 100


def test_no_proxy_netrc_or_authority_from_the_environment(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def test() -> None:
        async with serving(hangs()) as proxy, serving(says(answer(PICTURE))) as plain:
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://{proxy.endpoint}")
                monkeypatch.setenv(name.lower(), f"http://{proxy.endpoint}")
            netrc = tmp_path / "netrc"
            netrc.write_text(f"machine {NAME} login me password secret\n")
            monkeypatch.setenv("NETRC", str(netrc))
            async with stranger(authority, says(answer(PICTURE))) as (server, client):
                assert isinstance(await get(client), Fetched)
            async with GuardedClient(fetch_settings(authority, {NAME: plain})) as client:
                assert isinstance(await get(client, f"http://{NAME}/"), Fetched)
        assert proxy.connections == 0
        assert b"uthorization" not in server.heads[0] + plain.heads[0]

    run(test)


def test_cookies_are_not_kept(authority: Authority) -> None:
    cookies = ("Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Domain=pictures.example; Max-Age=9999")

    async def test() -> None:
        async with stranger(authority, says(answer(PICTURE, "image/png", *cookies))) as (server, client):
            await get(client)
            await get(client)
        assert len(server.heads) == 2
        assert b"ookie" not in server.heads[1]

    run(test)


def test_each_question_has_a_connection_of_its_own_and_leaves_none(authority: Authority) -> None:
    async def test() -> None:
        async with stranger(authority, says(answer(PICTURE, "image/png", "Connection: keep-alive"))) as (
            server,
            client,
        ):
            await get(client)
            await get(client)
        assert server.connections == 2

    run(test)


# Addresses


class Scripted:
    """A resolver that gives the next answer of its script at every look-up."""

    def __init__(self, *answers: list[str], port: int = 9) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self._port = port

    async def resolve(self, host: str, port: int) -> tuple[Endpoint, ...] | FetchFailed:
        self.asked.append(host)
        return tuple(Endpoint(address, self._port) for address in self.answers.pop(0))


PRIVATE = [
    *("127.0.0.2", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0", "100.64.0.1", "224.0.0.1", "168.63.129.16"),
    *("::1", "::", "fe80::1", "fe80::1%lo", "fd00:ec2::254", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "ff02::1"),
    *("::ffff:10.0.0.1", "::ffff:169.254.169.254", "3fff::1", "2a00::5efe:a00:1", "nonsense", ""),
]


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("beside", [[], ["127.0.0.1"]])
def test_one_private_answer_refuses_all(authority: Authority, address: str, beside: list[str]) -> None:
    async def test() -> None:
        async with serving(hangs()) as server:
            for answers in ([address, *beside], [*beside, address]):
                resolver = Scripted(answers, port=server.port)
                async with GuardedClient(fetch_settings(authority, {NAME: server}), resolver) as client:
                    failure = await get(client)
                assert isinstance(failure, FetchFailed)
                assert (failure.reason, failure.temporary) == ("private-address", False)
        assert server.connections == 0

    run(test)


def test_without_testing_settings_loopback_is_out_of_reach() -> None:
    async def test() -> None:
        async with serving(hangs()) as server:
            for address in ("127.0.0.1", "::ffff:127.0.0.1"):
                async with GuardedClient(FetchSettings(), Scripted([address], port=server.port)) as client:
                    failure = await get(client, "http://pictures.org/")
                assert isinstance(failure, FetchFailed)
                assert failure.reason == "private-address"
            async with GuardedClient(FetchSettings(), Scripted()) as client:
                for url in (f"http://{server.endpoint}/", "http://127.0.0.1/", f"https://{NAME}/"):
                    failure = await get(client, url)
                    assert isinstance(failure, FetchFailed)
                    assert failure.reason == "url"
        assert server.connections == 0

    run(test)


def test_rebinding_changes_nothing_for_a_connection_and_is_caught_at_the_next(authority: Authority) -> None:
    async def test() -> None:
        async with serving(says(redirect("/b.png")), authority.server(NAME)) as server:
            resolver = Scripted(["127.0.0.1"], ["10.0.0.1"], port=server.port)
            async with GuardedClient(fetch_settings(authority, {NAME: server}), resolver) as client:
                failure = await get(client)
        assert isinstance(failure, FetchFailed)
        assert failure.reason == "private-address"
        assert resolver.asked == [NAME, NAME]
        assert len(server.heads) == 1

    run(test)


def test_the_next_address_is_tried_when_one_does_not_answer(authority: Authority) -> None:
    async def test() -> None:
        async with serving(says(answer(PICTURE)), authority.server(NAME)) as server:
            settings = fetch_settings(authority, {NAME: server})

            class Two:
                async def resolve(self, host: str, port: int) -> tuple[Endpoint, ...]:
                    return (Endpoint("127.0.0.1", 1), Endpoint("127.0.0.1", server.port))

            async with GuardedClient(settings, Two()) as client:
                assert isinstance(await get(client), Fetched)

    run(test)


def test_nobody_listens(authority: Authority) -> None:
    async def test() -> None:
        async with GuardedClient(fetch_settings(authority, {NAME: "127.0.0.1:1"})) as client:
            failure = await get(client)
        assert isinstance(failure, FetchFailed)
        assert (failure.reason, failure.temporary) == ("connect", True)

    run(test)


def test_a_name_without_addresses(authority: Authority) -> None:
    async def test() -> None:
        async with GuardedClient(fetch_settings(authority, {}), Scripted([])) as client:
            failure = await get(client)
        assert isinstance(failure, FetchFailed)
        assert failure.reason == "dns"

    run(test)


@pytest.mark.parametrize(
    "url",
    ["http://127.1/", f"https://me@{NAME}/", f"https://{NAME}\\@b.org/", f"https://{NAME}:22/", "ftp://a.org/", ""],
)
def test_an_evasive_url_asks_nobody(authority: Authority, url: str) -> None:
    async def test() -> None:
        resolver = Scripted()
        async with GuardedClient(fetch_settings(authority, {}), resolver) as client:
            failure = await get(client, url)
        assert isinstance(failure, FetchFailed)
        assert (failure.reason, failure.temporary) == ("url", False)
        assert resolver.asked == []

    run(test)


# Redirects


def test_a_chain_of_three_redirects(authority: Authority) -> None:
    script = routes(
        {
            "/a.png": says(redirect("b/c", "301 Moved Permanently")),
            "/b/c": says(redirect(f"//{NAME}/d?e", "307 Temporary Redirect")),
            "/d?e": says(redirect(f"https://{NAME}/end", "303 See Other")),
            "/end": says(answer(PICTURE)),
        }
    )
    assert ask_once(authority, script) == Fetched(f"https://{NAME}/end", 200, "image/png", PICTURE)


def test_a_fourth_redirect_is_not_followed(authority: Authority) -> None:
    async def test() -> None:
        async with stranger(authority, says(redirect(URL))) as (server, client):
            failure = await get(client)
        assert isinstance(failure, FetchFailed)
        assert (failure.reason, failure.temporary) == ("redirects", False)
        assert len(server.heads) == 4

    run(test)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data/", "url"),
        ("https://127.1/", "url"),
        ("//[::1]/", "url"),
        ("https://intranet.example/", "private-address"),
        ("//metadata.example/", "private-address"),
        ("file:///etc/passwd", "url"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "url"),
        (f"https://me@{NAME}/", "url"),
        (f"https://{NAME}:6379/", "url"),
        (f"http://{NAME}/", "downgrade"),
        ("/%2e%2e/", "url"),
        ("https://ｐictures.example/", "url"),
    ],
)
def test_a_redirect_must_pass_what_a_url_must(authority: Authority, location: str, reason: str) -> None:
    async def test() -> None:
        async with serving(says(redirect(location)), authority.server(NAME)) as server:
            hosts: dict[str, Server | str] = {
                NAME: server,
                "intranet.example": "10.0.0.1",
                "metadata.example": "169.254.169.254",
            }
            async with GuardedClient(fetch_settings(authority, hosts)) as client:
                failure = await get(client)
        assert isinstance(failure, FetchFailed)
        assert (failure.reason, failure.temporary) == (reason, False)
        assert len(server.heads) == 1

    run(test)


def test_http_may_lead_to_https(authority: Authority) -> None:
    async def test() -> None:
        async with (
            serving(says(redirect("https://secure.example/"))) as plain,
            serving(says(answer(PICTURE)), authority.server("secure.example")) as secure,
            GuardedClient(fetch_settings(authority, {NAME: plain, "secure.example": secure})) as client,
        ):
            assert isinstance(await get(client, f"http://{NAME}/"), Fetched)

    run(test)


def test_two_locations_and_one_that_is_not_text(authority: Authority) -> None:
    two = b"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
    assert ask_once(authority, says(two)) == FetchFailed("redirects", "more than one Location", temporary=False)
    bytes_only = b"HTTP/1.1 302 Found\r\nLocation: /\xff\r\nContent-Length: 0\r\n\r\n"
    assert ask_once(authority, says(bytes_only)).reason == "url"


def test_a_redirect_without_location_is_an_answer(authority: Authority) -> None:
    fetched = ask_once(authority, says(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"))
    assert fetched == Fetched(URL, 302, "", b"")


# Bounds


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HOSTILE: dict[str, tuple[Script, str, bool]] = {
    "announced too large": (hangs(OK + b"Content-Length: 100001\r\n\r\n"), "too-large", False),
    "announced absurdly": (hangs(OK + b"Content-Length: 99999999999999999999\r\n\r\n"), "too-large", False),
    "length that is none": (hangs(OK + b"Content-Length: -1\r\n\r\n"), "protocol", False),
    "two lengths": (hangs(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), "protocol", False),
    "shorter than announced": (says(OK + b"Content-Length: 10\r\n\r\nhello"), "disconnected", True),
    "chunks broken off": (says(CHUNKED + b"5\r\nhello\r\n"), "disconnected", True),
    "larger than the cap, unannounced": (says_for_ever(OK + b"\r\n", b"x" * 16384), "too-large", False),
    "endless chunks": (says_for_ever(CHUNKED, b"4000\r\n" + b"x" * 0x4000 + b"\r\n"), "too-large", False),
    "endless chunks of one byte": (says_for_ever(CHUNKED, b"1\r\nx\r\n" * 3000), "protocol", False),
    "endless chunk extension": (says_for_ever(CHUNKED + b"5;", b"x" * 16384), "protocol", False),
    "endless trailers": (says_for_ever(CHUNKED + b"0\r\n", b"A: b\r\n" * 1000), "protocol", False),
    "endless 1xx": (says_for_ever(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 500), "protocol", False),
    "endless headers": (says_for_ever(OK, b"A: b\r\n" * 1000), "protocol", False),
    "endless header": (says_for_ever(OK + b"A: ", b"b" * 16384), "protocol", False),
    "endless status line": (says_for_ever(b"HTTP/1.1 200 ", b"b" * 16384), "protocol", False),
    "switching protocols": (hangs(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), "protocol", False),
    "no HTTP": (hangs(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "protocol", False),
    "HTTP/0.9": (says(b"<html>hello</html>"), "protocol", False),
    "closed without an answer": (says(), "disconnected", True),
    "bare CR in a header": (hangs(OK + b"A: b\rC: d\r\n\r\n"), "protocol", False),
    "folded length": (hangs(OK + b"Content-Length:\r\n 5, 6\r\n\r\nhello"), "protocol", False),
    "unknown transfer encoding": (hangs(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n"), "protocol", False),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_answers_end_early(authority: Authority, attack: str) -> None:
    script, reason, temporary = HOSTILE[attack]

    async def test() -> None:
        async with stranger(authority, script) as (server, client):
            started = trio.current_time()
            failure = await get(client)
            assert isinstance(failure, FetchFailed)
            assert (failure.reason, failure.temporary) == (reason, temporary)
            assert failure.detail.isprintable()
            assert len(failure.detail) <= 200
            assert trio.current_time() - started < 2.0
            assert server.connections == 1

    run(test)


@pytest.mark.parametrize(
    "attack", ["endless 1xx", "endless chunks", "announced too large", "larger than the cap, unannounced"]
)
def test_the_connection_is_closed_when_it_is_enough(authority: Authority, attack: str) -> None:
    async def test() -> None:
        async with stranger(authority, HOSTILE[attack][0]) as (server, client):
            await get(client)
            await server.hung_up.wait()

    run(test)


def test_exactly_the_cap_is_allowed(authority: Authority) -> None:
    assert ask_once(authority, says(answer(PICTURE)), max_bytes=len(PICTURE)).body == PICTURE
    assert ask_once(authority, says(answer(PICTURE)), max_bytes=len(PICTURE) - 1).reason == "too-large"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (hangs(), "timeout"),
        (hangs(b"HTTP/1.1 200 OK\r\n"), "timeout"),
        (drips(b"", answer(PICTURE), 0.05), "timeout"),
        (hangs(OK + b"Content-Length: 9\r\n\r\n"), "too-slow"),
        (hangs(OK + b"Content-Length: 9\r\n\r\nhello"), "too-slow"),
        (drips(OK + b"Content-Length: 999\r\n\r\n", PICTURE, 0.01), "too-slow"),
    ],
)
def test_slow_answers_are_given_up(authority: Authority, script: Script, reason: str) -> None:
    async def test() -> None:
        async with stranger(authority, script, slow_after=0.2, min_rate=10_000) as (server, client):
            started = trio.current_time()
            failure = await get(client, deadline=0.6)
            assert isinstance(failure, FetchFailed)
            assert (failure.reason, failure.temporary) == (reason, True)
            assert trio.current_time() - started < 1.5
            await server.hung_up.wait()

    run(test)


def test_slow_but_fast_enough(authority: Authority) -> None:
    script = drips(OK + b"Content-Length: 40\r\n\r\n", PICTURE[:40], 0.01)
    fetched = ask_once(authority, script, settings={"slow_after": 0.2, "min_rate": 1})
    assert fetched.body == PICTURE[:40]


def test_the_deadline_covers_the_name_look_up_and_the_handshake(authority: Authority) -> None:
    class Never:
        async def resolve(self, host: str, port: int) -> FetchFailed:
            await trio.sleep_forever()
            raise AssertionError

    async def test() -> None:
        async with GuardedClient(fetch_settings(authority, {}), Never()) as client:
            failure = await get(client, deadline=0.1)
        assert isinstance(failure, FetchFailed)
        assert failure.reason == "timeout"

        async def say_nothing(_stream: trio.SocketStream) -> None:
            await trio.sleep_forever()

        async with (
            listening(say_nothing) as port,
            GuardedClient(fetch_settings(authority, {NAME: f"127.0.0.1:{port}"})) as client,
        ):
            failure = await get(client, deadline=0.2)
        assert isinstance(failure, FetchFailed)
        assert failure.reason == "timeout"
        gc.collect()  # a socket that was left open would warn now

    run(test)


def test_cancelling_closes_the_connection(authority: Authority) -> None:
    async def test() -> None:
        async with stranger(authority, hangs(OK + b"Content-Length: 9\r\n\r\n")) as (server, client):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(get, client)
                await server.asked.wait()
                nursery.cancel_scope.cancel()
            await server.hung_up.wait()

    run(test)


# Encodings


@pytest.mark.parametrize(
    "coding", ["gzip", "br", "deflate", "zstd", "compress", "identity, gzip", "GZIP", "x", "utf-8"]
)
def test_an_encoded_picture_is_refused(authority: Authority, coding: str) -> None:
    failure = ask_once(authority, hangs(answer(gzip.compress(PICTURE), "image/png", f"Content-Encoding: {coding}")))
    assert (failure.reason, failure.temporary) == ("encoding", False)


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_identity_is_no_encoding(authority: Authority, coding: str) -> None:
    assert ask_once(authority, says(answer(PICTURE, "image/png", f"Content-Encoding: {coding}"))).body == PICTURE


def test_a_document_sent_compressed_is_decompressed(authority: Authority) -> None:
    document = b'{"id": "https://a.org/"}' * 100
    compressed = answer(gzip.compress(document), "application/activity+json", "Content-Encoding: gzip")
    assert ask_once(authority, says(compressed), gzip=True).body == document
    assert ask_once(authority, says(*(bytes((byte,)) for byte in compressed)), gzip=True).body == document


def test_a_gzip_bomb_is_a_document_too_large(authority: Authority) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    failure = ask_once(authority, says(answer(bomb, "application/json", "Content-Encoding: gzip")), gzip=True)
    assert (failure.reason, failure.temporary) == ("too-large", False)


# TLS


def test_a_certificate_for_another_name(authority: Authority) -> None:
    async def test() -> None:
        async with (
            serving(hangs(), authority.server("other.example")) as server,
            GuardedClient(fetch_settings(authority, {NAME: server})) as client,
        ):
            failure = await get(client)
        assert isinstance(failure, FetchFailed)
        assert (failure.reason, failure.temporary) == ("tls", False)
        assert "match" in failure.detail
        assert server.heads == []

    run(test)


def test_a_certificate_of_a_stranger(authority: Authority, tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            serving(hangs(), Authority(tmp_path).server(NAME)) as server,
            GuardedClient(fetch_settings(authority, {NAME: server})) as client,
        ):
            failure = await get(client)
        assert isinstance(failure, FetchFailed)
        assert (failure.reason, failure.temporary) == ("tls", False)

    run(test)


def test_a_server_without_tls(authority: Authority) -> None:
    async def test() -> None:
        async def talk_first(stream: trio.SocketStream) -> None:
            await stream.send_all(answer(PICTURE))
            await stream.aclose()

        async with (
            listening(talk_first) as port,
            GuardedClient(fetch_settings(authority, {NAME: f"127.0.0.1:{port}"})) as client,
        ):
            failure = await get(client)
        assert isinstance(failure, FetchFailed)
        assert (failure.reason, failure.temporary) == ("tls", True)

    run(test)


# Statuses, and stopping early


@pytest.mark.parametrize(
    "status", ["404 Not Found", "410 Gone", "500 Internal Server Error", "429 Slow Down", "299 Odd"]
)
def test_every_status_is_an_answer(authority: Authority, status: str) -> None:
    fetched = ask_once(authority, says(answer(b"{}", "application/json", status=status)))
    assert fetched == Fetched(URL, int(status[:3]), "application/json", b"{}")


def test_1xx_before_the_answer_is_skipped(authority: Authority) -> None:
    assert ask_once(authority, says(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer(PICTURE))).body == PICTURE


def test_enough_at_the_head_reads_no_body(authority: Authority) -> None:
    asked: list[tuple[int, str, bytes]] = []

    def enough(status: int, content_type: str, first: bytes) -> bool:
        asked.append((status, content_type, first))
        return True

    unreadable = answer(b"x", "text/html", "Content-Encoding: br", status="404 Not Found")
    assert ask_once(authority, hangs(unreadable), enough=enough) == Fetched(URL, 404, "text/html", b"")
    assert asked == [(404, "text/html", b"")]


def test_enough_at_the_first_bytes_hangs_up(authority: Authority) -> None:
    async def test() -> None:
        async with stranger(authority, says_for_ever(OK + b"\r\n", b"x" * 1000)) as (server, client):
            fetched = await get(client, enough=lambda _status, _type, first: first.startswith(b"xx"))
            assert isinstance(fetched, Fetched)
            assert 2048 <= len(fetched.body) < 100_000
            await server.hung_up.wait()

    run(test)


def test_a_hostile_content_type_is_made_printable(authority: Authority) -> None:
    fetched = ask_once(authority, says(answer(b"", "image/\x1bpng".replace("\x1b", "\xe2\x80\xae") + "y" * 500)))
    assert fetched.content_type.isprintable()
    assert fetched.content_type.isascii()
    assert len(fetched.content_type) <= 200


def test_nothing_of_a_stranger_is_logged(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ask_once(authority, says(b"HTTP/1.1 200 OK\x1b[31m\r\nX: \x1b\r\n\r\n"))
    assert caplog.records == []
