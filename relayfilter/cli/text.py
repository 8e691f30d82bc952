"""Text for a terminal. What strangers wrote is shown with its control, format and direction characters escaped."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime

from rich.console import Console
from rich.text import Text

_WIDTH_OF_A_PIPE = 200


def plain(text: object) -> str:
    """`text` with every character that could steer a terminal or hide something written as an escape."""
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)


def cell(text: object, style: str = "") -> Text:
    """A piece of a table: escaped, and never read as markup."""
    return Text(plain("" if text is None else text), style=style)


def console() -> Console:
    """Stdout: as wide as the terminal, with colour only there."""
    if sys.stdout.isatty():
        return Console(width=shutil.get_terminal_size().columns, highlight=False, soft_wrap=False)
    return Console(width=_WIDTH_OF_A_PIPE, highlight=False, no_color=True, force_terminal=False)


def local_time(seconds: float) -> str:
    """Wall-clock seconds as local time, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
