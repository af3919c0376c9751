"""A real Prometheus that remembers what a test makes up: hours of samples, there at once."""

import json
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from demo.process import Process

INTERVAL = 15
"""Seconds between samples: the interval of rules/denis.rules.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A value that was sampled from so many seconds before now until so many seconds before now."""

    since: int
    until: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series and its values."""

    name: str
    labels: Mapping[str, str]
    spans: tuple[Span, ...]


def write_history(promtool: Path, directory: Path, history: Iterable[Series], *, now: float | None = None) -> Path:
    """Prometheus's data directory with these series."""
    start = int(time.time() if now is None else now)
    text, data = directory / "history.txt", directory / "data"
    with text.open("w") as lines:
        for series in history:
            labels = ",".join(f'{name}="{value}"' for name, value in series.labels.items())
            for span in series.spans:
                for at in range(start - span.since, start - span.until, INTERVAL):
                    lines.write(f"{series.name}{{{labels}}} {span.value} {at}\n")
        lines.write("# EOF\n")
    command: list[str | Path] = [promtool, "tsdb", "create-blocks-from", "openmetrics", text, data]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return data


class Remembering(Process):
    """Prometheus with a data directory, one rule, whose alert never fires, and nothing to scrape; `url` is its own."""

    def __init__(self, program: Path, directory: Path, data: Path) -> None:
        directory.mkdir()
        config, rules = directory / "prometheus.json", directory / "rules.json"
        rule = {"alert": "DenisErrorRateHigh", "expr": "vector(0) > 1", "labels": {"remediation": "rollback"}}
        rules.write_text(json.dumps({"groups": [{"name": "denis", "rules": [rule]}]}))
        config.write_text(json.dumps({"rule_files": [str(rules)]}))
        flags = [f"--config.file={config}", f"--storage.tsdb.path={data}", "--web.listen-address=127.0.0.1:0"]
        super().__init__("prometheus", [program, *flags], directory)

    def ready(self) -> Self:
        """Wait until it answers questions."""
        address = self.says(r"msg=\"?Listening on\"? .*address=(\S+)")[1]
        self.url = f"http://{address}"
        self.says("Server is ready to receive web requests")
        return self
