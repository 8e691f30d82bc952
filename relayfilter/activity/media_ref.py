"""One place in an activity that names a medium."""

from __future__ import annotations

from typing import Literal

import msgspec

Slot = Literal["attachment", "link", "image", "icon", "markdown", "html", "preview", "object", "actor"]


class MediaRef(msgspec.Struct, frozen=True):
    """`pointer` is the JSON pointer (RFC 6901) of the string that names `url`.

    Slots: `attachment`, `image`, `icon` and the pictures in `markdown` and `html` are meant to be seen; a `link` is an
    attached URL whose target may be a picture or a page; a `preview` is recorded, not fetched: Lemmy would take its
    picture out of a page, or does not show it at all. An `object` and an `actor` are no media but documents that the
    delivery names, listed when they could not be looked at.

    `url` is what the sender wrote: it may be relative, a `data:` URL, or no URL at all. One longer than 2,048
    characters is cut there and ends with an ellipsis, so that it can never be fetched as something else.
    """

    pointer: str
    url: str
    slot: Slot
