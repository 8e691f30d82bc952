"""Which names could an `@context` give to a medium? (JSON-LD 1.1, section 4.1 and 9.15)

The plain reading (media_refs.py) finds media by the names of ActivityStreams. A context can give the same meaning to
another name: as an alias (`"bild": "as:image"`), through a prefix of its own, through a type, or by turning a keyword
into a name. `aliases` lists the names in a context that might, and errs towards listing: only a definition that
certainly leads elsewhere, or to a term's own name, is left out. In ordinary contexts nothing is left over.

Names with a colon in them are prefixed or whole IRIs and need no context; jsonld.py sees to those.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

ACTIVITYSTREAMS: Final = "https://www.w3.org/ns/activitystreams#"
MAX_CONTEXT: Final = 16_384
"""Bytes of the largest context, encoded, that is looked through."""

# fmt: off
_MEDIA: Final = frozenset({
    "attachment", "image", "icon", "preview", "url", "href", "content", "summary", "source", "name", "mediaType",
    "Image", "Document", "Video", "Link",
})
# fmt: on
_MAPS: Final = {"contentMap": "content", "summaryMap": "summary", "nameMap": "name"}
_KEYWORDS: Final = {("id", "@id"), ("type", "@type")}
_HARMLESS_KEYWORDS: Final = frozenset({"@version", "@language", "@protected"})
_SIMPLE_DEFINITION: Final = frozenset({"@id", "@type", "@container"})
_PREFIXES: Final = {"as": ACTIVITYSTREAMS}
_LONGEST_CHAIN: Final = 8


def aliases(context: Any, known: frozenset[str], *, nested: bool) -> frozenset[str] | None:
    """The names that `context`, an `@context`, might give to media. None when it cannot be told: it refers to contexts
    that are not `known`, or sets more than terms (`@vocab`, `@base`, `@import`).

    A `nested` context inherits prefixes that it does not show.
    """
    if isinstance(context, str):
        return frozenset() if context in known else None
    encoded = msgspec.json.encode(context)
    return None if len(encoded) > MAX_CONTEXT else _aliases(encoded, known, nested)


@lru_cache(maxsize=256)
def _aliases(encoded: bytes, known: frozenset[str], nested: bool) -> frozenset[str] | None:
    decoded = msgspec.json.decode(encoded)
    defined: dict[str, Any] = {}
    found: set[str] = set()
    for context in decoded if isinstance(decoded, list) else [decoded]:
        if isinstance(context, dict):
            terms = {name: value for name, value in context.items() if not name.startswith("@")}
            if not context.keys() - terms.keys() <= _HARMLESS_KEYWORDS:
                return None
            defined |= terms
            found |= {name for name, value in terms.items() if _might_be_media(name, value, defined, nested)}
        elif context is not None and not (isinstance(context, str) and context in known):
            return None
    return frozenset(found)


def _might_be_media(name: str, definition: Any, defined: dict[str, Any], nested: bool) -> bool:
    details = definition if isinstance(definition, dict) else {"@id": definition}
    target = details.get("@id", f"_:{name}")  # an undefined name is a blank node in ActivityStreams: no medium
    if target is None:
        return False
    if not isinstance(target, str) or not details.keys() <= _SIMPLE_DEFINITION:
        return True
    if target.startswith("@"):
        return (name, target) not in _KEYWORDS
    iri = _resolve(target, defined, nested)
    if iri is None:
        return True
    term = iri.removeprefix(ACTIVITYSTREAMS)
    if term == iri or term not in _MEDIA:
        return False
    usual_container = "@language" if name in _MAPS else None
    as_usual = details.get("@type") in (None, "@id") and details.get("@container") == usual_container
    return not (as_usual and _MAPS.get(name, name) == term)


def _resolve(text: str, defined: dict[str, Any], nested: bool) -> str | None:
    """The IRI that `text` stands for; None when that cannot be told."""
    ending = ""
    for _ in range(_LONGEST_CHAIN):
        prefix, colon, rest = text.partition(":")
        if colon and (rest.startswith("//") or prefix == "_"):
            return text + ending
        if prefix in defined:
            definition = defined[prefix]
            target = definition.get("@id") if isinstance(definition, dict) else definition
            if not isinstance(target, str):
                return None
            text, ending = target, rest + ending
        elif prefix in _PREFIXES:
            return _PREFIXES[prefix] + rest + ending
        else:
            return text + ending if colon and not nested else None
    return None
