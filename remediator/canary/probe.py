"""The probe of `remediator doctor --probe`: a heartbeat that is sent to see whether it arrives.

The rule of this file: the probe asks for no act under any policy, and only its own arrival counts, not another
heartbeat's.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from remediator.canary.doctor import Sources
from remediator.core.checks import Check, Proof, not_checked
from remediator.core.durations import format_duration
from remediator.core.parts import as_map
from remediator.core.policy import HEARTBEAT, HEARTBEAT_ALERT
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.remediator_api import check_heartbeat

FIRES, WAITS = timedelta(minutes=2), timedelta(seconds=90)
"""How long to wait: a new alert of a known group waits for its group_interval, by default 1m."""
PAUSE_SECONDS = 0.5


def send_probe(connect: Callable[[], Sources], namespace: str, fence: str | None, now: Callable[[], datetime]) -> Check:
    """Whether a heartbeat posted to every Alertmanager arrives; it never leads to an act.

    A Remediator that does not know heartbeats is sent none: under some policies it would act on one. If `fence` is
    None, the service's is used.
    """
    name, sources, began = "heartbeat", connect(), now()
    if not sources.alertmanagers or not sources.services:
        return not_checked(name, "--alertmanager.url and --remediator.url")
    probe = uuid.uuid4().hex[:8]
    labels = {"alertname": HEARTBEAT_ALERT, "remediation": HEARTBEAT, "severity": "none", "namespace": namespace}
    try:
        statuses = _statuses(sources)
        if not all("heartbeat" in data for data in statuses):
            return check_heartbeat([], began)
        if cluster := str(statuses[0].get("cluster") or "") if fence is None else fence:
            labels["cluster"] = cluster
        for alertmanager in sources.alertmanagers:
            recorded = {"recorded": f"{began.timestamp():.0f}", "summary": "Sent by remediator doctor --probe."}
            alertmanager.post_alert({**labels, "probe": probe}, recorded, began + FIRES)
        while now() < began + WAITS:
            arrived = [as_map(data.get("heartbeat")) for data in _statuses(connect())]
            if any(beat.get("probe") == probe for beat in arrived):
                took = format_duration(now() - began)
                found = (
                    f"a probe arrived after {took}: Alertmanager's route, token, network and fence let alerts through"
                )
                return Check(name=name, passed=True, found=found, proof=Proof.DONE)
            time.sleep(PAUSE_SECONDS)
    except NoAnswer as error:
        return Check(name=name, passed=None, found=f"the probe could not be sent: {error}")
    found = f"a probe that Alertmanager took did not arrive in {format_duration(WAITS)}"
    remedy = "see the route for heartbeats in rules/alertmanager.yaml, Alertmanager's log, and the token on both sides"
    return Check(name=name, passed=False, found=found, remedy=remedy, proof=Proof.DONE)


def _statuses(sources: Sources) -> list[Mapping[str, Any]]:
    """The status of each replica. Raises NoAnswer."""
    answers = (service.get("/api/v1/status", {}, asked="its status") for service in sources.services)
    return [as_map(as_map(answer).get("data")) for answer in answers]
