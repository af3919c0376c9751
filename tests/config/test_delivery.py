"""What `remediator check` says of the alertmanager.yaml beside a file: alerts that never arrive, or late."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from remediator.cli import main
from tests.support.service import SHIPPED

RULES = SHIPPED.parent
ROUTE = (RULES / "alertmanager.yaml").read_text()


def warnings(directory: Path, route: str, *, cooldown: str = "10m") -> list[str]:
    """The warnings about the shipped files with this route beside them."""
    for name in ("denis.rules.yaml", "remediator.rules.yaml"):
        shutil.copy(RULES / name, directory)
    (directory / "alertmanager.yaml").write_text(route)
    path = directory / "remediations.yaml"
    path.write_text(SHIPPED.read_text().replace("cooldown: 10m", f"cooldown: {cooldown}"))
    ended = CliRunner().invoke(main, ["check", "--lint-fatal", str(path)])
    found = [line.removeprefix("  WARNING: ") for line in ended.output.splitlines() if "WARNING" in line]
    assert ended.exit_code == (3 if found else 0), ended.output
    return [line.replace(f"{directory}/", "") for line in found]


def changed(old: str, new: str) -> str:
    """The shipped route with one thing changed."""
    assert old in ROUTE
    return ROUTE.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "repeat_interval: 5m",
            "repeat_interval: 12h",
            "repeat_interval 12h is longer than half of the shortest cooldown (5m)",
        ),
        ("repeat_interval: 5m", "repeat_interval: 6m", "repeat_interval 6m is longer than half"),
        ("    repeat_interval: 5m\n", "", "repeat_interval 4h, Alertmanager's default, is longer than half"),
        ("repeat_interval: 5m", "repeat_interval: 5", "repeat_interval: '5' is not a duration"),
        ("group_interval: 1m", "group_interval: 10m", "group_interval 10m is longer than half"),
        ("group_wait: 5s", "group_wait: 5m", "group_wait 5m is longer than Alertmanager's default (30s)"),
        ("group_by: [remediation, cluster", "group_by: [cluster", "group_by has no remediation"),
    ],
)
def test_a_route_that_is_late_is_warned_of(tmp_path: Path, old: str, new: str, says: str) -> None:
    """The warning is on the line of the setting, or of the route that inherits it."""
    (warning,) = warnings(tmp_path, changed(old, new))
    assert says in warning
    line = int(warning.split(":")[1])
    shown = (tmp_path / "alertmanager.yaml").read_text().splitlines()[line - 1]
    assert new.strip() in shown if new else "receiver: remediator" in shown


def test_the_shortest_cooldown_decides(tmp_path: Path) -> None:
    """With a cooldown of 2m, five minutes are too long."""
    (warning,) = warnings(tmp_path, ROUTE, cooldown="2m")
    assert "half of the shortest cooldown (1m)" in warning


@pytest.mark.parametrize("url", ["http://remediator:8080/webhook", "'<secret>'", "http://10.0.0.7/webhook/"])
def test_the_receiver_is_found_by_its_webhook(tmp_path: Path, url: str) -> None:
    """By the path, or where Alertmanager hides the URL, by its name."""
    route = changed("url: http://remediator:8080/webhook", f"url: {url}")
    assert len(warnings(tmp_path, route.replace("repeat_interval: 5m", "repeat_interval: 1d"))) == 1


def test_an_inherited_interval_is_judged_where_it_is(tmp_path: Path) -> None:
    """The line is that of the route above, from which it comes."""
    route = changed("    repeat_interval: 5m\n", "").replace(
        "  receiver: on-call\n", "  receiver: on-call\n  repeat_interval: 3h\n", 1
    )
    (warning,) = warnings(tmp_path, route)
    assert ": route.repeat_interval: repeat_interval 3h is longer" in warning


def test_other_peoples_webhooks_are_not_judged(tmp_path: Path) -> None:
    """A file without a receiver of Remediator's is another Alertmanager's."""
    route = changed("url: http://remediator:8080/webhook", "url: http://chat-relay:2000/alerts")
    assert warnings(tmp_path, route.replace("repeat_interval: 5m", "repeat_interval: 1d")) == []


def test_an_alert_that_never_arrives_is_warned_of(tmp_path: Path) -> None:
    """An alert with a remediation that the route sends elsewhere is named on its own line."""
    (warning,) = warnings(tmp_path, changed('remediation=~".+"', 'remediation="rollback"'))
    assert warning.endswith("the route sends DenisQueueDepthHigh to on-call, and never to Remediator")
    assert warning.startswith("denis.rules.yaml:")


def test_a_label_that_only_the_series_has_may_match(tmp_path: Path) -> None:
    """What a rule does not write can come from the series, so a route that asks for it is no mistake."""
    assert (
        warnings(tmp_path, changed("""['remediation=~".+"', """, """['remediation=~".+"', 'instance="denis-0"', """))
        == []
    )


def test_a_typo_in_an_alert_that_is_not_sent_costs_nothing(tmp_path: Path) -> None:
    """Alerts of others in the same files are theirs: what the route does not send here is not warned of."""
    (tmp_path / "other.rules.yaml").write_text(
        "groups: [{name: other, rules: [{alert: Other, expr: up, labels: {remediation: restart, team: x}}]}]\n"
    )
    route = changed("""['remediation=~".+"', """, """['remediation=~".+"', 'remediation!="restart"', """)
    assert warnings(tmp_path, route) == []
