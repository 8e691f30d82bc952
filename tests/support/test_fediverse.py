from __future__ import annotations

import io
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from PIL import Image

from tests.support import world_answers as answers
from tests.support.fediverse import Fediverse
from tests.support.world_actors import Actor, Software

Get = Callable[..., Awaitable[httpx.Response]]


def run(scenario: Callable[[Fediverse, Get], Awaitable[None]]) -> None:
    """`get(url)` is an httpx client's: it trusts the fediverse's authority and finds its hosts as the daemon does."""

    async def main() -> None:
        with trio.fail_after(20):
            async with (
                Fediverse() as fediverse,
                httpx.AsyncClient(verify=fediverse.client_context(), trust_env=False) as client,
            ):

                async def get(url: str, **options: Any) -> httpx.Response:
                    asked = httpx.URL(url)
                    address, port = fediverse.hosts[asked.host].split(":")
                    there = asked.copy_with(host=address, port=int(port))
                    named: dict[str, Any] = {
                        "headers": {"Host": asked.host},
                        "extensions": {"sni_hostname": asked.host},
                    }
                    return await client.get(there, **named, **options)

                await scenario(fediverse, get)

    trio.run(main)


async def tls_to(
    fediverse: Fediverse, host: str, *, pretend: str | None = None, context: ssl.SSLContext | None = None
) -> trio.SSLStream[trio.SocketStream]:
    """TLS to `host`, asking for the certificate of `pretend`."""
    return trio.SSLStream(
        await trio.open_tcp_stream("127.0.0.1", fediverse[host].server.port),
        context or fediverse.client_context(),
        server_hostname=pretend or host,
        https_compatible=True,
    )


def test_serves_pictures_over_tls_and_counts() -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        beta = fediverse["beta.example"]
        url = beta.add_image("/media/1.webp", b"picture", "image/webp")
        assert url == "https://beta.example/media/1.webp"
        for expected in (1, 2):
            response = await get(url)
            assert (response.status_code, response.content) == (200, b"picture")
            assert response.headers["content-type"] == "image/webp"
            assert beta.requests == {"/media/1.webp": expected}
        assert (await get("https://beta.example/media/2.webp")).status_code == 404
        assert (beta.requests["/media/2.webp"], fediverse["alpha.example"].requests) == (1, {})
        assert b"\r\nHost: beta.example\r\n" in beta.server.heads[0]

    run(scenario)


@pytest.mark.parametrize("pretend", ["beta.example", "127.0.0.1"])
def test_each_host_has_a_certificate_for_its_own_name_only(pretend: str) -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        async with await tls_to(fediverse, "alpha.example", pretend=pretend) as stream:
            with pytest.raises(trio.BrokenResourceError):
                await stream.do_handshake()

    run(scenario)


def test_nobody_else_trusts_its_authority() -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        async with await tls_to(fediverse, "alpha.example", context=ssl.create_default_context()) as stream:
            with pytest.raises(trio.BrokenResourceError):
                await stream.do_handshake()
        assert fediverse["alpha.example"].requests == {}

    run(scenario)


KEY_PLACES: list[tuple[Software, str, str]] = [
    ("mastodon", "/users/0", "https://alpha.example/users/0#main-key"),
    ("lemmy", "/u/0", "https://alpha.example/u/0#main-key"),
    ("gotosocial", "/users/0/main-key", "https://alpha.example/users/0/main-key"),
    ("misskey", "/users/0/publickey", "https://alpha.example/users/0/publickey"),
    ("wordpress", "/?author=0", "https://alpha.example/?author=0#main-key"),
]


@pytest.mark.parametrize(("software", "path", "key_id"), KEY_PLACES)
def test_publishes_keys_where_each_software_does(software: Software, path: str, key_id: str) -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        actor = fediverse["alpha.example"].actor("0", software=software)
        assert actor.key_id == key_id
        response = await get(key_id)
        assert response.headers["content-type"].startswith("application/activity+json")
        document = response.json()
        key = document.get("publicKey", document)
        assert (key["id"], key["owner"]) == (key_id, actor.id)
        assert load_pem_public_key(key["publicKeyPem"].encode()) == fediverse.key_of(actor.id)
        assert document["id"] == (key_id if software == "misskey" else actor.id)
        assert fediverse["alpha.example"].requests == {path: 1}
        assert (await get(actor.id)).json()["publicKey"]["id"] == key_id

    run(scenario)


