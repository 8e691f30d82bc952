"""`relayfilter release`."""

from __future__ import annotations

import getpass
import os
import time
from pathlib import Path

import click

from relayfilter.cli.options import config_option, fail, fail_config
from relayfilter.cli.text import plain
from relayfilter.config import load_config
from relayfilter.errors import ConfigError
from relayfilter.ledger import ids
from relayfilter.ledger.commands import release
from relayfilter.ledger.store import LEDGER_FILE, LedgerUnavailable


@click.command()
@config_option
@click.argument("which", metavar="ID|URL")
def command(config_file: Path, which: str) -> None:
    """Let in again what was withheld: everything that the decision ID withheld, or the object with that URL.

    What is released is not withheld again; a running filter knows it within a second. Lemmy gets the object when it is
    delivered again or the next time something refers to it."""
    try:
        config = load_config(config_file)
        number = which if "://" in which else ids.read(which)
        released = release(Path(config.state.directory) / LEDGER_FILE, number, now=time.time(), by=_who())
    except ConfigError as error:
        fail_config(error)
    except ValueError as error:
        fail(f"{which}: {error}", 2)
    except FileNotFoundError as error:
        fail(f"{error}: there is no ledger yet; has the filter run with this configuration?", 1)
    except LedgerUnavailable as unavailable:
        fail(str(unavailable), os.EX_UNAVAILABLE)
    if not released:
        fail(f"{which}: nothing is withheld by that name", 1)
    for object_id in released:
        click.echo(f"released {plain(object_id)}")


def _who() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
