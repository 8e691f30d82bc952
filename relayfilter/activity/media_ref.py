"""One place in an activity that names a medium."""

from __future__ import annotations

from typing import Literal

import msgspec

Slot = Literal["attachment", "link", "image", "icon", "markdown", "html", "preview"]


class MediaRef(msgspec.Struct, frozen=True):
    """`pointer` is the JSON pointer (RFC 6901) of the string that names `url`.

    Slots: `attachment`, `image`, `icon` and the pictures in `markdown` and `html` are meant to be seen; a `link` is an
    attached Link whose target may be a picture or a page; a `preview` is a page from which Lemmy would take a picture
    itself and is recorded, not fetched.
    """

    pointer: str
    url: str
    slot: Slot
