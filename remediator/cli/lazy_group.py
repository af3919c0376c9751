"""A click group that imports each command only when it is called.

One rule: no command waits for another's imports. Help and completion list the group's own summaries, and import
nothing.
"""

import gc
from collections.abc import Iterator, Mapping, MutableMapping
from copy import copy
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Lazy:
    """A command that is not imported yet."""

    place: str
    """Module and name, as an entry point has them."""
    summary: str
    """Its line in the group's list of commands."""

    def load(self) -> click.Command:
        """The command itself."""
        module, _, name = self.place.partition(":")
        # What is imported stays. Looking for garbage in it takes an eighth of the time until the service is ready.
        gc.disable()
        try:
            command: click.Command = getattr(import_module(module), name)
        finally:
            gc.freeze()
            gc.enable()
        return command


class LazyGroup(click.Group):
    """A group of commands that are imported when they are called."""

    def __init__(self, *arguments: Any, lazy: Mapping[str, Lazy], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.commands = _Commands(lazy)
        self._summaries = {name: lazy[name].summary for name in sorted(lazy)}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command; when called by kubectl, its help shows commands in kubectl's form."""
        command = super().get_command(ctx, cmd_name)
        if not command or not command.help or not str(ctx.find_root().info_name).startswith("kubectl"):
            return command
        named = copy(command)
        examples = command.help.replace("  remediator canary ", "  kubectl canary ")
        named.help = examples.replace("  remediator ", "  kubectl remediator ")
        return named

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([*self._summaries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands, and the group's own options, that begin with this."""
        found = [
            CompletionItem(name, help=summary)
            for name, summary in self._summaries.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


class _Commands(MutableMapping[str, click.Command]):
    """The commands by name, each imported on access; click suggests similar names from the keys."""

    def __init__(self, lazy: Mapping[str, Lazy]) -> None:
        self._commands: dict[str, click.Command | Lazy] = dict(lazy)

    def __getitem__(self, name: str) -> click.Command:
        found = self._commands[name]
        if isinstance(found, Lazy):
            found = self._commands[name] = found.load()
        return found

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._commands[name] = command

    def __delitem__(self, name: str) -> None:
        del self._commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._commands)

    def __len__(self) -> int:
        return len(self._commands)
