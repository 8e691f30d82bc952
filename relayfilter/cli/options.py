"""What several commands share: where the configuration is, and how to say that it is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from relayfilter.cli.text import plain

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_CONFIG = "/etc/relayfilter/relayfilter.toml"

config_option: Callable[[F], F] = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="RELAYFILTER_CONFIG",
    default=DEFAULT_CONFIG,
    show_default=True,
    show_envvar=True,
    metavar="FILE",
    help="The configuration.",
)

json_option: Callable[[F], F] = click.option("--json", "as_json", is_flag=True, help="JSON for machines.")


def fail(message: str, code: int) -> NoReturn:
    """Says `message` on stderr and ends with `code` (see sysexits.h: os.EX_CONFIG is 78)."""
    click.echo(f"relayfilter: {plain(message)}", err=True)
    sys.exit(code)


def fail_config(error: BaseException) -> NoReturn:
    """A configuration mistake ends a command with status 78."""
    fail(str(error), os.EX_CONFIG)


def first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception of a group that Trio's nurseries made."""
    inner = group.exceptions[0]
    return first(inner) if isinstance(inner, BaseExceptionGroup) else inner
