"""`relayfilter explain`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from relayfilter.cli.log import STYLES, as_line, open_reader
from relayfilter.cli.options import config_option, fail, json_option
from relayfilter.cli.text import cell, console, local_time
from relayfilter.ledger import ids
from relayfilter.ledger.queries import Wanted
from relayfilter.ledger.records import DecisionRecord
from relayfilter.media.finding import (
    CheckFailed,
    Finding,
    HashMatched,
    Labelled,
    MediaReport,
    NotInlined,
    Uninspectable,
)
from relayfilter.policy.evidence import Decision, InspectedMedia


@click.command()
@config_option
@click.argument("which", metavar="ID")
@json_option
def command(config_file: Path, which: str, as_json: bool) -> None:
    """Tell everything about one decision: who sent it, what it names, what was found, which rule decided.

    ID is what `relayfilter log` shows, or the activity's own id (a URL): then its newest decision is told."""
    reader = open_reader(config_file)
    if "://" in which:
        record = next(reader.newest(Wanted(activity_id=which), 1), None)
    else:
        try:
            record = reader.get(ids.read(which))
        except ValueError as error:
            fail(f"{which}: {error}", 2)
    if record is None:
        fail(f"{which}: no such decision", 1)
    if as_json:
        sys.stdout.write(as_line(record) + "\n")
    else:
        tell(record, console())


def tell(record: DecisionRecord, out: Console) -> None:
    """Prints one record for people."""
    out.print(cell(f"{record.verdict}, answered {record.status}", STYLES[record.verdict]))
    facts = facts_table()
    _row(facts, "why", record.reason)
    _row(facts, "", record.detail)
    _row(facts, "id", ids.show(record.id))
    _row(facts, "received", f"{local_time(record.at)} from {record.client}, {record.gate} gate, {record.target}")
    _row(facts, "body", f"{record.body_bytes} bytes, sha256 {record.body_sha256}")
    _row(facts, "activity", record.activity_type and f"{record.activity_type} {record.activity_id}")
    _row(facts, "object", record.object_type and f"{record.object_type} {record.object_id or ''}")
    _row(facts, "actor", record.actor)
    if sender := record.sender:
        _row(facts, "signature", f"{sender.outcome}{f' ({sender.scheme})' if sender.scheme else ''}")
        _row(facts, "", sender.detail)
        _row(facts, "key", sender.key_id)
    _row(facts, "inside", record.linked and f"linked data signature {record.linked}")
    _row(facts, "", record.proof and f"integrity proof {record.proof}")
    _row(facts, "", record.second_reading and f"not readable as linked data: {record.second_reading}")
    tell_decision(facts, record.decision)
    _row(facts, "settled by", record.cause)
    _row(facts, "withheld", " ".join(record.withheld) or None)
    if record.upstream:
        answer = record.upstream
        _row(facts, "Lemmy said", f"{answer.status} after {answer.millis:.1f} ms {answer.body.strip()}")
    if record.timings:
        _row(facts, "took", ", ".join(f"{stage} {millis:.1f} ms" for stage, millis in record.timings.items()))
    out.print(facts)
    tell_media(record.media, out)


def tell_decision(facts: Table, decision: Decision | None) -> None:
    """Adds the rule and what it asked for."""
    if decision is None:
        return
    _row(facts, "rule", f"{decision.rule} ({decision.place})")
    wanted = f" (the rule wants {decision.wanted}, which cannot be enforced here)" if decision.wanted else ""
    _row(facts, "action", f"{decision.action}{wanted}")
    _row(facts, "because of", ", ".join(decision.pointers) or None)


def tell_media(media: tuple[InspectedMedia, ...], out: Console) -> None:
    """Prints every reference with what was found behind it."""
    for number, inspected in enumerate(media, 1):
        out.print()
        out.print(cell(f"media {number} of {len(media)}", "bold"))
        facts = facts_table()
        _row(facts, "place", f"{inspected.ref.pointer} ({inspected.ref.slot})")
        _row(facts, "url", inspected.ref.url)
        tell_report(facts, inspected.report, inspected.ref.url)
        out.print(facts)


def tell_report(facts: Table, report: MediaReport, url: str | None = None) -> None:
    """Adds what is known of one medium."""
    if report.final_url != url:
        _row(facts, "led to", report.final_url)
    if report.bytes is not None:
        _row(facts, "received", f"{report.bytes} bytes, called {report.content_type or 'nothing'}")
    if picture := report.picture:
        frames = f", {picture.frames} frames" if picture.frames > 1 else ""
        _row(facts, "picture", f"{picture.format} {picture.width}x{picture.height}{frames}")
        _row(facts, "sha256", picture.sha256.hex())
        _row(facts, "pdq", f"{picture.pdq[0].hex()} quality {picture.pdq_quality}" if picture.pdq else None)
    for finding in report.findings:
        _row(facts, "found", describe(finding))
    _row(facts, "model", report.model)
    if report.timings:
        _row(facts, "took", ", ".join(f"{stage} {millis:.1f} ms" for stage, millis in report.timings.items()))


def describe(finding: Finding) -> str:
    """A finding in words."""
    match finding:
        case HashMatched(name, algorithm, distance, entry):
            return f"on the hash list {name}: {algorithm} at distance {distance} from {entry}"
        case Labelled(classifier, label, score):
            return f"{classifier} gives {label} {score:.4f}"
        case Uninspectable(reason, detail, temporary):
            return (
                f"could not be inspected: {reason}{', for now' if temporary else ''}{f' ({detail})' if detail else ''}"
            )
        case CheckFailed(check, reason, detail):
            return f"the check {check} failed: {reason}{f' ({detail})' if detail else ''}"
        case NotInlined(kind):
            return f"no picture itself: {kind}, what it shows is not inspected yet"


def facts_table() -> Table:
    """Two columns: what, and its value."""
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    return facts


def _row(facts: Table, name: str, value: str | None) -> None:
    if value:
        facts.add_row(name, cell(value))
