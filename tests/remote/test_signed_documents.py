from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from relayfilter.media.finding import MediaReport
from relayfilter.remote.actor_keys import ActorKeys
from relayfilter.remote.instance_actor import InstanceActor
from relayfilter.remote.messages import DocumentAnswer, FetchFailed, Pong
from relayfilter.remote.signed_documents import SignedDocuments
from relayfilter.signatures.result import ActorKey, KeyUnavailable
from tests.remote.fetching import fetch_service, is_signed_by, secure, settings_for
from tests.remote.test_actor_keys import MemoryCache
from tests.support.fediverse import Fediverse, Host
from tests.support.signing import keypair
from tests.support.world_answers import document, redirect, reply

OURS = InstanceActor(keypair("instance").private, domain="lemmy.test")  # type: ignore[arg-type]
STRANGER = InstanceActor(keypair("stranger").private, domain="lemmy.test")  # type: ignore[arg-type]
URL = "https://a.test/users/alice"
GONE_TO = "https://b.test/alice"
DAY = 24 * 3600

Statuses = dict[tuple[str, bool], int | str]


class Web:
    """Statuses by URL and by whether the question is signed; a text is a URL to which it redirects."""

    def __init__(self, statuses: Statuses) -> None:
        self.statuses = statuses
        self.asked: list[tuple[str, bool]] = []
        self.takes = 0.0

    async def fetch(
        self, url: str, *, accept: str, max_bytes: int, deadline: float, headers: tuple[tuple[str, str], ...] = ()
    ) -> DocumentAnswer | FetchFailed:
        assert deadline > 0
        await trio.sleep(self.takes)
        signed = bool(headers)
        self.asked.append((url, signed))
        status = self.statuses.get((url, signed), 404)
        while isinstance(status, str):
            url, signed = status, False
            status = self.statuses.get((url, signed), 404)
        if status == 0:
            return FetchFailed("timeout", "", temporary=True)
        return DocumentAnswer(url, status, "application/activity+json", b"{}")


def run(story: Callable[[], Awaitable[None]]) -> None:
    trio.run(story, clock=MockClock(autojump_threshold=0))


async def ask(documents: SignedDocuments, *, as_lemmy: bool = False, url: str = URL) -> int:
    answer = await documents.fetch(url, accept="x/y", max_bytes=100, deadline=5.0, as_lemmy=as_lemmy)
    return answer.status if isinstance(answer, DocumentAnswer) else 0


UNSIGNED, SIGNED = (URL, False), (URL, True)


@pytest.mark.parametrize(
    ("statuses", "as_lemmy", "questions", "result"),
    [
        ({UNSIGNED: 200, SIGNED: 200}, False, [UNSIGNED], 200),
        ({UNSIGNED: 401, SIGNED: 200}, False, [UNSIGNED, SIGNED], 200),
        ({UNSIGNED: 403, SIGNED: 200}, False, [UNSIGNED, SIGNED], 200),
        ({UNSIGNED: 404, SIGNED: 200}, False, [UNSIGNED, SIGNED], 200),
        ({UNSIGNED: 401, SIGNED: 401}, False, [UNSIGNED, SIGNED], 401),
        ({UNSIGNED: 401, SIGNED: 410}, False, [UNSIGNED, SIGNED], 410),
        ({UNSIGNED: 410, SIGNED: 200}, False, [UNSIGNED], 410),
        ({UNSIGNED: 503, SIGNED: 200}, False, [UNSIGNED], 503),
        ({UNSIGNED: 0, SIGNED: 200}, False, [UNSIGNED], 0),
        ({UNSIGNED: 200, SIGNED: 200}, True, [SIGNED], 200),
        ({UNSIGNED: 200, SIGNED: 401}, True, [SIGNED, UNSIGNED], 200),
        ({UNSIGNED: 200, SIGNED: 400}, True, [SIGNED, UNSIGNED], 200),
        ({UNSIGNED: 404, SIGNED: 404}, True, [SIGNED], 404),
        ({UNSIGNED: GONE_TO, (GONE_TO, False): 401, (GONE_TO, True): 200}, False, [UNSIGNED, (GONE_TO, True)], 200),
        ({SIGNED: GONE_TO, (GONE_TO, False): 401, (GONE_TO, True): 200}, True, [SIGNED, (GONE_TO, True)], 200),
    ],
)
def test_never_more_than_two_questions(
    statuses: Statuses, as_lemmy: bool, questions: list[tuple[str, bool]], result: int
) -> None:
    async def story() -> None:
        web = Web(statuses)
        assert await ask(SignedDocuments(web, OURS, time.time), as_lemmy=as_lemmy) == result
        assert web.asked == questions

    run(story)


