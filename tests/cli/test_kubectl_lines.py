"""Every kubectl command that a message or a page shows can be pasted: it names its namespace."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "remediator"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "embedded" not in path.parts)
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "helm/remediator/templates/NOTES.txt"])

COMMAND = re.compile(
    r"kubectl (?:--?[\w.-]+(?:[ =][^\s`]+)? )*(?:get|describe|rollout|scale|set|patch|logs|annotate|delete|edit"
    r"|port-forward|events|exec)\b[^`\n;,]*"
)
NAMESPACE = re.compile(r" (?:-n|--namespace)[ =]| -A\b")
KIND = re.compile(r"\b(?:deploy|deployments?|pods?|service|job|cronjob|configmap|secret|events)[ /,]|rollout resume")


def texts(module: Path) -> Iterator[tuple[int, str]]:
    """The texts in a module that are shown: no docstring, and of an f-string its parts with {} between them."""
    tree = ast.parse(module.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in docstrings or id(node) in inner:
            continue
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def without_namespace(text: str) -> list[str]:
    """The commands in a text that name an object, or follow a rollout, and no namespace."""
    found = [match[0] for match in COMMAND.finditer(text)]
    return [command for command in found if KIND.search(f"{command} ") and not NAMESPACE.search(command)]


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("see: kubectl rollout status deployment/denis", True),
        ("kubectl rollout resume", True),
        ("kubectl port-forward deploy/denis 8084", True),
        ("kubectl -n X rollout resume deployment/X", False),
        ("kubectl get pods -n denis", False),
        ("Deployments as kubectl prints them", False),
        ("after `kubectl rollout undo` nothing is known", False),
    ],
)
def test_what_counts_as_a_command_to_paste(text: str, bad: bool) -> None:
    """A command with an object or a rollout needs its namespace; a word about kubectl does not."""
    assert bool(without_namespace(text)) is bad


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_messages_name_the_namespace(module: Path) -> None:
    """What a message tells people to paste works whatever namespace their context has."""
    bad = [f"{line}: {command}" for line, text in texts(module) for command in without_namespace(text)]
    assert bad == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_name_the_namespace(path: Path) -> None:
    """The same goes for the pages, in blocks and in sentences."""
    text = path.read_text().replace("\\\n", " ")
    assert [command for line in text.splitlines() for command in without_namespace(line)] == []
