"""What the documentation says and the program does are the same: names, links, commands."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Option
from prometheus_client import CollectorRegistry

from remediator import arbiter, audit, recorder, remediation, worker
from remediator.alerts import MAX_BODY_BYTES
from remediator.cli.serve import serve
from remediator.metrics import Metrics
from remediator.policy_schema import json_schema
from remediator.reasons import Reason
from remediator.verification import Verdict
from tests.service import shipped_policy
from tests.test_cli import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def page(name: str) -> str:
    """A page's text."""
    return (ROOT / name).read_text()


def first_column(text: str) -> list[str]:
    """The names in backticks that start a row of any table of a page."""
    return [name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)]


def keys(schema: dict[str, Any], node: dict[str, Any], path: str = "") -> Iterator[str]:
    """The keys of remediations.yaml as docs/configuration.md spells them."""
    for option in (node, *node.get("anyOf", [])):
        resolved = schema["$defs"][option["$ref"].rpartition("/")[2]] if "$ref" in option else option
        for name, inner in resolved.get("properties", {}).items():
            spelled = f"{path}.{name}" if path else name
            yield spelled
            yield from keys(schema, inner, spelled)
        if "items" in resolved:
            yield from keys(schema, resolved["items"], f"{path}[]")
        for named in (resolved.get("additionalProperties"), *resolved.get("patternProperties", {}).values()):
            if isinstance(named, dict):
                yield from keys(schema, named, f"{path}.*")


def test_every_reason_is_explained_in_the_order_of_the_ladder() -> None:
    """docs/reasons.md has a row for each reason, in the order that the code tries them."""
    documented = [name for name in first_column(page("docs/reasons.md")) if name in set(Reason)]
    assert documented == list(Reason)


def test_every_reasons_answer_is_what_is_documented() -> None:
    """The column `answer` is 503 for the failures and 200 for all others."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d{3}) \|", page("docs/reasons.md"), re.MULTILINE)
    assert dict(rows) == {reason: "503" if reason.failed else "200" for reason in Reason}


def test_the_readme_counts_the_reasons() -> None:
    """The number in the README is that of the list."""
    assert f"{len(Reason)} reasons" in page("README.md")


def test_every_verdict_is_explained() -> None:
    """docs/metrics.md has a row for each verdict in the order of the rungs, and the runbook a word for each bad one."""
    assert [name for name in first_column(page("docs/metrics.md")) if name in set(Verdict)] == list(Verdict)
    meaning = page("docs/runbooks/RemediatorActDidNotHold.md").partition("## Impact")[0]
    explained = re.findall(r"^- `(\w+)`: ", meaning, re.MULTILINE)
    assert explained == [verdict for verdict in Verdict if verdict is not Verdict.CONVERGED]


def test_every_metric_is_documented_and_exists() -> None:
    """docs/metrics.md has a row for each metric, by the name that a scrape shows, and no other."""
    metrics = Metrics(CollectorRegistry())
    metrics.preregister(shipped_policy())
    types = {family.name: family.type for family in metrics.registry.collect()}
    shown = {f"{name}_total" if kind == "counter" else name for name, kind in types.items()}
    documented = {name for name in first_column(page("docs/metrics.md")) if name.startswith("remediator_")}
    assert documented == shown


def test_every_metric_in_the_rules_exists() -> None:
    """An alert on a metric that nobody exports would never fire."""
    metrics = Metrics(CollectorRegistry())
    metrics.preregister(shipped_policy())
    shown = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    # Gauges of a target have a series once it was looked at.
    shown |= {family.name for family in metrics.registry.collect()}
    used = set(re.findall(r"\bremediator_[a-z_]+", page("rules/remediator.rules.yaml")))
    assert used <= shown


def test_every_flag_is_documented_and_exists() -> None:
    """docs/configuration.md has a row for each flag of `serve`, and no other."""
    flags = {option for parameter in serve.params for option in parameter.opts}
    documented = {name for name in first_column(page("docs/configuration.md")) if name.startswith("--")}
    assert documented == flags


def test_every_default_is_documented() -> None:
    """The defaults in docs/configuration.md are those of the program."""
    for parameter in serve.params:
        if isinstance(parameter.default, str | Path) and str(parameter.default):
            row = next(
                row for row in page("docs/configuration.md").splitlines() if row.startswith(f"| `{parameter.opts[0]}`")
            )
            assert f"`{parameter.default}`" in row


def test_every_flag_for_people_is_documented_and_exists() -> None:
    """docs/canary.md has a row for each flag of the commands for people: its variable, and which commands have it."""
    flags: dict[str, tuple[str, set[str]]] = {}
    for path, command in COMMANDS.items():
        name = path.removeprefix("remediator ").removeprefix("canary ")
        for option in command.params if name not in ("serve", "check", "completion") else ():
            for spelling in (*option.opts, *option.secondary_opts) if isinstance(option, Option) else ():
                flags.setdefault(spelling, (str(option.envvar or ""), set()))[1].add(name)
    flags["--kubeconfig"] = ("KUBECONFIG", flags["--kubeconfig"][1])  # by kubectl's own rules
    everybody = flags["--config.file"][1]

    documented = {}
    section = page("docs/canary.md").partition("## Flags and variables")[2].partition("\n## ")[0]
    for spellings, variable, of in re.findall(r"^\| (`-.*?) \| (.*?)\| (.+?) \|", section, re.MULTILINE):
        named = set(re.findall("`([^`]+)`", of))
        had_by = everybody - named if of.startswith("all") else named
        for spelling in re.findall("`([^`]+)`", spellings):
            documented[spelling] = (variable.strip(" `"), had_by)
    assert documented == flags


def test_every_key_is_documented_and_exists() -> None:
    """docs/configuration.md has a row for each key of remediations.yaml, and no other."""
    schema = json_schema()
    known = set(keys(schema, schema))
    section = page("docs/configuration.md").partition("## remediations.yaml")[2]
    assert set(first_column(section)) == known


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link of a page leads to a file of the project."""
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if "://" not in link:
            assert (path.parent / link).exists(), link


