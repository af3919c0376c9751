"""Where a route sends an alert: as Alertmanager itself would."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.shipped import RULES
from remediator.monitoring.routing import check_route, receivers_of
from tests.components import component

LABELS = {"alertname": "DenisErrorRateHigh", "remediation": "rollback", "namespace": "denis", "severity": "critical"}


def child(receiver: str, *matchers: str, **keys: Any) -> dict[str, Any]:
    """A route below another."""
    return {"receiver": receiver, "matchers": list(matchers), **keys}


def route(*children: dict[str, Any], receiver: str = "root") -> dict[str, Any]:
    """The route at the top."""
    return {"receiver": receiver, "routes": list(children)}


ROUTES = {
    "no-child": (route(), ("root",)),
    "no-match": (route(child("a", "remediation=scale")), ("root",)),
    "first-alone": (route(child("a", "remediation=rollback"), child("b", "remediation=rollback")), ("a",)),
    "continue": (
        route(child("a", 'remediation=~".+"', **{"continue": True}), child("b", "severity=critical"), child("c")),
        ("a", "b"),
    ),
    "continue-last": (route(child("a", 'remediation=~".+"', **{"continue": True})), ("a",)),
    "inherited": (route({"matchers": ["remediation=rollback"]}), ("root",)),
    "nested": (route(child("a", "remediation=rollback", routes=[child("b", "severity!=warning")])), ("b",)),
    "nested-no-match": (route(child("a", "remediation=rollback", routes=[child("b", "severity=warning")])), ("a",)),
    "old-forms": (
        route({"receiver": "a", "match": {"remediation": "rollback"}, "match_re": {"severity": "crit.*|x"}}),
        ("a",),
    ),
    "old-form-anchored": (route({"receiver": "a", "match_re": {"severity": "crit"}}), ("root",)),
    "all-matchers": (route(child("a", "remediation=rollback", "severity=warning")), ("root",)),
    "twice": (route(child("a", **{"continue": True}), child("a")), ("a",)),
}


@pytest.mark.parametrize(("routes", "receivers"), ROUTES.values(), ids=ROUTES)
def test_the_receivers_of_an_alert(tmp_path: Path, routes: dict[str, Any], receivers: tuple[str, ...]) -> None:
    """Ours are the receivers that amtool names for the same route and labels."""
    assert receivers_of(routes, LABELS) == receivers

    amtool = component("alertmanager-newest", "amtool")
    config = tmp_path / "alertmanager.yaml"
    config.write_text(yaml.safe_dump({"route": routes, "receivers": [{"name": name} for name in ("root", *"abc")]}))
    labels = [f"{name}={value}" for name, value in LABELS.items()]
    command = [str(amtool), "config", "routes", "test", f"--config.file={config}", *labels]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert tuple(dict.fromkeys(said.strip().split(","))) == receivers


def test_the_shipped_route() -> None:
    """The shipped files lead a rollback to the webhook."""
    check = check_route((RULES / "alertmanager.yaml").read_text(), LABELS)
    assert check.passed
    assert check.found.endswith("severity=critical goes to the webhook of receiver remediator")


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('remediation=~".+"', 'remediation="restart"', "goes to on-call, and no webhook is there"),
        ("max_alerts: 0", "max_alerts: 5", "receiver remediator cuts alerts off by max_alerts"),
        ("  webhook_configs:", "  slack_configs:", "goes to remediator, on-call, and no webhook is there"),
        ('remediation=~".+"', "remediation=~((", "cannot be told: "),
        ("route:", "routes:", "goes to , and no webhook is there"),
        ("receivers:", "receivers: 7\nothers:", "goes to remediator, on-call, and no webhook is there"),
        ("route:", "route: [", "cannot be told: "),
    ],
    ids=["unmatched", "max-alerts", "no-webhook", "regex", "no-route", "no-receivers", "yaml"],
)
def test_a_route_that_leads_nowhere(old: str, new: str, found: str) -> None:
    """What keeps a rollback from a webhook is named, and what cannot be read is no success."""
    text = (RULES / "alertmanager.yaml").read_text()
    assert old in text
    check = check_route(text.replace(old, new, 1), LABELS)

    assert check.passed is False
    assert found in check.found


def test_a_route_without_end() -> None:
    """Routes that are nested beyond measure are refused, and not followed."""
    nested: dict[str, Any] = {"receiver": "a"}
    for _ in range(100):
        nested = {"receiver": "a", "routes": [nested]}
    with pytest.raises(ValueError, match="nested too deeply"):
        receivers_of(nested, LABELS)
