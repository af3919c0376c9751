"""What `remediator check` warns of in a valid file: durations, budgets, sizes, and remediations that are shadowed."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from remediator.cli import main
from tests.support.service import SHIPPED

RULES = SHIPPED.parent
FIRST = 'matchers: [remediation="rollback", namespace=~"denis|"]'
SECOND = 'matchers: [remediation="scale", namespace=~"denis|"]'


def warnings(directory: Path, *changes: tuple[str, str], beside: tuple[str, ...] = ()) -> list[str]:
    """The warnings about the shipped file with these changes, with the place of each; `beside` are files around it."""
    text = SHIPPED.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    for name in beside:
        shutil.copy(RULES / name, directory)
    path = directory / "remediations.yaml"
    path.write_text(text)
    ended = CliRunner().invoke(main, ["check", "--lint-fatal", str(path)])
    found = [line.removeprefix("  WARNING: ") for line in ended.output.splitlines() if "WARNING" in line]
    assert ended.exit_code == (3 if found else 0), ended.output
    return [line.replace(f"{directory}/", "") for line in found]


def line_of(text: str, directory: Path) -> int:
    """The line of the changed file on which a text is first."""
    lines = (directory / "remediations.yaml").read_text().splitlines()
    return 1 + next(number for number, line in enumerate(lines) if text in line)


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("cooldown: 30m", "cooldown: 1y", "remediations[0].cooldown", "no alert leads to another one for 365d"),
        ("cooldown: 30m", "cooldown: 25h", "remediations[0].cooldown", "for 1d1h"),
        ("cooldown: 10m", "cooldown: 10s", "remediations[1].cooldown", "10s is over before the pods"),
        ("cooldown: 10m", "cooldown: 500ms", "remediations[1].cooldown", "500ms is over before the pods"),
        ("{acts: 6, window: 6h}", "{acts: 6, window: 5m}", "remediations[1].budget", "6 acts take 1h"),
        ("{acts: 6, window: 6h}", "{acts: 6, window: 1h}", "remediations[1].budget", "6 acts take 1h"),
        ("{acts: 3, window: 24h}", "{acts: 1, window: 10m}", "remediations[0].budget", "1 act take"),
        ("{acts: 3, window: 24h}", "{acts: 3, window: 1y}", "remediations[0].budget.window", "counts for 365d"),
        ("max: 20,", "max: 2000,", "remediations[1].scale.max", "2000 replicas"),
        ("step: 2", "step: 30", "remediations[1].scale.step", "past max 20 in one act"),
        ("hold: 4h", "hold: 10s", "phases[0].hold", "10s is too short"),
        ("hold: 48h", "hold: 1y", "phases[2].hold", "stays at 50 % for 365d"),
    ],
)
def test_what_makes_no_sense_is_warned_of(tmp_path: Path, old: str, new: str, field: str, says: str) -> None:
    """The warning has the line, the field, and what would happen because of it."""
    found = [warning for warning in warnings(tmp_path, (old, new)) if f": {field}: " in warning]
    assert len(found) == 1
    place, _, message = found[0].partition(f": {field}: ")
    assert says in message
    assert place == f"remediations.yaml:{line_of(new, tmp_path)}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cooldown: 30m", "cooldown: 24h\n  #"),
        ("cooldown: 10m", "cooldown: 1m"),
        ("{acts: 6, window: 6h}", "{acts: 6, window: 61m}"),
        ("max: 20,", "max: 200,"),
        ("step: 2", "step: 19"),
    ],
)
def test_what_is_just_sane_is_not_warned_of(tmp_path: Path, old: str, new: str) -> None:
    """The bounds themselves are allowed."""
    budget = ("{acts: 3, window: 24h}", "{acts: 3, window: 7d}")
    assert warnings(tmp_path, (old, new), budget) == []


@pytest.mark.parametrize(
    ("first", "second", "shadowed"),
    [
        ('[remediation=~".+"]', '[remediation="scale"]', True),
        ('[remediation=~"rollback|scale"]', '[remediation="scale"]', True),
        ('[remediation="scale"]', '[remediation="scale"]', True),
        ('[remediation="scale"]', '[remediation="scale", severity="critical"]', True),
        ('[remediation=~".+", severity!="info"]', '[remediation="scale", severity="critical"]', True),
        ('[remediation=~".+", severity=~"w.*"]', '[remediation="scale", severity=~"w.*"]', True),
        ('[remediation=~"rollback|scale"]', '[remediation=~"scale|restart"]', False),
        ('[remediation="scale", severity="critical"]', '[remediation="scale"]', False),
        ('[remediation=~".+", severity!="info"]', '[remediation="scale"]', False),
        ('[remediation=~"r.*"]', '[remediation=~"s.*"]', False),
    ],
)
def test_a_shadowed_remediation_is_warned_of(tmp_path: Path, first: str, second: str, shadowed: bool) -> None:
    """One whose alerts are all answered earlier is named on its own line, with the one that shadows it."""
    found = warnings(tmp_path, (FIRST, f"matchers: {first}"), (SECOND, f"matchers: {second}"))
    found = [warning for warning in found if "heartbeats" not in warning]
    if not shadowed:
        assert found == []
        return
    (warning,) = found
    assert warning.startswith("remediations.yaml:37: remediations[1].matchers: scale-workers is shadowed by rollback")
    assert (tmp_path / "remediations.yaml").read_text().splitlines()[36] == f"  matchers: {second}"


def test_a_second_condition_of_a_matcher_is_no_mistake(tmp_path: Path) -> None:
    """Remediator's own alerts have a severity and no remediation, so they ask for nothing."""
    changed = (FIRST, 'matchers: [remediation="rollback", severity=~"warning|critical"]')
    beside = ("denis.rules.yaml", "remediator.rules.yaml", "alertmanager.yaml")
    assert warnings(tmp_path, changed, beside=beside) == []