def test_rotation_changes_the_published_key_and_the_database() -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        actor = fediverse["alpha.example"].actor("technology", kind="Group", software="lemmy")
        assert actor.id == "https://alpha.example/c/technology"
        before = (await get(actor.id)).json()["publicKey"], fediverse.key_of(actor.id)
        actor.rotate()
        after = (await get(actor.id)).json()["publicKey"], fediverse.key_of(actor.id)
        assert before[0]["id"] == after[0]["id"]
        assert before[0]["publicKeyPem"] != after[0]["publicKeyPem"]
        assert before[1] != after[1]

    run(scenario)


def test_keys_are_made_once_in_a_process() -> None:
    assert Actor("alpha.example", "alice").key is Actor("alpha.example", "alice").key
    assert Actor("alpha.example", "alice").key is not Actor("beta.example", "alice").key


def test_nobody_lives_here() -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        assert fediverse.key_of("https://alpha.example/users/nobody") is None

    run(scenario)


@pytest.mark.parametrize("status", [404, 410, 500, 503])
def test_failures(status: int) -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        url = fediverse["gamma.example"].add("/x", answers.reply(status=status))
        assert (await get(url)).status_code == status

    run(scenario)


def test_redirects() -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        url = fediverse["gamma.example"].add("/x", answers.redirect("http://127.0.0.1/private"))
        response = await get(url)
        assert (response.status_code, response.headers["location"]) == (302, "http://127.0.0.1/private")

    run(scenario)


def test_hangs_until_the_client_leaves() -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        gamma = fediverse["gamma.example"]
        url = gamma.add("/x", answers.hang())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(get, url)
            await gamma.wait_for("/x")
            nursery.cancel_scope.cancel()
        with pytest.raises(httpx.ReadTimeout):
            await get(url, timeout=0.1)

    run(scenario)


def test_drips() -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        url = fediverse["gamma.example"].add("/x", answers.drip(b"slow", 40, "image/png"))
        before = trio.current_time()
        assert (await get(url)).content == b"slow"
        assert trio.current_time() - before >= 3 / 40

    run(scenario)


def test_never_ends() -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        gamma = fediverse["gamma.example"]
        gamma.add("/x", answers.endless(b"\x89PNG", "image/png"))
        async with await tls_to(fediverse, gamma.name) as stream:
            await stream.send_all(b"GET /x HTTP/1.1\r\nHost: gamma.example\r\n\r\n")
            seen = 0
            while seen < 1_000_000:
                seen += len(received := await stream.receive_some())
                assert received

    run(scenario)


def test_gzip_bomb_is_a_thousandth_on_the_wire() -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        url = fediverse["gamma.example"].add("/x", answers.gzip_bomb(4_000_000, "application/activity+json"))
        response = await get(url)
        assert int(response.headers["content-length"]) < 5000
        assert len(response.content) == 4_000_000

    run(scenario)


def test_png_bomb_is_a_valid_picture() -> None:
    with Image.open(io.BytesIO(answers.png_bomb(1000))) as picture:
        picture.load()
        assert picture.size == (1000, 1000)
    assert len(answers.png_bomb(20_000)) < 100_000


@pytest.mark.parametrize("junk", [b"POST / HTTP/1.1\r\nHost: alpha.example\r\n\r\n", b"\0\0\r\n\r\n", b"GET / HT"])
def test_survives_what_is_no_get(junk: bytes) -> None:
    async def scenario(fediverse: Fediverse, get: Get) -> None:
        async with await tls_to(fediverse, "alpha.example") as stream:
            await stream.send_all(junk)
            await stream.transport_stream.send_eof()
            assert await stream.receive_some() == b""
        assert (await get("https://alpha.example/")).status_code == 404

    run(scenario)
