"""`relayfilter testcard`."""

from __future__ import annotations

import os
import sys
from typing import get_args

import click

from relayfilter.cli.options import fail
from relayfilter.media.testcard import Format, render


@click.command()
@click.option("--format", "file_format", type=click.Choice(get_args(Format)), default="png", show_default=True)
def command(file_format: Format) -> None:
    """Write the test card to stdout: a harmless picture that is always matched.

    Post it from another instance, or attach it to a test message, to see that the filter is in the way:

        relayfilter testcard > card.png"""
    if sys.stdout.isatty():
        fail("a picture is no text: send it to a file, as in `relayfilter testcard > card.png`", os.EX_USAGE)
    sys.stdout.buffer.write(render(file_format))
