"""A program in a person's place writes its step, and leaves what people have set."""

import pytest

from remediator.canary.changes import set_percentage
from remediator.canary.operator import Steering
from remediator.cli.patience import FIELD_MANAGER
from remediator.core.ledger import PAUSE
from remediator.kube.connection import Connection
from remediator.kube.targets import Cluster
from tests.canary.place import Place
from tests.canary.test_set import annotate
from tests.support.builders import PROFILES


@pytest.mark.parametrize("unattended", [True, False])
def test_an_ended_pause_goes_with_a_persons_write_alone(here: Place, unattended: bool) -> None:
    """What is written unattended is flags and record alone, so that an admission policy can hold it to that."""
    ended = {"reason": "was", "author": "ada", "until": "2026-01-01T00:00:00Z"}
    annotate(here, "denis", PAUSE, ended)
    connection = Connection(here.kubeconfig)
    (target,) = (target for target in here.policy().targets if target.name == "denis")
    steering = Steering(
        Cluster(connection, field_manager=FIELD_MANAGER),
        target,
        operator="cron",
        now=connection.now,
        unattended=unattended,
    )

    written = steering.write(lambda workload: set_percentage(workload, PROFILES[50]), reason="by itself")

    assert written.entry is not None
    assert here.percentage() == "50"
    assert here.acts()[-1]["operator"] == "cron"
    assert here.annotations().get("pause") == (ended if unattended else None)
