from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.activity.document import Activity, parse_activity
from relayfilter.activity.media_ref import MediaRef
from relayfilter.activity.media_refs import MAX_REFS, MAX_URL, MAX_URLS, find_media

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.txt"))
A, B = "https://a.example/one", "https://b.example/two"


def found(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    media = find_media(document)
    assert not media.truncated
    return [(ref.slot, ref.pointer, ref.url) for ref in media.refs]


def unreadable(document: dict[str, Any]) -> bool:
    return find_media(document).truncated


def resolve(document: Any, pointer: str) -> Any:
    """RFC 6901."""
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def described(activity: Activity) -> str:
    words = [activity.type, activity.object_type or "-", activity.object_id or "-"]
    words += [f"inner={activity.inner_actor}"] if activity.inner_actor else []
    words += [f"community={activity.community}"] if activity.community else []
    return " ".join([*words, "sensitive"] if activity.sensitive else words)


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden(file: Path) -> None:
    given, expected = file.read_text("utf-8").split("\n----\n")
    activity = parse_activity(given.encode())
    media = find_media(activity.document)
    assert not media.truncated
    lines = [described(activity), *(f"{ref.slot} {ref.pointer} {ref.url}" for ref in media.refs)]
    assert lines == expected.splitlines()
    for ref in media.refs:
        assert isinstance(resolve(activity.document, ref.pointer), str)


def test_there_is_a_golden_case_for_every_sender() -> None:
    names = " ".join(file.stem for file in GOLDEN)
    for sender in ("lemmy_0_19", "lemmy_1_0", "mastodon", "peertube", "mbin", "piefed", "wordpress"):
        assert sender in names


PLACES: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "Link": ({"attachment": [{"type": "Link", "href": A}]}, [("link", "/attachment/0/href", A)]),
    "Link to a picture by type": (
        {"attachment": [{"type": "Link", "href": A, "mediaType": "image/png"}]},
        [("attachment", "/attachment/0/href", A)],
    ),
    "Link to a video by type": (
        {"attachment": [{"type": "Link", "href": A, "mediaType": "video/mp4"}]},
        [("attachment", "/attachment/0/href", A)],
    ),
    "Link to a picture by name": (
        {"attachment": [{"type": "Link", "href": A + ".PNG?x=1#y"}]},
        [("attachment", "/attachment/0/href", A + ".PNG?x=1#y")],
    ),
    "Link with a picture's name in the query only": (
        {"attachment": [{"type": "Link", "href": A + "?x=.png"}]},
        [("link", "/attachment/0/href", A + "?x=.png")],
    ),
    "one object instead of an array": (
        {"attachment": {"type": "Document", "url": A}},
        [("attachment", "/attachment/url", A)],
    ),
    "Image that declares a page": (
        {"attachment": [{"type": "Image", "mediaType": "text/html", "url": A}]},
        [("attachment", "/attachment/0/url", A)],
    ),
    "Document that declares a page": (
        {"attachment": [{"type": "Document", "mediaType": "text/html", "url": A}]},
        [("link", "/attachment/0/url", A)],
    ),
    "Document that declares nothing": (
        {"attachment": [{"type": "Document", "url": A}]},
        [("attachment", "/attachment/0/url", A)],
    ),
    "something with href but no type": ({"attachment": [{"href": A}]}, [("attachment", "/attachment/0/href", A)]),
    "array of URLs": (
        {"attachment": [A, None, B]},
        [("attachment", f"/attachment/{n}", u) for n, u in ((0, A), (2, B))],
    ),
    "string": ({"attachment": A}, [("attachment", "/attachment", A)]),
    "icon of an attachment": (
        {"attachment": [{"type": "Audio", "mediaType": "audio/ogg", "url": A, "icon": {"type": "Image", "url": B}}]},
        [("link", "/attachment/0/url", A), ("icon", "/attachment/0/icon/url", B)],
    ),
    "Image on its own": ({"object": {"type": "Image", "url": A}}, [("attachment", "/object/url", A)]),
    "Document on its own": ({"object": {"type": "Document", "url": [A]}}, [("attachment", "/object/url/0", A)]),
    "relative": ({"icon": {"url": "/pictrs/1.png"}}, [("icon", "/icon/url", "/pictrs/1.png")]),
    "data URL": ({"image": {"url": "data:image/png;base64,AA"}}, [("image", "/image/url", "data:image/png;base64,AA")]),
    "members with special characters": (
        {"a/b": {"c~d": {"icon": A}}},
        [("icon", "/a~1b/c~0d/icon", A)],
    ),
    "Page url is its web page": ({"object": {"type": "Page", "id": A, "url": A, "name": "x"}}, []),
    "Note url is its web page": ({"object": {"type": "Note", "id": A, "url": B}}, []),
    "Video": ({"object": {"type": "Video", "id": A, "url": B}}, [("preview", "/object/id", A)]),
    "Video with an attachment": (
        {"object": {"type": "Video", "id": A, "attachment": [{"type": "Link", "href": B}]}},
        [("link", "/object/attachment/0/href", B)],
    ),
    "not media": (
        {
            "id": A + ".png",
            "actor": A + ".png",
            "to": [A + ".jpg"],
            "tag": [{"type": "Mention", "href": A + ".gif"}],
            "endpoints": {"sharedInbox": A + ".webp"},
            "thumbnail": A + ".png",
            "unknown": {"href": A + ".png", "url": A + ".png"},
        },
        [],
    ),
    "HTML content": ({"content": f"<img src='{A}'>"}, [("html", "/content", A)]),
    "Markdown content": (
        {"content": f"![]({A})", "mediaType": "text/markdown"},
        [("markdown", "/content", A)],
    ),
    "HTML in content that is declared Markdown": (
        {"content": f"`<img src='{A}'>`", "mediaType": "text/markdown"},
        [("html", "/content", A)],
    ),
    "Markdown in content that is declared HTML": ({"content": f"<p>![]({A})"}, [("markdown", "/content", A)]),
    "summary": ({"summary": f"<img src='{A}'>"}, [("html", "/summary", A)]),
    "contentMap": ({"contentMap": {"de/AT": f"<img src='{A}'>"}}, [("html", "/contentMap/de~1AT", A)]),
    "summaryMap": ({"summaryMap": {"de": f"<img src='{A}'>"}}, [("html", "/summaryMap/de", A)]),
    "source": ({"source": {"content": f"![]({A})"}}, [("markdown", "/source/content", A)]),
    "source of another kind": (
        {"source": {"content": f"![]({A})", "mediaType": "text/x.misskeymarkdown"}},
        [("markdown", "/source/content", A)],
    ),
    "source as the array of its fields": (
        {"source": [f"![]({A})", "text/markdown"]},
        [("markdown", "/source/0", A)],
    ),
    "title": ({"object": {"name": f"![]({A})"}}, [("markdown", "/object/name", A)]),
    "same picture in two places": (
        {"icon": A, "image": A},
        [("icon", "/icon", A), ("image", "/image", A)],
    ),
    "empty things": (
        {"icon": None, "image": {}, "attachment": [], "url": [], "content": "", "source": {}, "contentMap": {}},
        [],
    ),
}


