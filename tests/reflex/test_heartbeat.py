"""Heartbeats: what proves that alerts arrive, what does not, and that none of them ever does anything else."""

import logging
import math
from typing import Any

import pytest

from remediator.sandbox import EmbeddedCluster
from tests.conftest import MakeService
from tests.support.service import Clock, Service, alert

NOON = 1_795_435_200.0
"""The service's clock, in seconds since 1970."""


def heartbeat(recorded: object = NOON - 22.4, **labels: str) -> dict[str, Any]:
    """A heartbeat as Alertmanager sends it, with the time of the last recorded sample."""
    fields = {"remediation": "heartbeat", "alertname": "RemediatorHeartbeat", "severity": "none", **labels}
    return {**alert(**fields), "annotations": {"recorded": recorded}}


def test_a_heartbeat_is_measured_and_does_nothing_else(
    service: Service, clock: Clock, embedded: EmbeddedCluster
) -> None:
    """Arrival and delay are in the metrics; no target is read, and no audit line and no Event is written."""
    assert clock.now.timestamp() == NOON
    assert service.value("remediator_heartbeat_timestamp_seconds") == 0
    assert math.isnan(service.value("remediator_heartbeat_delay_seconds") or 0)

    assert service.reasons(heartbeat("1795435177.600")) == ["Heartbeat"]

    assert service.value("remediator_heartbeat_timestamp_seconds") == NOON
    assert service.value("remediator_heartbeat_delay_seconds") == pytest.approx(22.4)
    assert service.value("remediator_outcomes_total", remediation="", reason="Heartbeat") == 1
    assert (service.audit_lines(), embedded.requests) == ([], [])


def test_at_debug_level_a_heartbeat_has_an_audit_line(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever looks for one finds each."""
    caplog.set_level(logging.DEBUG)
    service.reasons(heartbeat())
    (line,) = service.audit_lines()
    assert line["reason"] == "Heartbeat"


def test_another_alert_with_the_label_of_heartbeats_has_an_audit_line(service: Service) -> None:
    """Most likely a mistake: somebody expected an act, and finds the reason why there was none."""
    service.reasons(alert("heartbeat", alertname="DenisErrorRateHigh"))
    (line,) = service.audit_lines()
    assert (line["reason"], line["alerts"][0]["alertname"]) == ("Heartbeat", "DenisErrorRateHigh")


def test_a_heartbeat_never_delays_what_comes_with_it(service: Service) -> None:
    """In one notification with an alert that asks for an act, both are answered."""
    assert service.reasons(heartbeat(), alert()) == ["Heartbeat", "Applied"]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({**heartbeat(), "status": "resolved"}, id="resolved"),
        pytest.param({**heartbeat(), "status": "pending"}, id="malformed"),
        pytest.param(heartbeat(alertname="DatasourceNoData"), id="no data"),
        pytest.param(heartbeat(remediation="Heartbeat"), id="another value"),
    ],
)
def test_what_is_no_heartbeat_proves_nothing(service: Service, sent: dict[str, Any]) -> None:
    """Alertmanager resolves the alert of a Prometheus that died, which must not look like life."""
    assert "Heartbeat" not in service.reasons(sent)
    assert service.value("remediator_heartbeat_timestamp_seconds") == 0


@pytest.mark.parametrize("recorded", ["", "soon", "NaN", "-Inf", "1e400", "-5", None, {}, [1]], ids=str)
def test_a_heartbeat_that_does_not_say_when_still_arrives(service: Service, recorded: object) -> None:
    """A rule of one's own need not have the annotation; the delay is then not known, which is not 0.

    An alert that asks for an act may have an annotation of that name, and acts whatever it says.
    """
    service.reasons(heartbeat(NOON - 5))
    both = heartbeat(recorded), {**alert(), "annotations": {"recorded": recorded}}
    assert service.reasons(*both) == ["Heartbeat", "Applied"]
    assert service.value("remediator_heartbeat_timestamp_seconds") == NOON
    assert math.isnan(service.value("remediator_heartbeat_delay_seconds") or 0)


@pytest.mark.parametrize("ahead", [301.0, 600.0, 1e300])
def test_a_heartbeat_from_the_future_is_not_believed(
    service: Service, caplog: pytest.LogCaptureFixture, ahead: float
) -> None:
    """A clock is 10 minutes ahead, or it is forged: it is no proof of life, and the log says so, not each time."""
    assert service.reasons(heartbeat(NOON + ahead)) == ["Heartbeat"]
    service.reasons(heartbeat(NOON + ahead))
    assert service.value("remediator_heartbeat_timestamp_seconds") == 0
    assert [record.getMessage() for record in caplog.records] == [
        "heartbeat not believed: a clock is wrong, or it is forged"
    ]


def test_a_clock_that_is_a_little_ahead_is_believed(service: Service) -> None:
    """Up to five minutes, as for everything that is stamped by another clock."""
    service.reasons(heartbeat(NOON + 300))
    assert service.value("remediator_heartbeat_delay_seconds") == -300


def test_a_clock_that_is_10_minutes_behind_looks_late(service: Service) -> None:
    """It arrives, and its delay is over every bound."""
    service.reasons(heartbeat(NOON - 600))
    assert service.value("remediator_heartbeat_delay_seconds") == 600


def test_of_two_prometheus_servers_the_freshest_counts(service: Service) -> None:
    """One that is from the future does not hide one that is late, and a late one does not hide a fresh one."""
    service.reasons(heartbeat(NOON - 200, replica="a"), heartbeat(NOON - 20, replica="b"))
    assert service.value("remediator_heartbeat_delay_seconds") == 20
    service.reasons(heartbeat(NOON - 200, replica="a"), heartbeat(NOON + 900, replica="b"))
    assert service.value("remediator_heartbeat_delay_seconds") == 200


@pytest.mark.parametrize("cluster", ["eu-2", ""])
def test_a_heartbeat_of_another_cluster_proves_nothing_here(make_service: MakeService, cluster: str) -> None:
    """Two clusters whose heartbeats are crossed are both without one, and it is counted as what it is."""
    service = make_service(fence="eu-1")
    assert service.reasons(heartbeat(cluster=cluster)) == ["ForeignCluster"]
    assert service.value("remediator_heartbeat_timestamp_seconds") == 0
    assert service.value("remediator_outcomes_total", remediation="", reason="ForeignCluster") == 1
    assert service.reasons(heartbeat(cluster="eu-1")) == ["Heartbeat"]
    assert service.value("remediator_heartbeat_timestamp_seconds") == NOON
