"""Every place in an activity from which a picture can get into Lemmy.

The walk goes over the whole document, so that it does not matter how activities are wrapped (Announce around Create
around Page), and looks at members by name:

| member | what it names |
|---|---|
| `attachment` | Link.href, and `url` of anything else: a string, a Link, an array of either |
| `icon`, `image`, `preview` | the same, as icons, images, previews; an Emoji tag has its picture in `icon` |
| `url` | the medium, in an Image or Document; Links with an image/* `mediaType` in anything |
| `content`, `summary`, `contentMap`, `summaryMap` | HTML; Markdown too if `mediaType` or ChatMessage says so |
| `source`, `name` | Markdown (Lemmy prefers `source.content` to `content`; web clients show titles as Markdown) |
| `id` of a Video that attaches nothing | the page that Lemmy links to and takes a thumbnail from: a preview |

Two traps. serde also reads a struct from the bare array of its fields, so `[["https://...", null, "Link"]]` attaches a
Link to Lemmy's eyes: an array in these members that holds anything but objects and URLs counts as unreadable. And Lemmy
pastes an attachment's `name` and URL into `![name](url)` unescaped, so a bracket in either can close it and open
another: what Lemmy would build is read as Markdown.

A member that Lemmy does not read names no medium, whatever it holds.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from relayfilter.activity.markup import MarkupReader, Picture
from relayfilter.activity.media_ref import MediaRef, Slot

MAX_URLS: Final = 64
MAX_REFS: Final = 512
MAX_URL: Final = 2048

Language = Literal["html", "markdown"]

_MEDIA: Final[dict[str, Slot]] = {"attachment": "attachment", "image": "image", "icon": "icon", "preview": "preview"}
_HTML: Final = frozenset({"content", "summary", "contentMap", "summaryMap"})
_SCHEME = re.compile(r"[\x00-\x20]*[A-Za-z][A-Za-z0-9+.-]*:")
_CLOSES_EARLY = re.compile(r"[\[\]()<>\\]")
_REMOVED_BY_URL_PARSERS = re.compile(r"[\t\n\r]")
_PICTURE_PATH = re.compile(
    r"\.(?:avif|bmp|gif|heic|jfif|jpe?g|jxl|m4v|mov|mp4|png|svg|tiff?|webm|webp)$", re.IGNORECASE
)


class MediaRefs(msgspec.Struct, frozen=True):
    """All references, outermost first; one URL may be named in several places. `truncated`: there is more, or something
    that cannot be read with certainty, so that `refs` must not be taken for everything."""

    refs: tuple[MediaRef, ...]
    truncated: bool


def find_media(document: dict[str, Any]) -> MediaRefs:
    """The media that `document`, a decoded activity or object, names. Never raises."""
    walk = _Walk()
    walk.over(document)
    return MediaRefs(refs=tuple(walk.refs), truncated=walk.truncated or walk.markup.truncated)


class _Walk:
    def __init__(self) -> None:
        self.refs: dict[MediaRef, None] = {}
        self.truncated = False
        self.markup = MarkupReader()
        self._urls: set[str] = set()
        self._pictures: dict[tuple[Language, str], list[Picture]] = {}
        self._nodes: list[tuple[str, Any, Slot | None]] = []

    def over(self, document: dict[str, Any]) -> None:
        self._nodes.append(("", document, None))
        for pointer, node, slot in self._nodes:  # which grows meanwhile
            if self.truncated or self.markup.truncated:
                return
            if isinstance(node, dict):
                self._look_at(pointer, node, slot)
            else:
                self._look_through(pointer, node, slot)

    def _look_through(self, pointer: str, items: list[Any], slot: Slot | None) -> None:
        for index, item in enumerate(items):
            if isinstance(item, dict) or (isinstance(item, list) and slot is None):
                self._nodes.append((f"{pointer}/{index}", item, slot))
            elif slot and isinstance(item, str) and _SCHEME.match(item):
                self._refer(f"{pointer}/{index}", item, slot)
            elif slot and item is not None:
                self.truncated = True

    def _look_at(self, pointer: str, node: dict[str, Any], slot: Slot | None) -> None:
        """`slot` is set when `node` describes a medium."""
        kind = node.get("type")
        if kind == "Video" and slot is None and not node.get("attachment") and isinstance(node.get("id"), str):
            self._refer(f"{pointer}/id", node["id"], "preview")
        for name, value in node.items():
            if not value or not isinstance(value, (str, dict, list)):
                continue
            at = f"{pointer}/{_escape(name)}"
            if name in _MEDIA:
                self._enter(at, value, _MEDIA[name], {})
            elif name in ("url", "href") and (slot or (name == "url" and kind in ("Image", "Document"))):
                self._enter(at, value, slot or "attachment", node)
            elif name in _HTML:
                is_markdown = kind == "ChatMessage" or _media_type(node) == "text/markdown"
                for text_at, text in _texts(at, value):
                    self._read(text_at, text, "html", *(("markdown",) if is_markdown else ()))
            elif name == "source":
                inside = (f"{at}/content", value.get("content")) if isinstance(value, dict) else (at, value)
                for text_at, text in _texts(*inside):
                    self._read(text_at, text, "markdown")
            elif name == "url" and not isinstance(value, str):
                links = [(at, value)] if isinstance(value, dict) else [(f"{at}/{n}", v) for n, v in enumerate(value)]
                self._nodes += [(link_at, link, "attachment") for link_at, link in links if _is_picture_link(link)]
            elif name == "name" and isinstance(value, str) and "![" in value:
                self._read(at, value, "markdown")
            elif not isinstance(value, str):
                self._nodes.append((at, value, None))

    def _enter(self, at: str, value: Any, slot: Slot, owner: dict[str, Any]) -> None:
        if not isinstance(value, str):
            self._nodes.append((at, value, slot))
            return
        self._refer(at, value, _attached_slot(value, owner) if slot == "attachment" else slot)
        if slot == "attachment":
            self._read_as_pasted(at, value, owner)

    def _read_as_pasted(self, at: str, url: str, owner: dict[str, Any]) -> None:
        """What Lemmy makes of an attachment that it appends to a text (`Attachment::as_markdown` in its page.rs)."""
        alt = owner.get("name")
        alt = " ".join(alt.split()) if isinstance(alt, str) else ""
        pasted = _REMOVED_BY_URL_PARSERS.sub("", url)
        if not _CLOSES_EARLY.search(f"{alt}{pasted}"):
            return
        for picture in self.markup.markdown(f"![{alt}]({pasted})"):
            if picture.url not in (url, pasted):
                named_by = f"{at.rpartition('/')[0]}/name" if picture.url in alt else at
                self._refer(named_by, picture.url, "markdown")

    def _read(self, at: str, text: str, *languages: Language) -> None:
        for language in languages:
            if (language, text) not in self._pictures:
                read = self.markup.html if language == "html" else self.markup.markdown
                self._pictures[language, text] = read(text)
            for picture in self._pictures[language, text]:
                self._refer(at, picture.url, picture.slot)

    def _refer(self, pointer: str, url: str, slot: Slot) -> None:
        url = url if len(url) <= MAX_URL else url[:MAX_URL] + "\N{HORIZONTAL ELLIPSIS}"
        self._urls.add(url)
        self.refs[MediaRef(pointer=pointer, url=url, slot=slot)] = None
        if len(self._urls) > MAX_URLS or len(self.refs) > MAX_REFS:
            self.truncated = True


def _attached_slot(url: str, owner: dict[str, Any]) -> Slot:
    kind, declared, path = owner.get("type"), _media_type(owner), re.split("[?#]", url, maxsplit=1)[0]
    if kind == "Image" or declared.startswith(("image", "video")) or _PICTURE_PATH.search(path):
        return "attachment"
    return "link" if declared or kind == "Link" else "attachment"


def _is_picture_link(value: object) -> bool:
    return isinstance(value, dict) and _media_type(value).startswith("image/")


def _media_type(node: dict[str, Any]) -> str:
    declared = node.get("mediaType")
    return declared.lower() if isinstance(declared, str) else ""


def _texts(at: str, value: object) -> list[tuple[str, str]]:
    """The strings that `value` is or holds, with their pointers."""
    if isinstance(value, str):
        return [(at, value)]
    members = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    return [(f"{at}/{_escape(str(name))}", text) for name, text in members if isinstance(text, str)]


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
