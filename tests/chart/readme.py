"""The table of values in the chart's README, made from the comments in values.yaml: `make chart-docs`.

A comment that starts with `# --` describes the key below it, and whatever the key holds.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.chart.helm import CHART
from tests.support.documents import load_yaml

README = CHART / "README.md"
START, END = "<!-- values: made by `make chart-docs` -->", "<!-- end of values -->"
KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z0-9_-]+):")


def documented(text: str) -> Iterator[tuple[str, str]]:
    """Each key that has a description, and the description, in the order of the file."""
    path: list[str] = []
    description: list[str] | None = None
    for line in text.splitlines():
        comment = line.strip()
        if comment.startswith("# -- "):
            description = [comment.removeprefix("# -- ")]
        elif comment.startswith("#") and description is not None:
            description.append(comment.removeprefix("#").strip())
        elif found := KEY.match(line):
            path = [*path[: len(found["indent"]) // 2], found["key"]]
            if description is not None:
                yield ".".join(path), " ".join(description)
            description = None


def default(values: Any, path: str) -> Any:
    """The value at a path of keys."""
    for key in path.split("."):
        values = values[key]
    return values


def table() -> str:
    """The table as Markdown."""
    text = (CHART / "values.yaml").read_text()
    values = load_yaml(text)
    rows = ["| key | default | means |", "| --- | --- | --- |"]
    for path, description in documented(text):
        spelled = json.dumps(default(values, path), ensure_ascii=False)
        cells = (cell.replace("|", "\\|") for cell in (f"`{path}`", f"`{spelled}`", description))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def with_table(readme: str) -> str:
    """The README with a new table. Raises ValueError where the marks of the table are missing."""
    before, found, rest = readme.partition(START)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"{README} has no place for the table between {START} and {END}")
    return f"{before}{START}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
