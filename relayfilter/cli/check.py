"""`relayfilter check`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from relayfilter.cli.options import config_option, fail_config, json_option
from relayfilter.cli.text import plain
from relayfilter.config import Loaded, load_all
from relayfilter.errors import ConfigError
from relayfilter.media.checks import catalogue
from relayfilter.policy.problems import problems


class Report(msgspec.Struct, frozen=True):
    """What was read, what is dangerous and what an admin should look at."""

    config: str
    rules: int
    hash_lists: dict[str, int]
    models: list[str]
    dangers: list[str]
    warnings: list[str]


@click.command()
@config_option
@click.option("--strict", is_flag=True, help="End with status 1 when anything is dangerous or doubtful.")
@json_option
def command(config_file: Path, strict: bool, as_json: bool) -> None:
    """Say what is wrong with the configuration, the policy, the hash lists and the model.

    Status 78 and file, line and path for a mistake; status 0 when `serve` would start."""
    try:
        loaded = load_all(config_file)
        models = [check.name for check in catalogue.load()]
    except ConfigError as error:
        fail_config(error)
    report = examine(loaded, models)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    else:
        _print(report)
    if strict and (report.dangers or report.warnings):
        sys.exit(1)


def examine(loaded: Loaded, models: list[str]) -> Report:
    """Everything that can be said without starting anything."""
    return Report(
        config=str(loaded.file),
        rules=len(loaded.policy.rules),
        hash_lists=loaded.lists.sizes(),
        models=models,
        dangers=loaded.config.fetch.testing.dangers(),
        warnings=problems(loaded.policy, hash_lists=loaded.lists.sizes()),
    )


def _print(report: Report) -> None:
    click.echo(f"{plain(report.config)}: valid")
    click.echo(f"  policy: {report.rules} rules")
    for name, size in report.hash_lists.items():
        click.echo(f"  hash list {plain(name)}: {size} entries")
    for model in report.models:
        click.echo(f"  model {plain(model)}: as shipped")
    for danger in report.dangers:
        click.secho(f"  DANGEROUS: {plain(danger)}", fg="red", bold=True)
    for warning in report.warnings:
        click.secho(f"  warning: {plain(warning)}", fg="yellow")
