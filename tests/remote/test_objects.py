from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from relayfilter.errors import RemoteUnavailable
from relayfilter.remote.actor_keys import ACCEPT
from relayfilter.remote.messages import DocumentAnswer, FetchFailed
from relayfilter.remote.objects import MAX_DOCUMENT, ObjectUnavailable, RemoteObject, RemoteObjects

POST = "https://a.test/post/1"
JSON = "application/activity+json; charset=utf-8"
PAGE = {"id": POST, "type": "Page"}

Served = DocumentAnswer | FetchFailed | RemoteUnavailable | float


def served(content: Any, *, url: str = POST, content_type: str = JSON, status: int = 200) -> DocumentAnswer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return DocumentAnswer(url, status, content_type, body)


class Web:
    """What each URL serves; a number is a time to wait for nothing."""

    def __init__(self, pages: dict[str, Served]) -> None:
        self.pages = pages
        self.asked: list[str] = []

    async def fetch(
        self, url: str, *, accept: str, max_bytes: int, deadline: float, as_lemmy: bool = False
    ) -> DocumentAnswer | FetchFailed:
        assert (accept, max_bytes, as_lemmy) == (ACCEPT, MAX_DOCUMENT, True)
        assert 0 < deadline <= 5
        self.asked.append(url)
        answer = self.pages[url]
        if isinstance(answer, float):
            await trio.sleep(answer)
            raise AssertionError
        if isinstance(answer, RemoteUnavailable):
            raise answer
        return answer


def run(story: Callable[[], Awaitable[None]]) -> None:
    trio.run(story, clock=MockClock(autojump_threshold=0))


def get(pages: dict[str, Served], id: str = POST) -> tuple[RemoteObject | ObjectUnavailable, list[str]]:
    web = Web(pages)
    results = []

    async def story() -> None:
        objects = RemoteObjects(web, questions_per_host=10)
        results.append(await objects.get(id, deadline=trio.current_time() + 5))

    run(story)
    return results[0], web.asked


OTHER = "https://a.test/post/2"
NEW = {"id": OTHER, "type": "Page"}


@pytest.mark.parametrize(
    ("pages", "id", "asked"),
    [
        ({POST: served(PAGE)}, POST, [POST]),
        ({POST: served(PAGE, content_type="application/ld+json")}, POST, [POST]),
        ({POST: served(PAGE, content_type="APPLICATION/JSON")}, POST, [POST]),
        ({POST: served(NEW, url=OTHER)}, OTHER, [POST]),
        ({POST: served(PAGE, url="https://a.test/post/1.json")}, POST, [POST]),
        ({POST: served(NEW), OTHER: served(NEW, url=OTHER)}, OTHER, [POST, OTHER]),
        ({POST: served({"id": "https://b.test/1"}, url="https://b.test/1")}, "https://b.test/1", [POST]),
    ],
    ids=["plain", "ld", "json", "moved", "at-another-url", "by-another-id", "moved-to-another-host"],
)
def test_objects_as_lemmy_takes_them(pages: dict[str, Served], id: str, asked: list[str]) -> None:
    found, questions = get(pages)
    assert isinstance(found, RemoteObject)
    assert found.id == found.document["id"] == id
    assert questions == asked


def test_a_fragment_is_not_asked_for() -> None:
    found, asked = get({POST: served(PAGE | {"id": f"{POST}#it"})}, f"{POST}#it")
    assert isinstance(found, RemoteObject)
    assert asked == [POST]


def nothing(reason: str, *, temporary: bool = False, not_an_object: bool = False) -> ObjectUnavailable:
    return ObjectUnavailable(reason, "", temporary, not_an_object)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (FetchFailed("dns", "", temporary=False), nothing("dns")),
        (FetchFailed("timeout", "", temporary=True), nothing("timeout", temporary=True)),
        (RemoteUnavailable(""), nothing("filter-unavailable", temporary=True)),
        (served(PAGE, status=404), nothing("http-404")),
        (served(PAGE, status=410), nothing("http-410")),
        (served(PAGE, status=401), nothing("http-401")),
        (served(PAGE, status=429), nothing("http-429", temporary=True)),
        (served(PAGE, status=503), nothing("http-503", temporary=True)),
        (60.0, nothing("deadline", temporary=True)),
        (served(b"<html>", content_type="text/html"), nothing("wrong-type", not_an_object=True)),
        (served(PAGE, content_type=""), nothing("wrong-type", not_an_object=True)),
        (served(b"{"), nothing("not-json", not_an_object=True)),
        (served(b'{"id":"' + POST.encode() + b'","id":"x"}'), nothing("duplicate-key", not_an_object=True)),
        (served([PAGE]), nothing("not-an-object", not_an_object=True)),
        (served({"type": "Page"}), nothing("without-id", not_an_object=True)),
        (served({"id": {"id": POST}}), nothing("without-id", not_an_object=True)),
        (served({"id": "https://b.test/1"}), nothing("object-foreign-origin", not_an_object=True)),
        (served({"id": "http://a.test/post/1"}), nothing("object-foreign-origin", not_an_object=True)),
        (served(PAGE, url="https://b.test/copy"), nothing("object-foreign-origin", not_an_object=True)),
    ],
)
def test_what_is_no_object(answer: Served, expected: ObjectUnavailable) -> None:
    found, asked = get({POST: answer})
    assert isinstance(found, ObjectUnavailable)
    assert ObjectUnavailable(found.reason, "", found.temporary, found.not_an_object) == expected
    assert asked == [POST]


def test_an_object_that_is_always_elsewhere_is_asked_for_twice() -> None:
    third = {"id": "https://a.test/post/3"}
    found, asked = get({POST: served(NEW), OTHER: served(third, url=OTHER)})
    assert isinstance(found, ObjectUnavailable)
    assert found.reason == "object-id"
    assert asked == [POST, OTHER]


@pytest.mark.parametrize(
    ("id", "reason"),
    [
        ("http://a.test/post/1", "id-not-https"),
        ("https://127.0.0.1/post/1", "id-host"),
        ("https://a.test:8443/post/1", "id-port"),
        ("https://u@a.test/post/1", "id-userinfo"),
        ("urn:uuid:1", "id-not-https"),
        ("", "id-not-https"),
        (f"https://a.test/{'x' * 2000}", "id-too-long"),
    ],
)
def test_ids_that_are_never_asked_for(id: str, reason: str) -> None:
    assert get({}, id) == (ObjectUnavailable(reason), [])


def test_a_host_is_asked_only_so_often() -> None:
    async def story() -> None:
        pages: dict[str, Served] = {f"https://a.test/{n}": served({}, status=404) for n in range(50)}
        web = Web(pages)
        objects = RemoteObjects(web, questions_per_host=3)
        until = trio.current_time() + 5
        reasons = [await objects.get(url, deadline=until) for url in pages]
        assert len(web.asked) == 3
        assert reasons[3] == ObjectUnavailable("rate-limited", "a.test", temporary=True)
        await trio.sleep(4)
        await objects.get(next(iter(pages)), deadline=trio.current_time() + 5)
        assert len(web.asked) == 4

    run(story)