def test_make_help_lists_every_target() -> None:
    """`make help` explains each target that somebody may call."""
    makefile = page("Makefile")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^\s+\x1b\[1m([\w-]+)", shown.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony[1].split())


def test_the_commands_of_the_readme_exist() -> None:
    """Each `make` target that the README names is one of the Makefile's."""
    for target in re.findall(r"(?:^|`)make (\w+)", page("README.md"), re.MULTILINE):
        assert re.search(rf"^{target}:", page("Makefile"), re.MULTILINE), target


def test_no_address_of_a_registry_is_in_a_lock_file() -> None:
    """Lock files pin versions by hash, and leave it to each machine where packages come from."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = page(name)
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|--index-url|--find-links", text)


def test_the_changelog_is_in_alertmanagers_form() -> None:
    """Each entry says what kind of change it is."""
    entries = re.findall(r"^\* (.*)$", page("CHANGELOG.md"), re.MULTILINE)
    assert entries
    assert all(re.match(r"\[(CHANGE|FEATURE|ENHANCEMENT|BUGFIX)\] ", entry) for entry in entries)


def test_the_bounds_are_what_is_documented() -> None:
    """The table of bounds has the numbers of the code, in its order."""
    section = page("docs/performance.md").partition("## Bounds")[2].partition("\n## ")[0]
    rows = [row.split("|")[2] for row in section.splitlines() if row.startswith("| ") and "bound" not in row]
    stated = [int(number) for row in rows for number in re.findall(r"\d+", row)]
    mebibyte = 1024 * 1024
    assert stated == [
        worker.REQUEST_SECONDS,
        remediation.TIME_LIMIT,
        arbiter.THREADS,
        worker.MAX_WAITING,
        worker.WAITING_SECONDS,
        arbiter.CONNECTIONS,
        arbiter.KEEPALIVE_SECONDS,
        MAX_BODY_BYTES / mebibyte,
        worker.MAX_ARRIVING_BYTES / mebibyte,
        worker.MAX_HANDLED_BYTES / mebibyte,
        audit.MAX_WAITING,
        recorder.MAX_EVENTS,
    ]


def test_the_charts_resources_are_what_is_documented() -> None:
    """Replicas, requests and limits of the sizing table are the defaults of the chart."""
    values = yaml.safe_load(page("helm/remediator/values.yaml"))
    section = page("docs/performance.md").partition("## Sizing")[2].partition("\n## ")[0]
    stated = [row.split("|")[2].strip() for row in section.splitlines() if row.startswith("| ") and "why" not in row]
    requests, limits = values["resources"]["requests"], values["resources"]["limits"]
    assert stated == [
        str(values["replicaCount"]),
        requests["memory"],
        limits["memory"],
        requests["cpu"],
        limits.get("cpu", "none"),
    ]
