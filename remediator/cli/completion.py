"""`remediator completion`: the script that makes a shell complete commands, flags and their values."""

import click
from click.shell_completion import get_completion_class

from remediator.cli.exits import Failed


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell: bash (4.4 or newer), zsh or fish.

    \b
    Load it in every new shell:
      bash: echo 'eval "$(remediator completion bash)"' >> ~/.bashrc
      zsh:  echo 'eval "$(remediator completion zsh)"' >> ~/.zshrc      (after compinit)
      fish: remediator completion fish > ~/.config/fish/completions/remediator.fish
    Or only in the current one:
      eval "$(remediator completion bash)"
    Exit codes: 0 printed, 2 usage.
    """
    found = get_completion_class(shell)
    if found is None:
        raise Failed(f"this version of click has no completion for {shell}")
    # click runs bash to check its version, and warns on standard error if it is too old.
    click.echo(found(ctx.find_root().command, {}, "remediator", "_REMEDIATOR_COMPLETE").source())