def test_alerts_that_an_earlier_remediation_takes_are_named(tmp_path: Path) -> None:
    """Where the matchers alone do not tell, the rules beside the file do."""
    changes = (
        (FIRST, 'matchers: [severity=~"critical|warning", alertname=~"Denis.*"]'),
        (SECOND, 'matchers: [remediation=~"s.*"]'),
    )
    found = warnings(tmp_path, *changes, beside=("denis.rules.yaml",))
    assert found == [
        "remediations.yaml:37: remediations[1].matchers: no alert in the rules leads to scale-workers: "
        "an earlier remediation, such as rollback, answers DenisQueueDepthHigh"
    ]


def test_a_typo_is_warned_of_on_its_own_line(tmp_path: Path) -> None:
    """A remediation that no alert asks for is named where its matchers are, and so are the alerts that ask in vain."""
    found = warnings(tmp_path, (FIRST, 'matchers: [remediation="rolback"]'), beside=("denis.rules.yaml",))
    assert "remediations.yaml:25: remediations[0].matchers: no alert in the rules leads to rollback" in found
    assert any("remediation='rollback' of alert DenisErrorRateHigh" in warning for warning in found)


@pytest.mark.parametrize(
    "matchers",
    [
        'remediation=~".+"',
        'remediation!="scale", severity=~".+"',
        'remediation=~"roll.*|heart.*"',
        'remediation!~"scale|restart", alertname=~".+"',
        'remediation="heartbeat"',
        'severity=~".+"',
        'namespace="denis"',
        'alertname!="", cluster="eu-1"',
    ],
)
def test_matchers_that_would_take_a_heartbeat_are_warned_of(tmp_path: Path, matchers: str) -> None:
    """This version sets heartbeats aside, but one from before them would act on each."""
    found = warnings(tmp_path, (FIRST, f"matchers: [{', '.join(repr(one) for one in matchers.split(', '))}]"))
    (heartbeat,) = [warning for warning in found if "heartbeats" in warning]
    assert heartbeat.startswith(
        f"remediations.yaml:{line_of('matchers: [', tmp_path)}: remediations[0].matchers: rollback"
    )


@pytest.mark.parametrize(
    "matchers",
    ['remediation=~"rollback|restart"', 'severity=~"critical|warning"', 'alertname=~"Denis.*"', 'job="denis"'],
)
def test_matchers_that_pass_a_heartbeat_by_are_not_warned_of(tmp_path: Path, matchers: str) -> None:
    """Names of what is asked for, severities of people and names of alerts never match it."""
    found = warnings(tmp_path, (FIRST, f"matchers: ['{matchers}']"))
    assert not [warning for warning in found if "heartbeats" in warning]
