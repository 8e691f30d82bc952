"""What an answer is when it is no picture: told by its declared type and its first bytes together.

A server may declare what it likes, so the type alone exempts nothing from inspection: a picture served as text/html
begins as pictures do and is inspected. Only what also begins as markup, or as JSON, is set apart. None of the formats
that are decoded begins like that.
"""

from __future__ import annotations

import re
from typing import Literal

_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_ACTIVITY_TYPES = frozenset({"application/activity+json", "application/ld+json"})
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[!?A-Za-z]")
_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*["}]|\[\s*[\[{"\]])')


def not_a_picture(content_type: str, first: bytes) -> Literal["page", "activity"] | None:
    """`page`, `activity`, or None for whatever must be inspected. `first`: how the body begins."""
    declared = content_type.split(";", 1)[0].strip().lower()
    if declared in _PAGE_TYPES and _MARKUP.match(first):
        return "page"
    if declared in _ACTIVITY_TYPES and _JSON.match(first):
        return "activity"
    return None
