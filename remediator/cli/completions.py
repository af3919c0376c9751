"""Values that a shell completes from files: names of targets and of contexts.

The rule of this file: completion returns names or nothing, never an error, and never uses the network.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem

from remediator.core.parts import as_map


class BashCompletion(BashComplete):
    """bash splits words at `=`, so `--target=den` arrives as three words."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one to complete, and that one."""
        words, incomplete = super().get_completion_args()
        return [word for word in words if word != "="], incomplete


def complete_targets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of the targets in the file that the command would read."""
    file = _file(context, "config_file") or os.environ.get("REMEDIATOR_CONFIG_FILE") or "rules/remediations.yaml"
    names = [str(name) for name in as_map(as_map(_read(file)).get("targets"))]
    chosen = context.params.get(parameter.name or "")
    taken = chosen if isinstance(chosen, tuple | list) else ()
    return _beginning(incomplete, (name for name in names if name not in taken))


def complete_contexts(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The contexts of the kubeconfig that the command would use."""
    given = _file(context, "kubeconfig")
    found = given or os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    names: list[str] = []
    for file in [given] if given else found.split(os.pathsep):
        contexts = as_map(_read(file)).get("contexts")
        names += [str(as_map(one).get("name", "")) for one in contexts] if isinstance(contexts, list) else []
    return _beginning(incomplete, dict.fromkeys(filter(None, names)))


def _file(context: click.Context, name: str) -> str:
    value = context.params.get(name)
    return str(value) if value else ""


def _read(file: str) -> Any:
    from remediator.config.document import InvalidDocument, parse_document, read_text

    try:
        return parse_document(read_text(Path(file)), file).value
    except InvalidDocument:
        return None


def _beginning(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
