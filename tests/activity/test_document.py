from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.activity.document import MAX_DEPTH, MAX_URL, is_self_delete, parse_activity
from relayfilter.errors import MalformedRequest

ACTOR = "https://far.example/u/ann"
HEAD = b'"id":"https://far.example/a/1","type":"Create","actor":"https://far.example/u/ann"'


def body(**members: Any) -> bytes:
    return json.dumps({"id": "https://far.example/a/1", "type": "Create", "actor": ACTOR} | members).encode()


def nested(depth: int, opening: bytes, closing: bytes) -> bytes:
    """An activity whose deepest value is `depth` levels down, the root being the first."""
    return b"{" + HEAD + b',"x":' + opening * (depth - 1) + closing * (depth - 1) + b"}"


def refusal(raw: bytes) -> str:
    with pytest.raises(MalformedRequest) as caught:
        parse_activity(raw)
    assert caught.value.status == 400
    return caught.value.reason


MALFORMED = {
    "byte order mark": (b"\xef\xbb\xbf{" + HEAD + b"}", "bom"),
    "latin-1": (b"{" + HEAD + b',"name":"caf\xe9"}', "not-utf8"),
    "UTF-16": (b"{}".decode().encode("utf-16"), "not-utf8"),
    "UTF-16 without a mark": (b"{}".decode().encode("utf-16-le"), "not-json"),
    "surrogate in UTF-8 bytes": (b"{" + HEAD + b',"name":"\xed\xa0\x80"}', "not-utf8"),
    "overlong UTF-8": (b"{" + HEAD + b',"name":"\xc0\xaf"}', "not-utf8"),
    "empty": (b"", "not-json"),
    "cut off": (b"{" + HEAD, "not-json"),
    "two documents": (b"{" + HEAD + b"}{}", "not-json"),
    "trailing comma": (b"{" + HEAD + b",}", "not-json"),
    "comment": (b"{" + HEAD + b"/**/}", "not-json"),
    "single quotes": (b"{'id':1}", "not-json"),
    "bare line break in a string": (b"{" + HEAD + b',"name":"a\nb"}', "not-json"),
    "NUL in a string": (b"{" + HEAD + b',"name":"a\x00b"}', "not-json"),
    "bad escape": (b"{" + HEAD + b',"name":"\\x41"}', "not-json"),
    "leading zero": (b"{" + HEAD + b',"n":01}', "not-json"),
    "duplicate key": (b"{" + HEAD + b',"actor":"https://far.example/u/eve"}', "duplicate-key"),
    "duplicate key, escaped": (b"{" + HEAD + b',"\\u0061ctor":"https://far.example/u/eve"}', "duplicate-key"),
    "duplicate key far down": (b"{" + HEAD + b',"object":{"a":[{"b":1,"\\u0062":2}]}}', "duplicate-key"),
    "NaN": (b"{" + HEAD + b',"n":NaN}', "not-finite"),
    "Infinity": (b"{" + HEAD + b',"n":Infinity}', "not-finite"),
    "minus Infinity": (b"{" + HEAD + b',"n":[-Infinity]}', "not-finite"),
    "1e999": (b"{" + HEAD + b',"n":1e999}', "not-finite"),
    "-1e999": (b"{" + HEAD + b',"n":-1e999}', "not-finite"),
    "a million digits": (b"{" + HEAD + b',"n":' + b"9" * 1_000_000 + b"}", "number-too-long"),
    "lone high surrogate": (b"{" + HEAD + b',"name":"\\ud800"}', "lone-surrogate"),
    "lone low surrogate": (b"{" + HEAD + b',"name":"a\\uDfffb"}', "lone-surrogate"),
    "surrogates the wrong way round": (b"{" + HEAD + b',"name":"\\udc00\\ud800"}', "lone-surrogate"),
    "lone surrogate in a key": (b"{" + HEAD + b',"object":{"\\ud800":1}}', "lone-surrogate"),
    "arrays one too deep": (nested(MAX_DEPTH + 1, b"[", b"]"), "too-deep"),
    "objects one too deep": (nested(MAX_DEPTH + 1, b'{"a":', b"}").replace(b'"a":}', b'"a":{}}'), "too-deep"),
    "depth 1000": (nested(1000, b"[", b"]"), "too-deep"),
    "depth 100000": (b"[" * 100_000, "too-deep"),
    "array": (b"[{" + HEAD + b"}]", "not-an-object"),
    "string": (b'"{}"', "not-an-object"),
    "null": (b"null", "not-an-object"),
    "no id": (body(id=None), "id"),
    "id is no URL": (body(id="urn:uuid:1"), "id"),
    "id with a line break": (body(id="https://far.example/a\r\nx: y"), "id"),
    "id too long": (body(id="https://far.example/" + "a" * MAX_URL), "id"),
    "id in an object": (body(id={"id": "https://far.example/a/1"}), "id"),
    "no type": (body(type=None), "type"),
    "empty type": (body(type=""), "type"),
    "array of types": (body(type=["Create"]), "type"),
    "no actor": (body(actor=None), "actor"),
    "array of one actor": (body(actor=[ACTOR]), "actor"),
    "array of two actors": (body(actor=[ACTOR, ACTOR]), "actor"),
    "actor without id": (body(actor={"type": "Person"}), "actor"),
    "actor with two ids": (body(actor={"id": [ACTOR, ACTOR]}), "actor"),
    "actor is an acct": (body(actor="acct:ann@far.example"), "actor"),
    "actor over ftp": (body(actor="ftp://far.example/u/ann"), "actor"),
    "a struct as the array of its fields": (
        body(object=["Page", "https://far.example/post/1", "https://far.example/u/ann"]),
        "object-array",
    ),
    "the same inside an Announce": (
        body(type="Announce", object={"type": "Create", "object": ["Note", "https://far.example/1"]}),
        "object-array",
    ),
    "an array within the array": (body(object=[["Page"]]), "object-array"),
    "URLs and objects mixed": (body(object=["https://far.example/1", {}]), "object-array"),
}


