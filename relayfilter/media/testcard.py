"""The test card: a harmless picture of our own that every installation withholds, as mail filters do with EICAR.

Its PDQ hash is the built-in list in `relayfilter.media.hashlist`. Changing a shape changes the hash.
"""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

SIDE = 768
CAPTION = "relayfilter test card"

Format = Literal["png", "jpeg", "webp"]


def render(format: Format = "png") -> bytes:
    """The card as a file, 768x768."""
    file = io.BytesIO()
    draw().save(file, format, **({"quality": 90} if format != "png" else {}))
    return file.getvalue()


def draw() -> Image.Image:
    """The card as an RGB picture."""
    card = Image.new("RGB", (SIDE, SIDE), "#f4f1e8")
    pen = ImageDraw.Draw(card)
    for index, colour in enumerate(("#1b2a49", "#d7263d", "#f2b134", "#2a9d8f", "#8ecae6", "#5f4b8b")):
        pen.rectangle((index * 128, 0, index * 128 + 127, 95), fill=colour)
    pen.ellipse((40, 130, 360, 450), fill="#1b2a49")
    pen.ellipse((120, 210, 280, 370), fill="#f2b134")
    pen.polygon(((420, 450), (590, 140), (740, 420)), fill="#d7263d")
    pen.polygon(((530, 400), (610, 250), (680, 390)), fill="#f4f1e8")
    for row in range(3):
        for column in range(4):
            if (row + column) % 2:
                pen.rectangle((30 + column * 60, 490 + row * 60, 89 + column * 60, 549 + row * 60), fill="#16302b")
    for step in range(8):
        grey = 255 * step // 7
        pen.rectangle((310 + step * 34, 500, 343 + step * 34, 590), fill=(grey, grey, grey))
    pen.line(((320, 665), (560, 615)), fill="#2a9d8f", width=26)
    pen.pieslice((600, 510, 750, 660), 20, 290, fill="#2a9d8f")
    _caption(card)
    return card


def _caption(card: Image.Image) -> None:
    """The words in Pillow's own bitmap font, five times its size."""
    font = ImageFont.load_default_imagefont()
    left, top, right, bottom = (int(edge) for edge in font.getbbox(CAPTION))
    words = Image.new("1", (right - left, bottom - top))
    ImageDraw.Draw(words).text((-left, -top), CAPTION, fill=1, font=font)
    words = words.resize((words.width * 5, words.height * 5), Image.Resampling.NEAREST)
    ImageDraw.Draw(card).rectangle((0, 690, SIDE, SIDE), fill="#1b2a49")
    card.paste("#f4f1e8", ((SIDE - words.width) // 2, 690 + (SIDE - 690 - words.height) // 2), words)
