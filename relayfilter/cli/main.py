"""The command line. To add a command: a module beside this one with a click command `command`, a line in COMMANDS."""

from __future__ import annotations

import importlib
from importlib.metadata import version

import click

COMMANDS = {
    "serve": "run the filter",
    "check": "say what is wrong with the configuration, the policy, the lists and the model",
    "log": "list decisions, newest first",
    "explain": "tell everything about one decision",
    "withheld": "list what is withheld and because of which decision",
    "release": "let in again what was withheld",
    "scan": "tell what would happen to a picture or an activity, forwarding nothing",
    "testcard": "write the harmless picture that is always matched",
}


class _Commands(click.Group):
    """Loads a command's module when it is asked for, so that each process imports only what it needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"relayfilter.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("relayfilter"), prog_name="relayfilter")
def main() -> None:
    """A content filter in front of Lemmy's inbox.

    It verifies who sent a delivery, looks at every image that the delivery names, and passes it on unchanged or
    withholds it."""
