"""`relayfilter scan`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click
import msgspec
import trio

from relayfilter.activity.document import parse_activity
from relayfilter.activity.media_ref import MediaRef
from relayfilter.cli.explain import facts_table, tell_decision, tell_media
from relayfilter.cli.options import config_option, fail, fail_config, first, json_option
from relayfilter.cli.text import cell, console
from relayfilter.config import Loaded, load_all
from relayfilter.daemon.supervisor import inspection_processes, until_healthy
from relayfilter.errors import ConfigError, MalformedRequest, RemoteUnavailable
from relayfilter.inspection.inspector import Inspector
from relayfilter.inspection.pool import WorkerPool
from relayfilter.policy.decide import decide
from relayfilter.policy.evidence import Decision, Evidence, InspectedMedia
from relayfilter.remote.documents import FetchProcess
from relayfilter.stages import gather, look

_LARGEST_FILE = 64 * 1024 * 1024


class Scan(msgspec.Struct, frozen=True):
    """What would be decided, and on what."""

    decision: Decision
    media: tuple[InspectedMedia, ...]


@click.command()
@config_option
@click.argument("what", metavar="FILE|URL|ACTIVITY.json")
@json_option
def command(config_file: Path, what: str, as_json: bool) -> None:
    """Tell what would happen to a picture in a file, a picture at a URL, or an activity in a JSON file.

    Nothing is forwarded and nothing is kept. An activity is taken as if its actor had signed it. Status 0: it would be
    accepted; 3: it would not."""
    try:
        loaded = load_all(config_file)
    except ConfigError as error:
        fail_config(error)
    try:
        scan = trio.run(_scan, loaded, what)
    except* RemoteUnavailable as group:
        fail(str(first(group)), os.EX_UNAVAILABLE)
    except* MalformedRequest as group:
        fail(f"{what}: such an activity is refused with 400: {first(group)}", 3)
    except* OSError as group:
        fail(f"{what}: {first(group)}", os.EX_NOINPUT)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(scan) + b"\n")
    else:
        _print(scan)
    sys.exit(0 if scan.decision.action == "accept" else 3)


async def _scan(loaded: Loaded, what: str) -> Scan:
    seconds = loaded.config.deliveries.deadline
    # What cannot be read needs no processes.
    data = None if what.startswith(("http://", "https://")) else await _read(what)
    activity = parse_activity(data) if data is not None and data.lstrip().startswith(b"{") else None
    async with inspection_processes(loaded.file, _tell) as sockets:
        fetch = FetchProcess(str(sockets.fetch))
        await until_healthy(fetch)
        inspector = Inspector(fetch, loaded.lists)
        deadline = trio.current_time() + seconds
        if activity is not None:
            media = await look(activity, inspector, deadline)
            return _decided(loaded, gather(activity, None, media, None, time.time()))
        if data is None:
            return _decided(
                loaded, _bare(await inspector.inspect([MediaRef("", what, "attachment")], deadline=deadline))
            )
        pool = WorkerPool(str(sockets.classify), size=1, job_timeout=loaded.config.classify.job_timeout)
        report = inspector.match(await pool.inspect(data, deadline=seconds))
        pool.close()
        return _decided(loaded, _bare((InspectedMedia(MediaRef("", what, "attachment"), report),)))


def _decided(loaded: Loaded, evidence: Evidence) -> Scan:
    return Scan(decide(loaded.policy, evidence, enforceable=frozenset()), evidence.media)


def _bare(media: tuple[InspectedMedia, ...]) -> Evidence:
    """A picture without an activity, as evidence."""
    return Evidence(gate="inbox", actor="", instance="", activity_type="", media=media)


async def _read(name: str) -> bytes:
    async with await trio.open_file(name, "rb") as file:
        data = await file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        fail(f"{name}: larger than {_LARGEST_FILE} bytes", os.EX_DATAERR)
    return data


def _tell(**what: str) -> None:
    click.echo(f"relayfilter: {' '.join(what.values())}", err=True)


def _print(scan: Scan) -> None:
    out = console()
    accepted = scan.decision.action == "accept"
    out.print(cell("would be accepted" if accepted else "would be withheld", "green" if accepted else "bold red"))
    facts = facts_table()
    facts.add_row("why", cell(scan.decision.reason))
    tell_decision(facts, scan.decision)
    out.print(facts)
    tell_media(scan.media, out)
