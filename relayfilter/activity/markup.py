"""Which pictures would somebody see who reads this text?

Nobody knows how it will be read. Lemmy keeps Markdown and turns HTML into it; its server, its web page and a dozen apps
each bring their own Markdown dialect (tables, spoilers, footnotes, HTML on or off), and each dialect makes other things
hide: what is code, a footnote or a link target to one is a picture to the next. Removing a rule from a parser is no way
out, since every rule that hides a picture also uncovers one. So two readings are joined:

1. The standard one. markdown-it parses CommonMark with HTML; its image tokens count, and so do the picture tags in its
   HTML tokens. Text that is declared HTML is taken for its picture tags.
2. One without structure. Every `![` is taken for an image whatever stands around it, its label closed by the next
   bracket or by the matching one, with or without regard to backslashes; its target is the `(...)` behind it or any
   reference definition in the text. Every picture tag is parsed on its own, wherever it stands. For HTML this runs
   over the text between the tags, because a converter writes that text into the Markdown.

The second reading sees pictures in code samples that no reader would show: it errs towards looking.

Bounds: finding is linear in the text, but markdown-it is quadratic in brackets and slow in lines. LIMITS holds for all
texts of one delivery together; a delivery beyond them has not been read whole, and `truncated` says so.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.helpers import parseLinkDestination
from markdown_it.token import Token
from selectolax.lexbor import LexborHTMLParser

from relayfilter.activity.media_ref import Slot

LIMITS: Final = {"characters": 50_000, "lines": 4_000, "brackets": 3_000}
MAX_TAGS: Final = 128
TAG_WINDOW: Final = 4_096

_PICTURE_TAGS: Final = ("img", "image", "source", "video", "input", "object", "embed", "iframe")
_PICTURE_TAG = re.compile(rf"<(?:{'|'.join(_PICTURE_TAGS)})\b", re.IGNORECASE | re.ASCII)
_PICTURE_SELECTOR: Final = ",".join(_PICTURE_TAGS)
_SRCSET_URL = re.compile(r"[ \t\n\f\r,]*([^ \t\n\f\r]+)")
_SRCSET_DESCRIPTORS = re.compile(r"(?:\([^)]*\)?|[^,(])*,?")
# What the tokenizer of the HTML standard takes out of the text: comments, declarations, and tags with their attributes.
_NOT_TEXT = re.compile(
    r"""<!--(?:-?>|.*?(?:--!?>|\Z)) | <[!?][^>]*+> | </(?![a-zA-Z])[^>]*+>
    | </?[a-zA-Z][^ \t\n\f\r/>]*+
      (?: [ \t\n\f\r/]++
        | [^ \t\n\f\r/>][^ \t\n\f\r/>=]*+
          (?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:"[^"]*+"|'[^']*+'|[^ \t\n\f\r"'>][^ \t\n\f\r>]*+|(?=>)))?+
      )*+ >""",
    re.VERBOSE | re.DOTALL,
)
_NEW_LINE = re.compile(r"</?(?:p|br)\b", re.IGNORECASE | re.ASCII)
_TAG_BEGINS = re.compile(r"<[a-zA-Z/!?]")
_BRACKET = re.compile(r"[\[\]]")
_BRACKET_OR_ESCAPE = re.compile(r"\\.|[\[\]]", re.DOTALL)
_IMAGE_OPENING = re.compile(r"!\[")
_REFERENCE = re.compile(r"\[((?:\\.|[^\[\]\\]){1,999})\]", re.DOTALL)
_DEFINITION = re.compile(rf"{_REFERENCE.pattern}:\s*", re.DOTALL)
_BLANKS = re.compile(r"\s*")


class Picture(NamedTuple):
    """A URL as it is written, never resolved or normalised, and the slot that its spelling implies."""

    url: str
    slot: Slot


class _AsWritten(MarkdownIt):
    """Keeps every link target as it is: whoever fetches it decides what is a URL."""

    def normalizeLink(self, url: str) -> str:
        return url


_COMMONMARK: Final = _AsWritten("commonmark")


class MarkupReader:
    """Reads the texts of one delivery within its budget. `truncated` tells that something was left unread."""

    def __init__(self) -> None:
        self.truncated = False
        self._left = dict(LIMITS)
        self._tags_left = MAX_TAGS

    def markdown(self, text: str) -> list[Picture]:
        """The pictures in Markdown `text`, each URL once for each slot."""
        has_images, has_tags = "![" in text, _PICTURE_TAG.search(text) is not None
        if not (has_images or has_tags) or not self._afford(text):
            return []
        try:
            found = list(self._from_tokens(_COMMONMARK.parse(text)))
        except RecursionError:
            self.truncated = True
            return []
        found += _without_structure(text)
        return list(dict.fromkeys(found))

    def html(self, text: str) -> list[Picture]:
        """The pictures in HTML `text`, and in the Markdown that it becomes, each URL once for each slot."""
        found = list(self._from_tags(text))
        if ("[" in text or "&" in text) and ("!" in text or "&" in text):
            visible = _visible_text(text)
            if "![" in visible and self._afford(visible):
                found += _without_structure(visible)
        return list(dict.fromkeys(found))

    def _afford(self, markdown: str) -> bool:
        self._left["characters"] -= len(markdown)
        self._left["lines"] -= markdown.count("\n")
        self._left["brackets"] -= markdown.count("[")
        if min(self._left.values()) < 0:
            self.truncated = True
            return False
        return True

    def _from_tokens(self, tokens: Iterable[Token]) -> Iterator[Picture]:
        for token in tokens:
            if token.type == "image":
                yield from _pictures(str(token.attrs["src"]), slot="markdown")
            elif token.type in ("html_inline", "html_block"):
                yield from self._from_tags(token.content)
            yield from self._from_tokens(token.children or ())

    def _from_tags(self, text: str) -> Iterator[Picture]:
        for opening in _PICTURE_TAG.finditer(text):
            self._tags_left -= 1
            if self._tags_left < 0:
                self.truncated = True
                return
            window = text[opening.start() : opening.start() + TAG_WINDOW]
            cut = opening.start() + TAG_WINDOW < len(text)
            tag = LexborHTMLParser(window if cut else window + ">").css_first(_PICTURE_SELECTOR)
            if tag is not None:
                yield from _from_attributes(tag.tag or "", tag.attributes)
            elif cut:
                self.truncated = True


def _from_attributes(tag: str, attributes: dict[str, str | None]) -> Iterator[Picture]:
    def value(name: str) -> str:
        return (attributes.get(name) or "").strip(" \t\n\f\r")

    if tag == "iframe":
        yield from _pictures(value("src"), slot="preview")
        return
    urls = [*_srcset(value("srcset")), value("poster"), value("data"), value("href"), value("xlink:href")]
    if not (tag == "source" and value("type").lower().startswith("audio/")):
        urls.append(value("src"))
    yield from _pictures(*urls, slot="html")


def _pictures(*urls: str, slot: Slot) -> Iterator[Picture]:
    return (Picture(url, slot) for url in urls if url)


def _srcset(value: str) -> Iterator[str]:
    """The URLs of a `srcset` attribute, split as the HTML standard splits it ("parse a srcset attribute")."""
    at = 0
    while candidate := _SRCSET_URL.match(value, at):
        url, at = candidate[1], candidate.end()
        if not url.endswith(",") and (descriptors := _SRCSET_DESCRIPTORS.match(value, at)):
            at = descriptors.end()
        yield url.rstrip(",")


def _visible_text(text: str) -> str:
    """HTML without its tags and comments, character references decoded: what a converter keeps."""
    parts, at = [], 0
    while (opening := text.find("<", at)) >= 0:
        parts.append(text[at:opening])
        if skipped := _NOT_TEXT.match(text, opening):
            parts.append("\n" if _NEW_LINE.match(skipped[0]) else "")
            at = skipped.end()
        elif _TAG_BEGINS.match(text, opening):
            at = opening  # it never ends: the standard drops the rest of the text, another reader may not
            break
        else:
            parts.append("<")
            at = opening + 1
    return html.unescape("".join([*parts, text[at:]]))


def _without_structure(text: str) -> Iterator[Picture]:
    """The second reading of the module's docstring."""
    closings = (_closings(text, _BRACKET), _closings(text, _BRACKET_OR_ESCAPE))
    definitions: dict[str, list[str]] = {}
    for definition in _DEFINITION.finditer(text):
        definitions.setdefault(normalizeReference(definition[1]), []).extend(_destination(text, definition.end()))
    for opening in _IMAGE_OPENING.finditer(text):
        label = opening.end()
        nearest = text.find("]", label)
        for end in {nearest, *(closing.get(label - 1, -1) for closing in closings)} - {-1}:
            if text.startswith("(", end + 1):
                yield from _pictures(*_destination(text, end + 2), slot="markdown")
            reference = _REFERENCE.match(text, end + 1)
            for name in (text[label : min(end, label + 1000)], reference[1] if reference else ""):
                yield from _pictures(*definitions.get(normalizeReference(name), ()), slot="markdown")


def _closings(text: str, brackets: re.Pattern[str]) -> dict[int, int]:
    """Where each opening bracket's matching one is."""
    closings, open_at = {}, []
    for bracket in brackets.finditer(text):
        if bracket[0] == "[":
            open_at.append(bracket.start())
        elif bracket[0] == "]" and open_at:
            closings[open_at.pop()] = bracket.start()
    return closings


def _destination(text: str, at: int) -> list[str]:
    blanks = _BLANKS.match(text, at)
    parsed = parseLinkDestination(text, blanks.end() if blanks else at, len(text))
    return [parsed.str] if parsed.ok else []
