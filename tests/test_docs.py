"""What the documentation says and the program does are the same: names, links, commands."""

import math
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click import Option
from gunicorn.config import Config
from prometheus_client import CollectorRegistry

from remediator.cli.serve import serve
from remediator.config.schema import PhaseSpec, json_schema
from remediator.config.unit_tests import UnitTestFile
from remediator.core import ledger
from remediator.core.actions.scale import Scale
from remediator.core.actions.set_percentage import SetPercentage
from remediator.core.alerts import MAX_BODY_BYTES
from remediator.core.denis_signals import SIGNALS
from remediator.core.judgement import Judgement
from remediator.core.ladder import LADDER
from remediator.core.reasons import Reason
from remediator.core.verification import Verdict
from remediator.kube import connection
from remediator.reflex import audit, confirmations, decision, recorder
from remediator.reflex.metrics import Metrics
from remediator.web import admission, connections, internal, listeners
from remediator.web import gunicorn_arbiter as arbiter
from tests.cli.test_cli import COMMANDS
from tests.support.commands import run
from tests.support.documents import load_yaml
from tests.support.service import shipped_policy

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def page(name: str) -> str:
    """A page's text."""
    return (ROOT / name).read_text()


def first_column(text: str) -> list[str]:
    """The names in backticks that start a row of any table of a page."""
    return [name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_yaml_in_the_docs_is_yaml(path: Path) -> None:
    """What people copy out of a page can be read where it is pasted."""
    for block in re.findall(r"^ *```ya?ml\n(.*?)^ *```", path.read_text(), re.DOTALL | re.MULTILINE):
        load_yaml(textwrap.dedent(block))


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


def test_every_row_of_the_first_table_is_a_rung() -> None:
    """Each reason of the ladder in docs/reasons.md is given by exactly one rung of the code, in the same order."""
    table = page("docs/reasons.md").partition("passes every rung")[0]
    assert [rung.reason for rung in LADDER] == [name for name in first_column(table) if name in set(Reason)]


def recipe(title: str) -> list[str]:
    """The files that a recipe of CONTRIBUTING.md says are touched."""
    text = page("CONTRIBUTING.md").partition(f"## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\d\. `([^`]+)`", text, re.MULTILINE)


def test_the_recipe_for_a_reason_names_files_that_are_there() -> None:
    """CONTRIBUTING.md says which five files a new reason touches."""
    files = recipe("Add a reason")
    assert len(files) == 5
    assert all((ROOT / name).is_file() for name in files)


def test_the_recipe_for_an_action_names_all_that_know_the_others() -> None:
    """Of the package, only the three files of the recipe name an action, and the second is the new one."""
    files = recipe("Add an action")
    assert len(files) == 3
    assert not (ROOT / files[1]).exists()
    assert (ROOT / files[1]).parent == ROOT / "remediator/core/actions"
    names = re.compile(r"\b(Scale|SetPercentage|actions\.scale|actions\.set_percentage)\b")
    ours = (path for path in ROOT.glob("remediator/**/*.py") if "sandbox" not in path.parts)
    knowing = {path for path in ours if names.search(path.read_text())}
    assert {path for path in knowing if path.parent != ROOT / "remediator/core/actions"} == {
        ROOT / files[0],
        ROOT / files[2],
    }


def test_the_recipe_for_a_signal_names_one_python_file() -> None:
    """Of the package, only the file of the recipe has the name of a signal."""
    files = recipe("Add a signal")
    assert all((ROOT / name).is_file() for name in files)
    (table,) = (ROOT / name for name in files if name.endswith(".py"))
    literals = [f'"{name}"' for signal in SIGNALS.values() for name in signal.names]
    ours = (path for path in ROOT.glob("remediator/**/*.py") if "sandbox" not in path.parts)
    named = {path for path in ours if any(literal in path.read_text() for literal in literals)}
    assert named == {table}


def test_every_signal_is_documented_and_on_the_dashboard() -> None:
    """docs/phases.md has the table of signals, the rules record each, and the dashboard shows each."""
    table = re.compile(r"^\| `(\w+)` \|(.*)\| (\w+) \| (less|more) \|(.*)\|(.*)\|$", re.MULTILINE)
    documented = table.findall(page("docs/phases.md"))
    rows = [tuple(cell.replace("`", "").strip() for cell in row) for row in documented]
    assert rows == [
        (one.name, ", ".join(one.aliases), one.unit, one.worse, one.phase_key, one.recorded) for one in SIGNALS.values()
    ]
    dashboard, rules = page("helm/remediator/files/dashboards/remediator.json"), page("rules/denis.rules.yaml")
    for one in SIGNALS.values():
        assert f"signal: {one.name}}}" in rules
        assert one.recorded in dashboard if one.recorded else f'signal=\\"{one.name}\\"' in dashboard
        assert not one.phase_key or one.phase_key in PhaseSpec.model_fields


def test_every_reasons_answer_is_what_is_documented() -> None:
    """The column `answer` is 503 for the failures and 200 for all others."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d{3}) \|", page("docs/reasons.md"), re.MULTILINE)
    assert dict(rows) == {reason: "503" if reason.failed else "200" for reason in Reason}


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
        for option in (
            command.params if name not in ("serve", "check", "completion", "test", "backtest", "review") else ()
        ):
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


@pytest.mark.parametrize("command", ["backtest", "review"])
def test_every_flag_of_what_looks_back_is_documented_and_exists(command: str) -> None:
    """The command's page has a row for each flag."""
    flags = {spelling for option in COMMANDS[f"remediator {command}"].params for spelling in option.opts}
    rows = re.findall(r"^\| (`-.*?) \|", page(f"docs/{command}.md"), re.MULTILINE)
    assert {spelling for row in rows for spelling in re.findall("`([^`]+)`", row)} == flags


def test_every_judgement_is_explained() -> None:
    """docs/backtest.md has a row for each word."""
    assert {*Judgement} <= {*first_column(page("docs/backtest.md"))}


def test_every_key_is_documented_and_exists() -> None:
    """docs/configuration.md has a row for each key of remediations.yaml, and no other."""
    schema = json_schema()
    known = set(keys(schema, schema))
    section = page("docs/configuration.md").partition("## remediations.yaml")[2]
    assert set(first_column(section)) == known


def test_every_key_of_unit_tests_is_documented_and_exists() -> None:
    """docs/unit-tests.md has a row for each key of a file of tests, and no other."""
    schema = json_schema(UnitTestFile)
    assert set(first_column(page("docs/unit-tests.md"))) == set(keys(schema, schema))


def test_the_example_of_a_unit_test_passes(tmp_path: Path) -> None:
    """The file in docs/unit-tests.md can be copied, and fails as the page shows it once it expects something else."""
    text, shown = re.findall(r"```(?:yaml|text)\n(.*?)```", page("docs/unit-tests.md"), re.DOTALL)
    (tmp_path / "rules" / "tests").mkdir(parents=True)
    (tmp_path / "rules" / "remediations.yaml").write_text(page("rules/remediations.yaml"))
    path = tmp_path / "rules" / "tests" / "remediations-test.yaml"
    path.write_text(text)
    assert run("test", path).exit_code == 0

    path.write_text(text.replace("CoolingDown", "Applied"))
    assert run("test", path).output.replace(f"{tmp_path}/", "") == shown


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
        math.ceil(connections.REQUEST_SECONDS),
        decision.TIME_LIMIT,
        math.ceil(SetPercentage.longest_question),
        math.ceil(Scale.longest_question),
        confirmations.PLACES,
        confirmations.PLACE_SECONDS * 1000,
        admission.TURNS,
        admission.MAX_WAITING,
        admission.WAITING_SECONDS,
        arbiter.THREADS,
        listeners.WEBHOOK_CONNECTIONS,
        listeners.INTERNAL_CONNECTIONS,
        math.ceil(connections.REQUEST_SECONDS),
        internal.MAX_REQUEST_BYTES / 1024,
        arbiter.KEEPALIVE_SECONDS,
        MAX_BODY_BYTES / mebibyte,
        admission.MAX_READ_BYTES / mebibyte,
        admission.MAX_ANSWERED_BYTES / mebibyte,
        connections.MAX_DISCARDED_BYTES / mebibyte,
        connections.LINGER_SECONDS,
        audit.MAX_WAITING,
        recorder.MAX_EVENTS,
    ]


