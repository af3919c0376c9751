"""Rule files judged by the real promtool, against series that a test makes up."""

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.documents import dump_yaml, load_yaml

RULES = Path(__file__).parents[2] / "rules"
INTERVAL = 15
"""Seconds between scrapes, and between evaluations."""

Reading = float | None
"""What a scrape brought; None is a scrape that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """A series by what its target was scraped for, from the start of the test."""

    name: str
    labels: Mapping[str, str]
    readings: Sequence[Reading]
    delay: int = 0
    """Seconds from an evaluation to the scrape after it, a multiple of 5: the two are seldom in step."""

    def as_input(self) -> dict[str, str]:
        """The series as promtool reads it, with a value each 5 seconds."""
        labels = ", ".join(f'{name}="{value}"' for name, value in self.labels.items())
        values = ["_"] * (self.delay // 5)
        for reading in self.readings:
            values += ["stale" if reading is None else f"{reading}", "_", "_"]
        return {"series": f"{self.name}{{{labels}}}", "values": " ".join(values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """An expectation: the alerts that have fired until a moment, each with its cluster."""

    until: str
    alerts: Iterable[tuple[str, str]]
    of: str = ".+"
    """Only alerts whose names match this regular expression are looked at."""

    def concerns(self, alert: str) -> bool:
        """Whether the expectation says something of this alert."""
        return re.fullmatch(self.of, alert) is not None

    def as_check(self) -> dict[str, object]:
        """The expectation as promtool reads it."""
        found = f'ALERTS{{alertstate="firing", alertname=~"{self.of}"}}'
        return {
            "expr": f"group by (alertname, cluster) (last_over_time({found}[1d]))",
            "eval_time": self.until,
            "exp_samples": [
                {"labels": f'{{alertname="{alert}"' + (f', cluster="{cluster}"' if cluster else "") + "}", "value": 1}
                for alert, cluster in sorted(set(self.alerts))
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """An expectation: at least one of these alerts has fired until a moment."""

    until: str
    alerts: Sequence[str]

    def concerns(self, alert: str) -> bool:
        """Whether the expectation says something of this alert."""
        return alert in self.alerts

    def as_check(self) -> dict[str, object]:
        """The expectation as promtool reads it."""
        found = f'ALERTS{{alertstate="firing", alertname=~"{"|".join(self.alerts)}"}}'
        return {
            "expr": f"group(last_over_time({found}[1d]))",
            "eval_time": self.until,
            "exp_samples": [{"labels": "{}", "value": 1}],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Series and what the rules have to make of them."""

    name: str
    series: Iterable[Scraped]
    expected: Sequence[Firing | OneOf]


def staging_rules(*, unit: str = "ratio") -> str:
    """The copy of the rules that docs/install.md tells to make for a second release, in this unit."""
    text = (RULES / "denis.rules.yaml").read_text()
    text = text.replace("denis/denis", "denis-staging/denis").replace(
        'namespace=~"denis|"', 'namespace=~"denis-staging|"'
    )
    return text.replace("vector(1)\n", "vector(100)\n") if unit == "percent" else text


def judge(promtool: Path, folder: Path, scenarios: Iterable[Scenario], rule_files: Sequence[Path] = ()) -> None:
    """Run scenarios; without rule files, those that are shipped. Fails with promtool's words.

    No rule reads an alert, so those that no scenario is about are left out: the guards cost more than all else.
    """
    scenarios = list(scenarios)
    expected = [firing for scenario in scenarios for firing in scenario.expected]
    tests = [
        {
            "name": scenario.name,
            "interval": "5s",
            "input_series": [series.as_input() for series in scenario.series],
            "promql_expr_test": [firing.as_check() for firing in scenario.expected],
        }
        for scenario in scenarios
    ]
    shipped = [RULES / "denis.rules.yaml", RULES / "remediator.rules.yaml"]
    files = [_concerned(path, number, folder, expected) for number, path in enumerate(rule_files or shipped)]
    suite = {"rule_files": [path.name for path in files], "evaluation_interval": f"{INTERVAL}s", "tests": tests}
    path = folder / "scenarios.test.yaml"
    path.write_text(dump_yaml(suite))
    done = subprocess.run(
        [promtool, "test", "rules", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout


def _concerned(path: Path, number: int, folder: Path, expected: Sequence[Firing | OneOf]) -> Path:
    """A copy of a rule file, with the alerts that something is expected of."""
    document = load_yaml(path.read_text())
    for group in document["groups"]:
        group["rules"] = [
            rule for rule in group["rules"] if "record" in rule or any(one.concerns(rule["alert"]) for one in expected)
        ]
    copy = folder / f"{number}-{path.name}"
    copy.write_text(dump_yaml(document))
    return copy
