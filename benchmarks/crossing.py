"""From the moment that DENIS is over a threshold to the moment that its Deployment is changed, at the shipped pace.

Everything is real but DENIS. The threshold is crossed just after a scrape: later by a whole interval it cannot be seen.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.figure import Compared, Effort, Figure, spell_seconds
from benchmarks.place import Place, place
from demo import shipped
from demo.denis import Denis, Scenario
from demo.shipped import Pace
from demo.stack import Alertmanager, Prometheus
from demo.timeline import moment
from demo.waiting import until
from remediator.durations import parse_duration
from tests.acceptance.fleet import Member
from tests.acceptance.incidents import env_of
from tests.acceptance.stack import PACE, free_address
from tests.components import component

ALERT, SERIES = "DenisErrorRateHigh", 'error_rate{job="denis"}'
OVER = Scenario(canary_error_rate=0.9, cause="elsewhere")
SLACK_SECONDS = 0.1
"""What everything that is no setting may take together."""

PATIENCE_SECONDS = 60.0
NAME = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stations:
    """Times of the system's clock, which all programs of one machine share."""

    crossed: float
    scraped: float
    pending: float
    fired: float
    received: float
    """As the service's audit line has it."""
    changed: float
    """When a watch of the API server told."""

    def parts(self) -> list[tuple[str, float]]:
        """What each stage took, in seconds."""
        return [
            ("to the scrape that saw it", self.scraped - self.crossed),
            ("to the evaluation that saw it", self.pending - self.scraped),
            ("pending", self.fired - self.pending),
            ("Alertmanager, from firing to the notification", self.received - self.fired),
            ("Remediator, from the notification to the changed env", self.changed - self.received),
        ]


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """One crossing; a second one would take as long again and say the same."""
    pace = PACE if effort.quick else shipped_pace()
    interval, hold, group_wait = (
        parse_duration(text).total_seconds() for text in (pace.interval, pace.hold, pace.group_wait)
    )
    floor = 2 * interval + hold + group_wait
    settings = f"for {pace.hold}, group_wait {pace.group_wait}"
    stations = _cross(pace, floor, directory)
    took = stations.changed - stations.crossed
    own, beyond = stations.changed - stations.received, stations.changed - stations.pending - hold - group_wait
    yield Figure(
        name="threshold crossed to env changed",
        ours=_precise(took),
        baseline=f"scrape and evaluation, {pace.interval} each, {settings}: {floor:g} s",
        ratio=Compared(ours=[took], baseline=[floor]).ratio,
        goal=f"≤ {floor:g} s + {spell_seconds(SLACK_SECONDS)}",
        reached=took <= floor + SLACK_SECONDS,
        notes=[f"{name}: {_precise(seconds)}" for name, seconds in stations.parts()],
    )
    yield Figure(
        name="of this beyond the settings, pending to env changed",
        ours=spell_seconds(max(beyond, 1e-6)),
        baseline=f"{settings}: {hold + group_wait:g} s",
        goal=f"≤ {spell_seconds(SLACK_SECONDS)}",
        reached=beyond <= SLACK_SECONDS,
        notes=[f"Remediator's own share is {spell_seconds(own)}; the rest is Prometheus's and Alertmanager's"],
    )


def shipped_pace() -> Pace:
    """The durations of rules/, and of the chart's ServiceMonitor for the scrape."""
    (group,) = shipped.read("denis.rules.yaml")["groups"]
    values = yaml.safe_load((shipped.RULES.parent / "helm" / "remediator" / "values.yaml").read_text())
    assert values["serviceMonitor"]["interval"] == group["interval"], "one interval is both in a Pace"
    route = shipped.remediators_route(shipped.read("alertmanager.yaml"))
    waits = {key: route[key] for key in ("group_wait", "group_interval", "repeat_interval")}
    return Pace(interval=group["interval"], hold=shipped.alert(ALERT)["for"], **waits)


def _precise(seconds: float) -> str:
    """A time in seconds, to the millisecond."""
    return f"{seconds:.3f} s"


def _cross(pace: Pace, floor: float, directory: Path) -> _Stations:
    """Start all, cross, and ask each program when it did its part."""
    prometheus_program = component("prometheus-newest", "prometheus")
    alertmanager_program = component("alertmanager-newest", "prometheus-alertmanager")
    with place(directory, [NAME]) as here, ExitStack() as running:
        member = running.enter_context(here.start(directory / "service"))
        denis = running.enter_context(Denis("http://127.0.0.1:1"))
        address, token = free_address(), directory / "token"
        token.write_text("not asked for\n")
        route = shipped.route(pace, webhook=":".join(map(str, member.address)), token_file=token)
        alertmanager = Alertmanager(alertmanager_program, directory, config=route, address=address)
        running.enter_context(alertmanager).ready()
        files = shipped.watch(pace, scrape={"denis": denis.address}, alertmanagers=[address])
        prometheus = running.enter_context(Prometheus(prometheus_program, directory, files)).ready()
        watching = running.enter_context(ThreadPoolExecutor(1))

        deadline = time.monotonic() + floor + 2 * PATIENCE_SECONDS
        changed = watching.submit(_changed, here, deadline)
        seen = until("DENIS is scraped", lambda: _samples(prometheus), PATIENCE_SECONDS)
        until("DENIS is scraped again", lambda: _samples(prometheus)[-1:] != seen[-1:], PATIENCE_SECONDS)
        denis.becomes(OVER)
        crossed = time.time()
        fired = until(f"{ALERT} fires", lambda: _notified(alertmanager), floor + PATIENCE_SECONDS)
        pending = next(alert for alert in prometheus.alerts() if alert["labels"]["alertname"] == ALERT)
        return _Stations(
            crossed=crossed,
            scraped=next(at for at, value in _samples(prometheus) if value > 0.05),
            pending=moment(pending["activeAt"]).timestamp(),
            fired=moment(fired["startsAt"]).timestamp(),
            changed=changed.result(),
            received=_received(member),
        )


def _samples(prometheus: Prometheus) -> list[tuple[float, float]]:
    """Time and value of the error rate at each of the last scrapes."""
    series = prometheus.query(f"{SERIES}[5m]")
    return [(float(at), float(value)) for at, value in series[0]["values"]] if series else []


def _notified(alertmanager: Alertmanager) -> dict[str, Any] | None:
    return next((alert for alert in alertmanager.alerts() if alert["labels"]["alertname"] == ALERT), None)


def _received(member: Member) -> float:
    """When the notification that led to the act arrived."""
    line = until("the act's audit line", lambda: _applied(member), PATIENCE_SECONDS)
    return moment(line["time"]).timestamp() - float(line["durationSeconds"])


def _applied(member: Member) -> dict[str, Any] | None:
    lines = map(json.loads, member.output.read_text().splitlines())
    return next((line for line in lines if line.get("reason") == "Applied"), None)


def _changed(here: Place, deadline: float) -> float:
    """When the API server tells those who watch that the canary is off; each of its watches ends after some seconds."""
    collection, _, name = here.path(NAME).rpartition("/")
    version = here.api.get(collection).version
    while time.monotonic() < deadline:
        for event in here.api.watch(collection, resourceVersion=version, fieldSelector=f"metadata.name={name}"):
            if event["type"] == "MODIFIED" and env_of(event["object"])["DENIS_MATERIALIZERS_PCT"] == "0":
                return time.time()
            version = event["object"]["metadata"]["resourceVersion"]
    raise TimeoutError("the canary was not changed")
