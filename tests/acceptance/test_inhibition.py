"""Every shipped alert is delivered under the inhibitions that kube-prometheus-stack brings."""

from pathlib import Path
from typing import Any

import pytest

from demo import shipped
from demo.loopback import send_json
from demo.stack import Alertmanager
from demo.waiting import until
from tests.acceptance.stack import SECONDS
from tests.support.components import component

CONFIGURATION = """
route: {receiver: people, group_by: [namespace]}
receivers: [{name: people}]
inhibit_rules:
- {source_matchers: [alertname="InfoInhibitor"], target_matchers: [severity="info"], equal: [namespace]}
- {source_matchers: [severity="critical"], target_matchers: ['severity=~"warning|info"'], equal: [namespace, alertname]}
"""


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_no_shipped_alert_is_inhibited(age: str, tmp_path: Path) -> None:
    """All alerts fire at once beside InfoInhibitor: none of ours is suppressed, and one of severity info is."""
    rules = [
        rule
        for name in ("denis.rules.yaml", "remediator.rules.yaml")
        for group in shipped.read(name)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    ours = {rule["alert"]: rule["labels"] for rule in rules}
    others = {"InfoInhibitor": {"severity": "none"}, "SomebodysInfo": {"severity": "info"}}
    alerts = [
        {"labels": {"alertname": name, "namespace": "denis", **labels}} for name, labels in (ours | others).items()
    ]
    program = component(f"alertmanager-{age}", "prometheus-alertmanager")
    with Alertmanager(program, tmp_path, config=CONFIGURATION).ready() as alertmanager:
        send_json(f"http://{alertmanager.address}/api/v2/alerts", alerts)

        def suppressed() -> set[str]:
            found: list[dict[str, Any]] = alertmanager.alerts()
            assert len(found) in (0, len(alerts))
            return {one["labels"]["alertname"] for one in found if one["status"]["state"] == "suppressed"}

        assert until("the inhibition is at work", suppressed, SECONDS) == {"SomebodysInfo"}
