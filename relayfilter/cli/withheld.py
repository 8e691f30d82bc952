"""`relayfilter withheld`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import msgspec
from rich.table import Table

from relayfilter.cli.log import open_reader
from relayfilter.cli.options import config_option, json_option
from relayfilter.cli.text import cell, console, local_time
from relayfilter.ledger import ids
from relayfilter.ledger.queries import HeldObject, ReleasedObject


@click.command()
@config_option
@click.option("--released", is_flag=True, help="What was released, by whom and when.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@json_option
def command(config_file: Path, released: bool, limit: int, as_json: bool) -> None:
    """List what is withheld, newest first: each object, the decision that caused it, and until when.

    `relayfilter explain ID` tells about the decision, `relayfilter release` lets in what it withheld."""
    reader = open_reader(config_file)
    objects = reader.released(limit) if released else reader.withheld(time.time(), limit)
    if as_json:
        for found in objects:
            line = msgspec.json.encode({**msgspec.to_builtins(found), "cause": ids.show(found.cause)})
            sys.stdout.write(line.decode() + "\n")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("cause", no_wrap=True)
    table.add_column("released" if released else "until", no_wrap=True)
    table.add_column("object", overflow="fold")
    for found in objects:
        table.add_row(cell(ids.show(found.cause)), cell(_when(found)), cell(found.object_id))
    out = console()
    if table.row_count:
        out.print(table)
    else:
        out.print("nothing", style="dim")


def _when(found: HeldObject | ReleasedObject) -> str:
    if isinstance(found, ReleasedObject):
        return f"{local_time(found.released_at)} by {found.released_by}"
    return "for good" if found.until is None else local_time(found.until)
