"""Errors that end a command: a line for each problem on standard error, no traceback, and an exit code."""

from typing import IO, Any

import click

from remediator.core.text import printable

INTERRUPTED = 130
"""The exit code that shells report for a program ended by SIGINT."""


class Failed(click.ClickException):
    """The command could not do its work: exit code 1."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the problems, one to a line."""
        for line in self.message.split("\n"):
            click.echo(f"remediator: {printable(line)}", file=file, err=True)


class InvalidConfiguration(Failed):
    """A file or setting is wrong, and nothing was started or changed: exit code 2."""

    exit_code = 2


class Withheld(Failed):
    """The command worked, but what it asked for was withheld, or a check failed: exit code 3."""

    exit_code = 3