@pytest.mark.parametrize(("raw", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_refuses_what_two_readers_could_read_differently(raw: bytes, reason: str) -> None:
    assert refusal(raw) == reason


WELL_FORMED = {
    "strange context": body(**{"@context": [None, 3, {"a": {"@id": []}}]}),
    "no context": body(),
    "long integer": b"{" + HEAD + b',"n":' + b"9" * 4000 + b"}",
    "surrogate pair": b"{" + HEAD + b',"name":"\\ud83d\\ude00"}',
    "backslash before u": b"{" + HEAD + b',"name":"\\\\ud800"}',
    "blanks around": b" \r\n\t{" + HEAD + b"} \n",
    "arrays as deep as allowed": nested(MAX_DEPTH, b"[", b"]"),
    "many brackets, not deep": body(x=[[]] * 1000),
    "same key in different objects": body(object={"id": "https://far.example/1", "tag": [{"id": 1}, {"id": 2}]}),
    "Flag of several": body(type="Flag", object=["https://far.example/u/1", "https://far.example/post/2"]),
    "array of objects": body(object=[{"type": "Note"}]),
    "empty array": body(object=[]),
    "unhashable inner type": body(object={"type": ["Note"], "object": {}}),
}


@pytest.mark.parametrize("raw", WELL_FORMED.values(), ids=WELL_FORMED)
def test_accepts(raw: bytes) -> None:
    activity = parse_activity(raw)
    assert (activity.raw, activity.actor) == (raw, ACTOR)
    assert activity.document == json.loads(raw)


def test_the_actor_may_be_an_object_with_an_id() -> None:
    assert parse_activity(body(actor={"id": ACTOR, "type": "Person"})).actor == ACTOR


def create(**page: Any) -> dict[str, Any]:
    return {
        "type": "Create",
        "actor": "https://far.example/u/bob",
        "object": {"type": "Page", "id": "https://p/1"} | page,
    }


# wrapped object -> object_id, object_type, inner_actor, sensitive
DESCRIBED: dict[str, tuple[dict[str, Any], tuple[str | None, str | None, str | None, bool]]] = {
    "nothing": ({}, (None, None, None, False)),
    "id only": ({"object": "https://p/1"}, ("https://p/1", None, None, False)),
    "page": ({"object": {"type": "Page", "id": "https://p/1", "sensitive": True}}, ("https://p/1", "Page", None, True)),
    "announce of a page's id": ({"type": "Announce", "object": "https://p/1"}, ("https://p/1", None, None, False)),
    "announce of a create": (
        {"type": "Announce", "object": create(sensitive=True)},
        ("https://p/1", "Page", "https://far.example/u/bob", True),
    ),
    "actor object inside": (
        {"type": "Announce", "object": create() | {"actor": {"id": "https://far.example/u/eve"}}},
        ("https://p/1", "Page", "https://far.example/u/eve", False),
    ),
    "undo of a like": (
        {"type": "Undo", "object": {"type": "Like", "actor": ACTOR, "object": "https://p/1"}},
        ("https://p/1", None, ACTOR, False),
    ),
    "a page cannot hide behind an object of its own": (
        {"object": {"type": "Page", "id": "https://p/1", "object": {"type": "Note", "id": "https://p/2"}}},
        ("https://p/1", "Page", None, False),
    ),
    "sensitive only when true": (
        {"object": {"type": "Page", "id": "https://p/1", "sensitive": "true"}},
        ("https://p/1", "Page", None, False),
    ),
    "sensitive on the wrapper does not count": (
        {"type": "Announce", "sensitive": True, "object": create()},
        ("https://p/1", "Page", "https://far.example/u/bob", False),
    ),
}


@pytest.mark.parametrize(("members", "expected"), DESCRIBED.values(), ids=DESCRIBED)
def test_describes_the_innermost_object(
    members: dict[str, Any], expected: tuple[str | None, str | None, str | None, bool]
) -> None:
    activity = parse_activity(body(**members))
    assert (activity.object_id, activity.object_type, activity.inner_actor, activity.sensitive) == expected


@pytest.mark.parametrize(
    ("members", "community"),
    [
        ({"type": "Announce", "audience": "https://c/2", "object": "https://p/1"}, ACTOR),
        ({"audience": "https://c/1", "object": {"audience": "https://c/2"}}, "https://c/1"),
        ({"object": {"audience": "https://c/2"}}, "https://c/2"),
        ({"audience": ["https://c/1"]}, None),
    ],
)
def test_community(members: dict[str, Any], community: str | None) -> None:
    assert parse_activity(body(**members)).community == community


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"type": "Delete", "object": ACTOR}, True),
        ({"type": "Delete", "object": {"id": ACTOR, "type": "Person"}}, True),
        ({"type": "Delete", "object": "https://far.example/u/bob"}, False),
        ({"type": "Delete", "object": {"type": "Create", "id": "https://p/1", "object": ACTOR}}, False),
        ({"type": "Update", "object": ACTOR}, False),
        ({"type": "Delete"}, False),
    ],
)
def test_self_delete(members: dict[str, Any], expected: bool) -> None:
    assert is_self_delete(parse_activity(body(**members))) is expected


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_only_ever_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_activity(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["id", "type", "actor", "object", "audience", "sensitive"]), JSON))
def test_arbitrary_members_are_read_or_malformed(members: dict[str, Any]) -> None:
    with contextlib.suppress(MalformedRequest):
        assert parse_activity(body(**members)).document == json.loads(body(**members))


@given(JSON)
def test_whatever_python_writes_is_read_back(value: Any) -> None:
    raw = body(x=value)
    if b"\\ud" in raw and not _is_encodable(value):
        assert refusal(raw) == "lone-surrogate"
    else:
        assert parse_activity(raw).document["x"] == value


def _is_encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
