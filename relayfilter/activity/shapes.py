"""Members of an activity in shapes that serde reads otherwise than everybody else.

Lemmy's protocol structs (`crates/apub*/.../protocol`) derive their readers. A wrong type mostly makes them refuse the
activity, which harms nobody. These shapes they read, and an ordinary reader sees something else or nothing:

- A struct from the bare array of its fields: `["Image", "https://..."]` is an Image, `["![](https://...)",
  "text/markdown"]` a Source, `["Page", "https://...", ...]` a Page. So in `object`, `icon` and `image`, each of which
  may be one or several, an array holds only URLs or only objects; in `attachment`, `tag` and `attributedTo`, which are
  several, it holds no array; and `source` is none.
- An enum from an object: `{"Create": null}` is the type Create, `{"text/markdown": null}` a media type. So `type` and
  `mediaType` are never objects.
- An id through a URL parser (WHATWG URL), which drops blanks around it and line breaks and tabs within, takes `\\` for
  `/`, and finds a host behind `https:/` and `https:///`. No id is written so. Who compares ids sees to the spellings
  that are in use (capitals, `:443`, dot segments).

All else is left alone, as real senders differ and Lemmy either copes or refuses: one or several in `to` and `cc`, a
`source` that is a string (Pleroma), `summary` or `inReplyTo` null (Mastodon), arrays of `icon`s and of typed authors
(PeerTube), several types, an `actor` that is an object with an id.
"""

from __future__ import annotations

import re
from typing import Any, Final

from relayfilter.errors import MalformedRequest

_IDS: Final = frozenset({"id", "actor", "object", "target", "inReplyTo", "attributedTo", "audience", "to", "cc"})
_ENUMS: Final = {"type": "type", "mediaType": "media-type"}
_ONE_OR_SEVERAL: Final = frozenset({"object", "icon", "image"})
_SEVERAL: Final = frozenset({"attachment", "tag", "attributedTo"})
_READ: Final = _ONE_OR_SEVERAL | _SEVERAL | {"source"}

_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]|\Ahttps?:(?!//[^/?#])", re.IGNORECASE)
_URL = re.compile(r"https?://[^/?#]", re.IGNORECASE)


def check_shapes(node: dict[str, Any]) -> None:
    """Looks at the members of an activity or object, and at the objects in them but for `object`.

    Raises MalformedRequest(400): `type`, `media-type`, `object-array` (and so on for the members that may hold arrays),
    `unsafe-id`."""
    for name, value in node.items():
        if isinstance(value, str):
            if name in _IDS and _UNSAFE.search(value):
                raise MalformedRequest(400, "unsafe-id")
        elif isinstance(value, list):
            if name in _READ and not _is_plain(name, value):
                raise MalformedRequest(400, f"{_slug(name)}-array")
            for item in value:
                _check_inside(name, item)
        elif isinstance(value, dict):
            if name in _ENUMS:
                raise MalformedRequest(400, _ENUMS[name])
            _check_inside(name, value)


def _is_plain(name: str, items: list[Any]) -> bool:
    if name in _SEVERAL:
        return not any(isinstance(item, list) for item in items)
    if name == "source":
        return False
    return all(isinstance(item, dict) for item in items) or all(
        isinstance(item, str) and _URL.match(item) for item in items
    )


def _check_inside(name: str, item: object) -> None:
    """What a member holds: an id, or an object with an id or enums of its own."""
    if isinstance(item, dict):
        if name == "object":
            return
        if name in _READ:
            for member, slug in _ENUMS.items():
                if isinstance(item.get(member), dict):
                    raise MalformedRequest(400, slug)
        item = item.get("id")
    if name in _IDS and isinstance(item, str) and _UNSAFE.search(item):
        raise MalformedRequest(400, "unsafe-id")


def _slug(name: str) -> str:
    return "attributed-to" if name == "attributedTo" else name
