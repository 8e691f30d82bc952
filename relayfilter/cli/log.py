"""`relayfilter log`."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import click
import msgspec
from rich.table import Table
from rich.text import Text

from relayfilter.cli.options import config_option, fail, fail_config, json_option
from relayfilter.cli.text import cell, console, local_time
from relayfilter.config import load_config
from relayfilter.errors import ConfigError
from relayfilter.ledger import ids
from relayfilter.ledger.queries import LedgerReader, Wanted
from relayfilter.ledger.records import VERDICTS, DecisionRecord, Verdict
from relayfilter.ledger.store import LEDGER_FILE, LedgerUnavailable

STYLES = {
    "accepted": "green",
    "rejected": "bold red",
    "refused": "yellow",
    "deferred": "magenta",
    "dropped": "dim",
    "failed": "bold white on red",
}
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_FOLLOW_SECONDS = 0.5
_LATE_SECONDS = 60.0


class Moment(click.ParamType[float]):
    """`90s`, `30m`, `2h`, `7d`, `1w` ago, or a local date with or without a time (ISO 8601). Gives epoch seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value)
        if span := re.fullmatch(r"(\d{1,6})([smhdw])", text):
            return time.time() - int(span[1]) * _SPANS[span[2]]
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            self.fail(f"{text!r} is neither a span such as 30m, 2h, 7d nor a date such as 2026-03-01", param, ctx)


@click.command()
@config_option
@click.option("--since", type=Moment(), metavar="TIME", help="Only after this: 30m, 2h, 7d, or a date.")
@click.option("--verdict", type=click.Choice(VERDICTS), help="Only these.")
@click.option("--instance", metavar="HOST", help="Only from this instance.")
@click.option("--actor", metavar="URL", help="Only from this actor.")
@click.option("--rule", metavar="NAME", help="Only what this rule decided.")
@click.option("--activity", metavar="URL", help="Only the activity with this id.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.option("--follow", is_flag=True, help="Go on with new decisions as they are made, oldest first.")
@json_option
def command(
    config_file: Path,
    since: float | None,
    verdict: Verdict | None,
    instance: str | None,
    actor: str | None,
    rule: str | None,
    activity: str | None,
    limit: int,
    follow: bool,
    as_json: bool,
) -> None:
    """List decisions, newest first.

    accepted: passed to Lemmy. rejected: withheld by policy. refused: malformed or not verified. deferred: asked to come
    again. dropped: answered well and not passed. failed: a bug here."""
    reader = open_reader(config_file)
    wanted = Wanted(since=since, verdict=verdict, instance=instance, actor=actor, rule=rule, activity_id=activity)
    if follow:
        show(_follow(reader, wanted), as_json, follow=True)
    else:
        show(reader.newest(wanted, limit), as_json)


def open_reader(config_file: Path) -> LedgerReader:
    """The ledger of that configuration, or the end of the command."""
    try:
        config = load_config(config_file)
    except ConfigError as error:
        fail_config(error)
    path = Path(config.state.directory) / LEDGER_FILE
    try:
        return LedgerReader(path)
    except FileNotFoundError:
        fail(f"{path}: there is no ledger yet; has the filter run with this configuration?", 1)
    except LedgerUnavailable as unavailable:
        fail(str(unavailable), os.EX_UNAVAILABLE)


def _follow(reader: LedgerReader, wanted: Wanted) -> Iterator[DecisionRecord]:
    """New decisions. An id is given before its row is written, so rows may appear a little out of order."""
    shown = {record.id for record in reader.after(wanted, ids.first_at(time.time() - _LATE_SECONDS))}
    while True:
        recent = reader.after(wanted, ids.first_at(time.time() - _LATE_SECONDS))
        for record in recent:
            if record.id not in shown:
                yield record
        shown = {record.id for record in recent}
        time.sleep(_FOLLOW_SECONDS)


def show(records: Iterable[DecisionRecord], as_json: bool, *, follow: bool = False) -> None:
    """Prints decisions as a table, or as one JSON object a line."""
    if as_json:
        for record in records:
            sys.stdout.write(as_line(record) + "\n")
            if follow:
                sys.stdout.flush()
        return
    out = console()
    if follow:
        for record in records:
            table = Table.grid(padding=(0, 2, 0, 0))
            table.add_row(*row(record))
            out.print(table)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("time", no_wrap=True)
    table.add_column("id", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("type", no_wrap=True, overflow="ellipsis", max_width=20)
    table.add_column("actor", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("why", no_wrap=True, overflow="ellipsis", ratio=3)
    for record in records:
        table.add_row(*row(record))
    if table.row_count:
        out.print(table)
    else:
        out.print("nothing matches", style="dim")


def row(record: DecisionRecord) -> tuple[Text, ...]:
    kind = record.activity_type and record.activity_type + (f" {record.object_type}" if record.object_type else "")
    why = f"{record.decision.rule}: {record.reason}" if record.decision else record.reason
    return (
        cell(local_time(record.at)),
        cell(ids.show(record.id)),
        cell(record.verdict, STYLES[record.verdict]),
        cell(record.status),
        cell(kind or "-"),
        cell(record.actor.removeprefix("https://") if record.actor else record.client),
        cell(why),
    )


def as_line(record: DecisionRecord) -> str:
    """The whole record as JSON, with the id as people type it."""
    return msgspec.json.encode({**msgspec.to_builtins(record), "id": ids.show(record.id)}).decode()