def test_a_host_that_wants_signatures_is_remembered_for_hours() -> None:
    async def story() -> None:
        web = Web({UNSIGNED: 401, SIGNED: 200})
        documents = SignedDocuments(web, OURS, time.time, remembered_for=3600)
        for _ in range(3):
            assert await ask(documents) == 200
        assert web.asked == [UNSIGNED, SIGNED, SIGNED, SIGNED]
        web.statuses[SIGNED] = 404
        assert await ask(documents) == 404
        assert web.asked[4:] == [SIGNED]
        await trio.sleep(3600)
        await ask(documents)
        assert web.asked[5:] == [UNSIGNED, SIGNED]

    run(story)


def test_a_host_that_refuses_everybody_is_not_remembered() -> None:
    async def story() -> None:
        web = Web({UNSIGNED: 401, SIGNED: 401})
        documents = SignedDocuments(web, OURS, time.time)
        await ask(documents)
        await ask(documents)
        assert web.asked == [UNSIGNED, SIGNED] * 2

    run(story)


def test_the_second_question_has_only_the_rest_of_the_time() -> None:
    async def story() -> None:
        web = Web({UNSIGNED: 401, SIGNED: 200})
        documents = SignedDocuments(web, OURS, time.time)
        web.takes = 5.0
        assert await ask(documents) == 401
        assert web.asked == [UNSIGNED]

    run(story)


@pytest.mark.parametrize("as_lemmy", [False, True])
def test_without_an_actor_nothing_is_signed(as_lemmy: bool) -> None:
    async def story() -> None:
        web = Web({UNSIGNED: 401, SIGNED: 200})
        assert await ask(SignedDocuments(web, None, time.time), as_lemmy=as_lemmy) == 401
        assert web.asked == [UNSIGNED]

    run(story)


# Over real TLS, with a server that verifies


class NoPictures:
    async def inspect(self, data: bytes, *, deadline: float) -> MediaReport:
        raise AssertionError

    async def ping(self, deadline: float) -> Pong:
        raise AssertionError


def with_servers(path: Path, story: Callable[[Fediverse, SignedDocuments], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(20):
            async with (
                Fediverse() as fediverse,
                fetch_service(path, settings_for(fediverse), NoPictures()) as process,
            ):
                await story(fediverse, SignedDocuments(process, OURS, time.time))

    trio.run(main)


def heads(host: Host) -> list[bytes]:
    return host.server.heads


@pytest.mark.parametrize("software", ["mastodon", "gotosocial"])
@pytest.mark.parametrize(("signer", "found"), [(OURS, True), (STRANGER, False)], ids=["ours", "another-key"])
def test_the_key_of_an_actor_whose_server_is_in_secure_mode(
    tmp_path: Path, software: str, signer: InstanceActor, found: bool
) -> None:
    async def story(fediverse: Fediverse, documents: SignedDocuments) -> None:
        host = fediverse["alpha.example"]
        alice = host.actor("alice", software=software)  # type: ignore[arg-type]
        host.add(alice.path, secure(document(alice.document), signer.document))
        host.add(alice.key_path, secure(document(alice.key_document), signer.document))
        if alice.key_path == alice.path:
            host.add(alice.path, secure(document(alice.document), signer.document))
        key = await ActorKeys(documents, MemoryCache(), time.time).get(alice.key_id, alice.id, deadline=5.0)
        if found:
            assert isinstance(key, ActorKey)
            assert key.pem == alice.key.public_pem
        else:
            assert key == KeyUnavailable("key-refused", temporary=False)
        assert [b"Signature:" in head for head in heads(host)] == [False, True]

    with_servers(tmp_path, story)


def test_a_signature_does_not_leak_to_where_a_signed_question_is_redirected(tmp_path: Path) -> None:
    async def story(fediverse: Fediverse, documents: SignedDocuments) -> None:
        alpha, beta = fediverse["alpha.example"], fediverse["beta.example"]
        alpha.add("/post/1", redirect(beta.url("/post/1")))
        beta.add("/post/1", reply(b"{}", "application/activity+json"))
        answer = await documents.fetch(
            alpha.url("/post/1"), accept="application/activity+json", max_bytes=100, deadline=5.0, as_lemmy=True
        )
        assert isinstance(answer, DocumentAnswer)
        assert (answer.url, answer.status) == (beta.url("/post/1"), 200)
        assert [is_signed_by(head, OURS.document) for head in heads(alpha)] == [True]
        assert len(heads(beta)) == 1
        assert b"signature" not in heads(beta)[0].lower()
        assert b"\r\ndate:" not in heads(beta)[0].lower()

    with_servers(tmp_path, story)
