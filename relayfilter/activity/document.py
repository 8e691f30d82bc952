"""What was said: the activity read from the bytes of a body, strictly, and never written back.

Two readers of one body must not read two things. Lemmy reads with serde_json into Rust structs, so whatever it and
this reader could take differently is refused with 400:

- bytes that are not UTF-8, a byte order mark, an unpaired surrogate, `NaN`, `Infinity`, a number too large to hold
- a member name that occurs twice in one object, in whatever spelling (`"id"` and `"i\\u0064"` are one name)
- nesting deeper than MAX_DEPTH (serde_json stops at 128)
- members in shapes that serde reads and others do not: structs as arrays, enums as objects, ids with blanks (shapes.py)

Everything else that is unknown or odd, `@context` included, is left alone: Lemmy does not read it.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, TypeGuard

import msgspec

from relayfilter.activity.shapes import check_shapes
from relayfilter.errors import MalformedRequest

MAX_DEPTH: Final = 64
MAX_URL: Final = 2048

_URL = re.compile(r"https?://[^\s\x00-\x20\x7f]+", re.IGNORECASE)
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# fmt: off
_WRAPPERS: Final = frozenset({
    "Accept", "Add", "Announce", "Block", "Create", "Delete", "Dislike", "Flag", "Follow", "Join", "Leave", "Like",
    "Lock", "Move", "Reject", "Remove", "Resolve", "Undo", "Update", "Warn",
})
# fmt: on


class Activity(msgspec.Struct, frozen=True):
    """A parsed activity. `document` is the decoded JSON object, for reading only; `raw` the bytes that it came from.

    `object_id`/`object_type` describe the innermost object (through Announce and Create), `inner_actor` is the actor of
    the innermost activity that another one wraps, `sensitive` what the innermost object declares of itself.
    `community` is the announcer of an Announce, else the `audience` that the sender names: a claim, not a proof.
    """

    raw: bytes
    document: dict[str, Any]
    id: str
    type: str
    actor: str
    object_id: str | None
    object_type: str | None
    inner_actor: str | None
    sensitive: bool
    community: str | None = None


def parse_activity(body: bytes) -> Activity:
    """The activity in `body`. Raises MalformedRequest(400); its reason is one of these slugs:

    `bom`, `not-utf8`, `not-json`, `duplicate-key`, `not-finite`, `number-too-long`, `lone-surrogate`, `too-deep`,
    `not-an-object`, `id`, `type`, `actor`, and those of check_shapes.
    """
    document = _decode(body)
    activity_id, kind, actor = document.get("id"), document.get("type"), _id_of(document.get("actor"))
    if not _is_url(activity_id):
        raise MalformedRequest(400, "id")
    if not isinstance(kind, str) or not kind:
        raise MalformedRequest(400, "type")
    if not _is_url(actor):
        raise MalformedRequest(400, "actor")

    wrapped = _unwrap(document)
    innermost = wrapped[-1]
    target = innermost.get("object") if _wraps(innermost, document) else None
    inner_actors = [inner for node in wrapped[1:] if (inner := _id_of(node.get("actor")))]
    return Activity(
        raw=body,
        document=document,
        id=activity_id,
        type=kind,
        actor=actor,
        object_id=target if isinstance(target, str) else _id_of(innermost) if len(wrapped) > 1 else None,
        object_type=None if isinstance(target, str) or len(wrapped) == 1 else _text(innermost.get("type")),
        inner_actor=inner_actors[-1] if inner_actors else None,
        sensitive=innermost.get("sensitive") is True,
        community=actor if kind == "Announce" else _text(document.get("audience")) or _text(innermost.get("audience")),
    )


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, read as strictly as an activity. Raises MalformedRequest(400) with the reasons of
    parse_activity up to `not-an-object`, and those of check_shapes."""
    document = _decode(body)
    _unwrap(document)
    return document


def is_self_delete(activity: Activity) -> bool:
    """Does an actor delete itself? (Its key is then often gone: an answer of 410 for the key is expected.)"""
    return activity.type == "Delete" and _id_of(activity.document.get("object")) == activity.actor


def _decode(body: bytes) -> dict[str, Any]:
    if body.startswith(b"\xef\xbb\xbf"):
        raise MalformedRequest(400, "bom")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedRequest(400, "not-utf8") from None
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except RecursionError:
        raise MalformedRequest(400, "too-deep") from None
    except json.JSONDecodeError:
        raise MalformedRequest(400, "not-json") from None
    except ValueError:  # int() refuses more than sys.get_int_max_str_digits() digits
        raise MalformedRequest(400, "number-too-long") from None
    if not isinstance(document, dict):
        raise MalformedRequest(400, "not-an-object")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(document)
    if _ESCAPED_SURROGATE.search(body):
        try:
            json.dumps(document, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise MalformedRequest(400, "lone-surrogate") from None
    return document


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    decoded = dict(members)
    if len(decoded) != len(members):
        raise MalformedRequest(400, "duplicate-key")
    return decoded


def _constant(_name: str) -> float:
    raise MalformedRequest(400, "not-finite")


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise MalformedRequest(400, "not-finite")
    return number


def _check_depth(document: dict[str, Any]) -> None:
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        inner = (child for node in level for child in (node.values() if isinstance(node, dict) else node))
        level = [child for child in inner if isinstance(child, (dict, list))]
        if not level:
            return
    raise MalformedRequest(400, "too-deep")


def _unwrap(document: dict[str, Any]) -> list[dict[str, Any]]:
    """`document`, and each object that the one before wraps. Raises MalformedRequest for the shape of any."""
    check_shapes(document)
    chain = [document]
    while _wraps(chain[-1], document) and isinstance(inside := chain[-1].get("object"), dict):
        check_shapes(inside)
        chain.append(inside)
    return chain


def _wraps(node: dict[str, Any], document: dict[str, Any]) -> bool:
    return node is document or _text(node.get("type")) in _WRAPPERS


def _is_url(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= MAX_URL and _URL.fullmatch(value) is not None


def _id_of(value: object) -> str | None:
    """The id of what a member names, given as a URL or as an object that carries its id."""
    return _text(value.get("id") if isinstance(value, dict) else value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