@pytest.mark.parametrize(("document", "expected"), PLACES.values(), ids=PLACES)
def test_places(document: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert found(document) == expected


def test_depth_does_not_hide_anything() -> None:
    document: dict[str, Any] = {"attachment": [{"type": "Link", "href": A}]}
    for _ in range(5_000):
        document = {"object": document}
    assert [ref.url for ref in find_media(document).refs] == [A]


PASTED = {
    "a name that closes the label": ({"name": f"x]({B}) ![", "url": A}, ("/attachment/0/name", B)),
    "a name without blanks": ({"name": f"x]({B})", "url": A}, ("/attachment/0/name", B)),
    "a name that holds an image": ({"name": f"![]({B})", "url": A}, ("/attachment/0/name", B)),
    "a URL that closes the target": ({"url": f"{A})![]({B}"}, ("/attachment/0/url", B)),
    "a URL with a line break in it": ({"url": f"{A})!\n[]({B}"}, ("/attachment/0/url", B)),
    "a URL that is cut short": ({"url": f"{A})x"}, ("/attachment/0/url", A)),
    "a URL with an image in its path": ({"url": f"https://a.example/![]({B})"}, ("/attachment/0/url", B)),
}


@pytest.mark.parametrize(("attachment", "expected"), PASTED.values(), ids=PASTED)
def test_attachments_are_read_as_lemmy_pastes_them(attachment: dict[str, Any], expected: tuple[str, str]) -> None:
    refs = find_media({"attachment": [{"type": "Image", **attachment}]}).refs
    assert MediaRef("/attachment/0/url", attachment["url"], "attachment") in refs
    assert MediaRef(*expected, "markdown") in refs


@pytest.mark.parametrize(
    ("name", "url"),
    [("a (grey) heron [left]", A), ("", "https://a.example/File:Heron_(grey).jpg"), ("1 < 2 > 0 \\ x", A)],
)
def test_ordinary_names_and_urls_paste_as_one_picture(name: str, url: str) -> None:
    assert [ref.url for ref in find_media({"attachment": [{"type": "Image", "url": url, "name": name}]}).refs] == [url]


@pytest.mark.parametrize(
    "document",
    [
        {"attachment": [[A, None, "Link"]]},
        {"attachment": [[A]]},
        {"icon": ["Image", A]},
        {"image": [A, "relative.png"]},
        {"attachment": [17]},
        {"attachment": [{"type": "Document", "url": [[A]]}]},
    ],
)
def test_a_struct_as_the_array_of_its_fields_is_not_taken_for_read(document: dict[str, Any]) -> None:
    assert unreadable(document)


def test_many_urls_are_not_taken_for_all() -> None:
    links = [{"type": "Link", "href": f"{A}/{n}"} for n in range(MAX_URLS + 1)]
    assert not unreadable({"attachment": links[:-1]})
    assert unreadable({"attachment": links})


def test_many_references_to_one_url_are_not_taken_for_all() -> None:
    links = [{"type": "Link", "href": A}] * (MAX_REFS + 1)
    assert not unreadable({"attachment": links[:-1]})
    assert unreadable({"attachment": links})


def test_one_text_in_many_places_is_read_once() -> None:
    text = "[" * 2_000 + f"![]({A})"
    assert len(found({"x": [{"source": text} for _ in range(100)]})) == 100


def test_a_long_url_is_cut_so_that_it_cannot_be_fetched() -> None:
    (ref,) = find_media({"icon": "data:image/png;base64," + "A" * 100_000}).refs
    assert len(ref.url) == MAX_URL + 1
    assert ref.url.endswith("\N{HORIZONTAL ELLIPSIS}")
    assert find_media({"icon": "https://" + "a" * (MAX_URL - 8)}).refs[0].url.endswith("a")


ATTACKS = {
    "many nodes": {"x": [{"a": [1]}] * 20_000},
    "many names": {"x": [{"name": f"![a](b) {n}"} for n in range(4_000)]},
    "many tags": {"x": [{"content": f"<img src=a>{n}"} for n in range(4_000)]},
    "many texts that may hold Markdown": {"x": [{"content": f"& ! [ {n}"} for n in range(8_000)]},
    "many pastes": {"attachment": [{"type": "Image", "url": f"{A})", "name": f"]({n}"} for n in range(4_000)]},
    "many keys": {f"/~{n}": {} for n in range(20_000)},
}


@pytest.mark.parametrize("document", ATTACKS.values(), ids=ATTACKS)
def test_a_hostile_document_of_256_kib_does_not_take_for_ever(document: dict[str, Any]) -> None:
    started = time.process_time()
    find_media(document)
    assert time.process_time() - started < 5


# fmt: off
MEMBERS = st.sampled_from([
    "attachment", "icon", "image", "preview", "url", "href", "content", "source", "name", "summary", "contentMap",
    "mediaType", "type", "tag", "id", "object",
])
# fmt: on
TEXTS = st.text() | st.sampled_from(
    [
        "Image",
        "Link",
        "Video",
        "ChatMessage",
        "text/markdown",
        "image/png",
        A,
        f"![x]({A})",
        f"<img src={A}>",
        f"]({B})",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MEMBERS | st.text(max_size=3), inner, max_size=5),
    max_leaves=25,
)


@given(st.dictionaries(MEMBERS, JSON, max_size=6))
def test_never_raises_and_every_pointer_leads_to_a_string(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    for ref in find_media(document).refs:
        assert isinstance(resolve(document, ref.pointer), str)
    assert json.dumps(document) == before


PICTURE = st.integers(0, 10**6).map(lambda n: f"https://img.example/{n}.png")
SPELLINGS = st.sampled_from(
    ["![]({})", "<p><img src='{}'></p>", "[![x]({})](https://l.example)", "text ![a\nb]({} 'title')"]
)


@given(st.lists(st.tuples(MEMBERS, SPELLINGS, PICTURE), min_size=1, max_size=4), st.integers(0, 3))
def test_planted_pictures_are_found_where_they_stand(planted: list[tuple[str, str, str]], depth: int) -> None:
    texts = [spelling.format(url) for _, spelling, url in planted]
    document: dict[str, Any] = {"type": "Note", "content": "\n\n".join(texts), "mediaType": "text/markdown"}
    for _ in range(depth):
        document = {"type": "Announce", "object": document}
    refs = find_media(document).refs
    assert {url for _, _, url in planted} <= {ref.url for ref in refs}
    assert all(ref.url in resolve(document, ref.pointer) for ref in refs)