def test_the_webhooks_limits_are_what_is_documented() -> None:
    """The table of limits for senders has the numbers of the code, in its order."""
    section = page("docs/webhook.md").partition("## Limits")[2].partition("\n## ")[0]
    rows = [row.split("|")[2] for row in section.splitlines() if row.startswith("| ") and "limit" not in row]
    stated = [int(number) for row in rows for number in re.findall(r"\d+", row.partition(",")[0])]
    assert stated == [
        MAX_BODY_BYTES / 1024 / 1024,
        (Config().limit_request_line + 2) / 1024,
        arbiter.HEADER_FIELDS * arbiter.FIELD_BYTES / 1024,
        arbiter.HEADER_FIELDS,
        arbiter.FIELD_BYTES / 1024,
        admission.TURNS,
        admission.MAX_WAITING,
        admission.WAITING_SECONDS,
        math.ceil(connections.REQUEST_SECONDS),
        decision.TIME_LIMIT,
        connection.REQUEST_SECONDS,
        recorder.ALERTS_IN_AUDIT,
        ledger.FINGERPRINTS_WITH_CAUSE,
        3,
    ]


def test_the_charts_resources_are_what_is_documented() -> None:
    """Replicas, requests and limits of the sizing table are the defaults of the chart."""
    values = load_yaml(page("helm/remediator/values.yaml"))
    section = page("docs/performance.md").partition("## Sizing")[2].partition("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith("| ") and "why" not in row and "---" not in row]
    stated = [row.split("|")[2].strip() for row in rows]
    requests, limits = values["resources"]["requests"], values["resources"]["limits"]
    assert stated == [
        str(values["replicaCount"]),
        requests["memory"],
        limits["memory"],
        requests["cpu"],
        limits.get("cpu", "none"),
    ]


def test_the_kubeconfig_of_the_made_up_cluster_has_one_name() -> None:
    """Who reads the README and then the demo's last lines finds the same file."""
    spelled = re.findall(r"--embedded\.kubeconfig=([\w.]+)", page("README.md") + page("demo/__main__.py"))
    assert set(spelled) == {"kubeconfig"}
    assert "KUBECONFIG=$PWD/kubeconfig" in page("README.md")


def shown_commands() -> Iterator[tuple[str, str]]:
    """Each line of a block on any page that calls remediator, with the page."""
    for path in PAGES:
        for block in re.findall(r"^ *```(?:sh|text)\n(.*?)^ *```", path.read_text(), re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if found := re.match(r" *(?:\.venv/bin/|venv/bin/)?remediator (?!of\b)(.*)", line):
                    yield path.name, found[1]


@pytest.mark.parametrize(("path", "line"), sorted(set(shown_commands())))
def test_every_command_that_is_shown_can_be_typed(path: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command on a page has only arguments and flags that the program takes."""
    monkeypatch.setenv("REMEDIATOR_CONFIG_FILE", str(ROOT / "rules" / "remediations.yaml"))
    words = shlex.split(line.partition(" >")[0].partition("|")[0], comments=True)
    typed = f"remediator {' '.join(words)}"
    if typed in ("remediator --help", "remediator --version"):
        return
    command = COMMANDS[max((name for name in COMMANDS if f"{typed} ".startswith(f"{name} ")), key=len)]
    known = {spelling for option in command.params for spelling in (*option.opts, *option.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("-") and not re.fullmatch(r"-\d+.*", word)}
    assert given <= {*known, "--help", "-h", "&"}, line
