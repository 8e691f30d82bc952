"""The second reading: an activity as linked data, for media that plain JSON does not show.

To a JSON-LD processor `as:image`, the whole IRI, and `bild` with `"bild": "as:image"` in the `@context` are all
`image`, and `@type`, `@list`, `@nest` or `@reverse` say in keywords what others say in plain members. Lemmy reads plain
JSON, but what it stores and announces is read by others, and it may read more one day.

Hardly anybody writes so. `needs_second_reading` says, for a few microseconds, that an activity has nothing that could
hide a medium: no name with a colon or an at sign, no context that gives a medium another name, no value that a prefix
could turn into another URL, no text in pieces that only JSON-LD puts together. Only what is left goes through PyLD, in
another process, and comes back in expanded form.

`second_reading` writes the expanded form plainly again, under the names of ActivityStreams, and reads it as
media_refs.py reads everything. Its pointers are made of IRIs:

    jsonld:/https://www.w3.org/ns/activitystreams#attachment/0/https://www.w3.org/ns/activitystreams#url/0
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from relayfilter.activity.media_ref import MediaRef
from relayfilter.activity.media_refs import find_media
from relayfilter.activity.terms import ACTIVITYSTREAMS, aliases

Document = dict[str, Any]

MAX_POINTER: Final = 512

_URLS: Final = frozenset({"attachment", "image", "icon", "preview", "url", "href"})
_TEXTS: Final = frozenset({"content", "summary", "contentMap", "summaryMap", "source", "name", "nameMap", "mediaType"})
_WHOLE_URL: Final = ("https://", "http://")
_DECIDING_TYPES: Final = ("Image", "Document", "Video", "Link")
_NOT_PRINTABLE = re.compile(r"[^!-~]")


class Unreadable(msgspec.Struct, frozen=True):
    """The second reading is not to be had whole. `reason` is a short stable slug."""

    reason: str


def needs_second_reading(document: Document, known_contexts: frozenset[str]) -> bool:
    """Could a JSON-LD processor see a medium in `document` that find_media does not? Errs towards yes.

    `known_contexts` are contexts that define nothing of the kind. Any other makes it a yes.
    """
    hidden: frozenset[str] = frozenset()
    nodes: list[Document] = [document]
    for node in nodes:  # which grows meanwhile
        names = "".join(node)
        if ":" in names or names.count("@") != ("@context" in node):
            return True
        if "@context" in node:
            found = aliases(node["@context"], known_contexts, nested=node is not document)
            if found is None:
                return True
            hidden |= found
        if hidden and not hidden.isdisjoint(node):
            return True
        if len(node) == 1 and "id" in node:  # the same as the id alone, which may be a medium's URL
            return True
        kind = node.get("type", "")
        if kind.__class__ is not str or ":" in kind or kind in hidden:
            return True
        for name, value in node.items():
            if value.__class__ is str:
                if name in _URLS and not value.startswith(_WHOLE_URL):
                    return True
            elif name in _TEXTS and value is not None and not _is_read_plainly(name, value):
                return True
            elif value.__class__ is dict:
                nodes.append(value)
            elif value.__class__ is list and name != "@context" and not _look_through(name, value, nodes):
                return True
    return False


def _is_read_plainly(name: str, value: Any) -> bool:
    """Does find_media read all of `value`, which is a text of more than one piece?"""
    if name == "source":
        return value.__class__ is dict and value.get("content").__class__ in (str, type(None))
    pieces = value.values() if value.__class__ is dict else value if value.__class__ is list else (value,)
    return name not in ("name", "nameMap", "mediaType") and all(piece.__class__ is str for piece in pieces)


def _look_through(name: str, items: list[Any], nodes: list[Document]) -> bool:
    """Adds the objects in `items`, at any depth, to `nodes`. False for a text that may stand for another URL."""
    for item in items:
        if item.__class__ is dict:
            nodes.append(item)
        elif item.__class__ is list:
            if not _look_through(name, item, nodes):
                return False
        elif item.__class__ is str and name in _URLS and not item.startswith(_WHOLE_URL):
            return False
    return True


def second_reading(expanded: list[Any]) -> tuple[MediaRef, ...] | Unreadable:
    """The media in an activity's expanded form (JSON-LD 1.1 API, section 5.1), those of the plain reading included.

    Unreadable `too-many-references`: there is more than is looked at.
    """
    found = find_media({"": [_plain(node) for node in expanded]})
    if found.truncated:
        return Unreadable("too-many-references")
    return tuple(MediaRef(_pointer(ref.pointer), ref.url, ref.slot) for ref in found.refs)


def _plain(node: Any) -> Any:
    """A value of the expanded form as a plain sender would write it."""
    if not isinstance(node, dict):
        return node
    if "@value" in node:
        return node["@value"]
    for container in ("@list", "@set"):
        if container in node:
            return [_plain(item) for item in node[container]]
    if node.keys() == {"@id"}:
        return node["@id"]
    written: Document = {}
    for name, value in node.items():
        if name == "@id":
            written["id"] = value
        elif name == "@type":
            written["type"] = _deciding_type(value)
        elif name == "@reverse":
            written[name] = [_plain(item) for items in value.values() for item in items]
        elif isinstance(value, list):
            short = name.removeprefix(ACTIVITYSTREAMS)
            short = name if short in ("id", "type") else short
            written[short] = _member(short, [_plain(item) for item in value])
    return _reversed(written, node.get("@reverse", {}))


def _member(name: str, values: list[Any]) -> Any:
    """Several values where a plain sender has one: all of a text, the type that says picture."""
    if name == "@graph":
        return values
    texts = [value for value in values if isinstance(value, str)]
    if name == "source":
        return [*texts, *(text for value in values if isinstance(value, dict) for text in _texts(value.get("content")))]
    if name == "name":
        return "\n".join(texts)
    if name == "mediaType":
        return next((text for text in texts if text.lower().startswith("image/")), texts[0] if texts else "")
    return values[0] if len(values) == 1 else values


def _texts(value: Any) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def _deciding_type(types: Any) -> str:
    names = [name.removeprefix(ACTIVITYSTREAMS) for name in _texts(types)]
    deciding = [name for name in names if name in _DECIDING_TYPES]
    return next(iter(deciding or names), "")


def _reversed(written: Document, reverse: Document) -> Document:
    """What is an attachment of something by `@reverse` stands under `attachment`."""
    shorts = [name.removeprefix(ACTIVITYSTREAMS) for name in reverse]
    return dict.fromkeys(shorts, written) if shorts else written


def _pointer(plain: str) -> str:
    """The IRIs behind a pointer into the plain form, whose members with one value have lost their index."""
    parts: list[str] = []
    for part in plain.split("/")[3:]:  # behind "", the member "" and the index of the node
        name = part.replace("~1", "/").replace("~0", "~")
        if name.isdigit():
            parts.append(name)
            continue
        if parts and not parts[-1].isdigit():
            parts.append("0")
        parts.append(name if ":" in name or name.startswith("@") else ACTIVITYSTREAMS + name)
    if parts and not parts[-1].isdigit():
        parts.append("0")
    return _NOT_PRINTABLE.sub("?", "jsonld:/" + "/".join(parts))[:MAX_POINTER]
