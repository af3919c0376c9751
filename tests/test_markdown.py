"""The documents, judged by markdownlint."""

import subprocess
from pathlib import Path

from tests.support.components import node_modules

TREE = Path(__file__).parents[1]
DOCUMENTS = ("*.md", "docs/**/*.md", "helm/remediator/README.md")


def test_markdownlint_finds_nothing() -> None:
    """Every document passes the rules of .markdownlint-cli2.yaml."""
    program = node_modules(TREE / "tests" / "markdown", made_by="linters") / ".bin" / "markdownlint-cli2"
    judged = subprocess.run([program, *DOCUMENTS], cwd=TREE, capture_output=True, text=True, timeout=120)
    assert (judged.returncode, judged.stderr) == (0, ""), judged.stdout
