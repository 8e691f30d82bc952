"""`relayfilter serve`."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click

from relayfilter.cli.options import config_option, fail, fail_config, first
from relayfilter.errors import ConfigError


@click.command()
@config_option
@click.option(
    "--only",
    type=click.Choice(["front", "fetch", "classify"]),
    help="Run one of the three processes by itself, as the separate units do.",
)
def command(config_file: Path, only: str | None) -> None:
    """Run the filter: front, fetch and classify, until SIGTERM. SIGHUP reads the policy and the hash lists again.

    The log goes to stdout, one JSON object a line. Status 78: the
    configuration is wrong; 69: the ledger, or one of our own processes, is not to be had."""
    try:
        if only == "classify":
            _classify(config_file)
        elif only == "fetch":
            _fetch(config_file)
        else:
            _front(config_file, alone=only == "front")
    except ConfigError as error:
        fail_config(error)


# Each process imports only its own part: what fetch and classify never load, they need not hold.


def _front(config_file: Path, *, alone: bool) -> None:
    import trio

    from relayfilter.config import load_all
    from relayfilter.daemon.front import run_front
    from relayfilter.errors import RemoteUnavailable
    from relayfilter.ledger.store import LedgerUnavailable

    loaded = load_all(config_file)
    try:
        trio.run(partial(run_front, loaded, alone=alone))
    except* ConfigError as group:
        fail_config(first(group))
    except* (LedgerUnavailable, RemoteUnavailable) as group:
        fail(str(first(group)), os.EX_UNAVAILABLE)


def _fetch(config_file: Path) -> None:
    import trio

    from relayfilter.config import load_config
    from relayfilter.daemon.fetch import run_fetch

    trio.run(run_fetch, load_config(config_file))


def _classify(config_file: Path) -> None:
    from relayfilter.config import load_config
    from relayfilter.daemon.classify import run_classify

    run_classify(load_config(config_file))
