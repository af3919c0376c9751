"""From the moment that DENIS is over a threshold to the moment that its Deployment is changed, at the shipped pace.

Everything is real but DENIS. The threshold is crossed just after a scrape, so that the next one is farthest away.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from benchmarks.canaries import canaries
from benchmarks.results import Compared, Effort, Figure, duration
from demo import shipped
from demo.denis import Denis, Scenario
from demo.shipped import Pace
from demo.stack import Alertmanager, Prometheus
from demo.timeline import moment
from demo.waiting import until
from remediator.core.durations import parse_duration
from tests.acceptance.fleet import Member
from tests.acceptance.stack import PACE, free_address
from tests.support.components import component

ALERTS = {"threshold": "DenisErrorRateHigh", "severe breach": "DenisSuccessRateSevere"}
SERIES = 'error_rate{job="denis"}'
OVER = Scenario(success_rate=0.3, canary_error_rate=0.9, cause="elsewhere")
SLACK_SECONDS = 0.1
"""What everything but the settings may take together."""
PATIENCE_SECONDS = 60.0
NAME = "rollback"


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """One crossing of each kind; another one would take as long and say the same."""
    for kind, alert in ALERTS.items():
        place = directory / alert
        place.mkdir()
        yield _figure(kind, alert, PACE if effort.quick else shipped_pace(alert), place)


def _figure(kind: str, alert: str, pace: Pace, directory: Path) -> Figure:
    interval, hold, group_wait = (
        parse_duration(text).total_seconds() for text in (pace.interval, pace.hold, pace.group_wait)
    )
    every = min(pace.interval, _group(alert)["interval"], key=parse_duration)
    floor = interval + parse_duration(every).total_seconds() + hold + group_wait
    settings = f"scrape every {pace.interval}, evaluation every {every}, for {pace.hold}, group_wait {pace.group_wait}"
    stations = _cross(alert, pace, floor, directory)
    times = list(stations.values())
    took, steps = times[-1] - times[0], [after - before for before, after in pairwise(times)]
    return Figure(
        name=f"{kind} crossed to env changed",
        ours=f"{took:.3f} s",
        baseline=f"{settings}: {floor:g} s",
        ratio=Compared(ours=[took], baseline=[floor]).ratio,
        goal=f"≤ {floor:g} s + {duration(SLACK_SECONDS)}",
        reached=took <= floor + SLACK_SECONDS,
        notes=[f"{name}: {seconds:.3f} s" for name, seconds in zip([*stations][1:], steps, strict=True)],
    )


def shipped_pace(alert: str) -> Pace:
    """The durations of rules/ for an alert, and of the chart's ServiceMonitor for the scrape."""
    group = shipped.read("denis.rules.yaml")["groups"][0]
    values = yaml.safe_load((shipped.RULES.parent / "helm" / "remediator" / "values.yaml").read_text())
    assert values["serviceMonitor"]["interval"] == group["interval"], "one interval is both in a Pace"
    route = shipped.remediators_route(shipped.read("alertmanager.yaml"))
    waits = {key: route[key] for key in ("group_wait", "group_interval", "repeat_interval")}
    return Pace(interval=group["interval"], hold=shipped.alert(alert)["for"], **waits)


def _group(alert: str) -> dict[str, Any]:
    groups: list[dict[str, Any]] = shipped.read("denis.rules.yaml")["groups"]
    return next(group for group in groups if any(rule.get("alert") == alert for rule in group["rules"]))


def _cross(alert: str, pace: Pace, floor: float, directory: Path) -> dict[str, float]:
    """Cross, and ask each program when it did its part: the system's clock, which all of them share."""
    prometheus_program = component("prometheus-newest", "prometheus")
    alertmanager_program = component("alertmanager-newest", "prometheus-alertmanager")
    with canaries(directory, [NAME]) as there, ExitStack() as running:
        member = running.enter_context(there.start(directory / "service"))
        denis = running.enter_context(Denis("http://127.0.0.1:1"))
        address, token = free_address(), directory / "token"
        token.write_text("not asked for\n")
        route = shipped.route(pace, webhook=":".join(map(str, member.address)), token_file=token)
        alertmanager = Alertmanager(alertmanager_program, directory, config=route, address=address)
        running.enter_context(alertmanager).ready()
        files = shipped.watch(pace, scrape={"denis": denis.address}, alertmanagers=[address])
        prometheus = running.enter_context(Prometheus(prometheus_program, directory, files)).ready()
        watching = running.enter_context(ThreadPoolExecutor(1))
        changed = watching.submit(there.switched_off, NAME, floor + 2 * PATIENCE_SECONDS)
        seen = until("DENIS is scraped", lambda: _samples(prometheus), PATIENCE_SECONDS)
        until("DENIS is scraped again", lambda: _samples(prometheus)[-1:] != seen[-1:], PATIENCE_SECONDS)
        denis.becomes(OVER)
        crossed = time.time()
        fired = until(f"{alert} fires", lambda: _find(alertmanager, alert), floor + PATIENCE_SECONDS)
        pending = next(one for one in prometheus.alerts() if one["labels"]["alertname"] == alert)
        act = until("the act's audit line", lambda: _act(member), PATIENCE_SECONDS)
        return {
            "crossed": crossed,
            "to the scrape that saw it": next(at for at, value in _samples(prometheus) if value > 0.05),
            "to the evaluation that saw it": moment(pending["activeAt"]).timestamp(),
            "pending": moment(fired["startsAt"]).timestamp(),
            "Alertmanager, from firing to the notification": moment(act["time"]).timestamp() - act["durationSeconds"],
            "Remediator, from the notification to the changed env": changed.result(),
        }


def _samples(prometheus: Prometheus) -> list[tuple[float, float]]:
    """Time and value of the error rate at each of the last scrapes."""
    series = prometheus.query(f"{SERIES}[5m]")
    return [(float(at), float(value)) for at, value in series[0]["values"]] if series else []


def _find(alertmanager: Alertmanager, alert: str) -> dict[str, Any] | None:
    return next((one for one in alertmanager.alerts() if one["labels"]["alertname"] == alert), None)


def _act(member: Member) -> dict[str, Any] | None:
    lines = map(json.loads, member.output.read_text().splitlines())
    return next((line for line in lines if line.get("reason") == "Applied"), None)
