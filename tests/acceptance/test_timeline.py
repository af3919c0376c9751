"""An incident through real Prometheus, Alertmanager and service, as `remediator timeline` shows it afterwards."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from demo.denis import Scenario
from demo.timeline import moment
from demo.waiting import until
from remediator.cli import main
from tests.acceptance.conftest import Assemble
from tests.acceptance.stack import HEALTHY, SECONDS, Stack

ALERT = "DenisMaterializerSuccessRateLow"


def timeline(stack: Stack, since: datetime, *arguments: str) -> Any:
    """What the command says of the time since then, as JSON: the stack's Prometheus has more of other tests."""
    where = [f"--config.file={stack.config}", f"--kubeconfig={stack.directory / 'kubeconfig'}"]
    prometheus = f"--prometheus.url=http://{stack.watch.prometheus.address}"
    command = ["timeline", f"--from={since.isoformat()}", prometheus, *where, *arguments, "-o", "json"]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def of(found: Any, *kinds: str, subject: str = "") -> list[dict[str, Any]]:
    """The lines of these kinds."""
    return [line for line in found["lines"] if line["kind"] in kinds and subject in ("", line["subject"])]


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_an_incident_is_reported_from_the_alert_to_the_verdict(assemble: Assemble) -> None:
    """The alert, the act, what it led to, and its end, each once, with everybody who says so, in the order of cause."""
    stack = assemble()
    began = datetime.now(UTC)
    # Long enough for the moments that are asked for, which are whole seconds.
    stack.denis.becomes(Scenario(success_rate=0.7, cause="elsewhere"))
    act = stack.decides("Applied")
    stack.decides("CoolingDown", times=4)
    stack.denis.becomes(HEALTHY)
    stack.decides("NotFiring", of=ALERT)
    until("the act is verified", stack.remediator.verifications, SECONDS)

    def shown() -> Any:
        # Prometheus has it with its next scrape, and the Event is written a moment after the audit line.
        found = timeline(stack, began, f"--audit.file={stack.remediator.output}")
        witnesses = {"ledger", "audit log", "Event", "Prometheus"}
        acts = [line for line in of(found, "act") if witnesses <= {*line["sources"]}]
        verified = [line for line in of(found, "verification") if "Event" in line["sources"]]
        over = [line for line in of(found, "alert", subject=ALERT) if "is resolved" in line["text"]]
        return found if acts and verified and over else None

    found = until("all sources have the act", shown, SECONDS)
    (line,) = of(found, "act")
    assert "denis: 10 % -> 0 % by rollback: DenisMaterializerSuccessRateLow" in line["text"]
    assert abs(moment(line["time"]) - moment(act["time"])) < timedelta(seconds=1)
    (verified,) = of(found, "verification")
    assert "Converged" in verified["text"]
    (verdict,) = of(found, "verdict", subject="denis")
    assert "denis: 10 % -> 0 % by rollback: Unknown: " in verdict["text"]
    assert verdict["time"] == line["time"]
    fired = [one for one in of(found, "alert", subject=ALERT) if "fires, value" in one["text"]]
    resolved = [one for one in of(found, "alert", subject=ALERT) if "is resolved" in one["text"]]
    assert fired[0]["sources"] == ["audit log", "Prometheus"]
    assert moment(fired[0]["time"]) < moment(line["time"]) < moment(verified["time"])
    assert moment(line["time"]) < moment(resolved[0]["time"])

    blind = timeline(stack, began)
    assert [one["sources"] for one in of(blind, "act") if "ledger" in one["sources"]] == [
        ["ledger", "Event", "Prometheus"]
    ]
    counted = [one for one in of(blind, "decision", subject="rollback") if "CoolingDown" in one["text"]]
    assert [one["sources"] for one in counted] == [["Prometheus"]] * len(counted)
    assert counted != []
