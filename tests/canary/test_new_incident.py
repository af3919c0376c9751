"""After somebody has raised the canary again, an alert that began later is a new incident: on both clusters."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.canary.place import Place
from tests.support.components import component
from tests.support.service import Service, alert

SECOND = timedelta(seconds=1)


@pytest.fixture
def service(place: Place) -> Iterator[Service]:
    """The reflex on the same cluster, with a clock that runs."""
    made = Service(place.kubeconfig, policy=place.policy(), clock=lambda: datetime.now(UTC))
    yield made
    made.recorder.close(5)


def began(at: datetime) -> dict[str, Any]:
    """An alert that began at this moment."""
    return {**alert(), "startsAt": at.isoformat()}


def raise_by_hand(place: Place) -> None:
    """What the runbook says to do by hand, with the real kubectl."""
    flags = ("DENIS_MATERIALIZERS_ENABLED=true", "DENIS_MATERIALIZERS_PCT=10", "ASYNC_ENABLED=true")
    command: list[str | Path] = [
        component("kubectl", "kubectl"),
        f"--kubeconfig={place.kubeconfig}",
        f"--namespace={place.namespace}",
    ]
    subprocess.run([*command, "set", "env", "deployment/denis", "-c", "denis", *flags], check=True, env={**os.environ})


def raise_by_command(place: Place) -> None:
    """The same by Remediator, with a record."""
    ended = place.run("canary", "set", "10", "--yes", "--override", "--reason=fixed", "--no-wait")
    assert ended.code == 0, ended.output


@pytest.mark.parametrize("raise_again", [raise_by_hand, raise_by_command], ids=["kubectl set env", "canary set"])
def test_an_alert_that_began_after_the_raise_is_acted_on(place: Place, service: Service, raise_again: Any) -> None:
    """The old alert stays withheld in the cooldown, a newer one takes the canary back, and its repeat is withheld."""
    old = began(datetime.now(UTC) - timedelta(minutes=1))
    assert service.reasons(old) == ["Applied"]
    new = began(datetime.now(UTC) + 2 * SECOND)
    assert service.reasons(new) == ["CoolingDown"]

    raise_again(place)
    new = began(datetime.now(UTC) + 2 * SECOND)
    assert place.percentage() == "10"
    assert service.reasons(old) == ["CoolingDown"]
    assert service.reasons(old, new) == ["Applied", "Applied"]
    assert place.percentage() == "0"
    assert service.reasons(old, new) == ["CoolingDown", "CoolingDown"]
    assert len([act for act in place.acts() if act.get("remediation")]) == 2


def test_the_budget_ends_a_fight(place: Place, service: Service) -> None:
    """Whoever raises the canary after each rollback is stopped from nothing, and the reflex stops at its budget."""
    reasons = []
    for incident in range(5):
        # Each begins later than the last, and after the raise; by full seconds, as the record of an act has it.
        reasons += service.reasons(began(datetime.now(UTC) + (incident + 1) * 10 * SECOND))
        raise_by_hand(place)

    assert reasons == ["Applied", "Applied", "Applied", "BudgetSpent", "BudgetSpent"]
