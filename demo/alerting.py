"""How an alert comes to Remediator: by a real Prometheus and Alertmanager, or by a recording that is played.

Both say only what they saw: the one asks the programs, the other looks at DENIS itself.
"""

import copy
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from demo.loopback import send_json
from demo.shipped import Pace
from demo.signals import Signal
from demo.stack import Alertmanager, Prometheus, Remediator, metric
from demo.timeline import Hop, Timeline, moment
from demo.waiting import until

SECONDS = 30.0


class Crossing(NamedTuple):
    """A signal that has become an alert."""

    value: float
    """The first one that was seen over the threshold."""
    stations: list[datetime]
    """When it was seen there, and what came of it."""


class Alerting(Protocol):
    """What the story needs to know of alerts."""

    def value(self, signal: Signal) -> float:
        """The signal now."""

    def fires(self, signal: Signal, timeline: Timeline) -> Crossing:
        """Tell how the signal becomes an alert."""

    def repeats(self, signal: Signal, timeline: Timeline) -> None:
        """See to it that the notification comes again."""

    def hops(self, stations: Sequence[datetime], signal: Signal) -> list[Hop]:
        """The way between these stations, the last of which is the notification's arrival."""


class RealAlerting:
    """Prometheus and Alertmanager with the shipped rules and route."""

    def __init__(self, prometheus: Prometheus, alertmanager: Alertmanager, pace: Pace, shipped_group_wait: str) -> None:
        self._prometheus, self._alertmanager = prometheus, alertmanager
        self._pace, self._shipped_group_wait = pace, shipped_group_wait

    def value(self, signal: Signal) -> float:
        """What Prometheus scraped last."""
        query = f'{signal.metric}{{job="denis"}}'
        series = until(f"Prometheus has {query}", lambda: self._prometheus.query(query), SECONDS)
        return float(series[0]["value"][1])

    def fires(self, signal: Signal, timeline: Timeline) -> Crossing:
        """Follow the alert through both programs."""
        limit = signal.spell(signal.threshold)
        crossed, value = until(f"{signal.noun} is over {limit}", lambda: self._first_over(signal), SECONDS)
        timeline.happened("Prometheus", f"{signal.noun} is {signal.spell(value)}, over {limit}", "bad", crossed)
        pending = until(f"{signal.alert} is pending", lambda: self._alert(signal), SECONDS)
        active_at = moment(pending["activeAt"])
        timeline.happened("Prometheus", f"{signal.alert} is pending", "doubtful", active_at)
        firing = until(f"{signal.alert} fires", lambda: self._notified(signal), SECONDS)
        fired_at = moment(firing["startsAt"])
        timeline.happened("Prometheus", f"{signal.alert} is firing", "bad", fired_at)
        told = f"received it, for receiver {firing['receivers'][0]['name']}"
        timeline.happened("Alertmanager", told, at=max(fired_at, moment(firing["updatedAt"])))
        return Crossing(value, [crossed, active_at, fired_at])

    def repeats(self, signal: Signal, timeline: Timeline) -> None:
        """Nothing to do: the alert still fires, so Alertmanager repeats itself."""
        until(f"{signal.alert} still fires", lambda: self._notified(signal), SECONDS)
        timeline.happened("Alertmanager", f"{signal.alert} still fires: the mean has not recovered yet", "doubtful")

    def hops(self, stations: Sequence[datetime], signal: Signal) -> list[Hop]:
        """Each station of the alert, and how long it takes as shipped."""
        crossed, active_at, fired_at, received = stations
        return [
            Hop("next evaluation", (active_at - crossed).total_seconds(), f"every {self._pace.interval} here"),
            Hop("pending", (fired_at - active_at).total_seconds(), f"for: {signal.hold} as shipped"),
            Hop(
                "Alertmanager's group_wait",
                (received - fired_at).total_seconds(),
                f"{self._shipped_group_wait} as shipped",
            ),
        ]

    def _first_over(self, signal: Signal) -> tuple[datetime, float] | None:
        samples = self._prometheus.query(f'{signal.metric}{{job="denis"}}[2m]')[0]["values"]
        over = [(at, float(value)) for at, value in samples if float(value) > signal.threshold]
        return (datetime.fromtimestamp(over[0][0], UTC), over[0][1]) if over else None

    def _alert(self, signal: Signal) -> dict[str, Any] | None:
        return _named(signal.alert, self._prometheus.alerts())

    def _notified(self, signal: Signal) -> dict[str, Any] | None:
        return _named(signal.alert, self._alertmanager.alerts())


class RecordedAlerting:
    """Plays the part of both with notifications that a real Alertmanager has sent."""

    def __init__(self, denis: str, remediator: Remediator, token: str) -> None:
        self._denis, self._remediator, self._token = denis, remediator, token
        recorded = json.loads((Path(__file__).parent / "notifications.json").read_text())
        self._recorded = {body["alerts"][0]["labels"]["alertname"]: body for body in recorded}

    def value(self, signal: Signal) -> float:
        """What DENIS exports."""
        return metric(self._denis, signal.metric)

    def fires(self, signal: Signal, timeline: Timeline) -> Crossing:
        """Wait for DENIS, then play the notification."""
        limit = signal.spell(signal.threshold)
        over = until(f"{signal.noun} is over {limit}", lambda: self._over(signal), SECONDS)
        crossed = datetime.now(UTC)
        timeline.happened("DENIS", f"{signal.noun} is {signal.spell(over)}, over {limit}", "bad", crossed)
        self._play(signal, timeline)
        return Crossing(over, [crossed])

    def repeats(self, signal: Signal, timeline: Timeline) -> None:
        """Play it again."""
        time.sleep(2)
        self._play(signal, timeline)

    def hops(self, stations: Sequence[datetime], signal: Signal) -> list[Hop]:
        """Only what was really there: from the look at DENIS to the notification."""
        crossed, received = stations
        return [Hop("posting the recording", (received - crossed).total_seconds(), "no for:, no group_wait")]

    def _over(self, signal: Signal) -> float | None:
        value = self.value(signal)
        return value if value > signal.threshold else None

    def _play(self, signal: Signal, timeline: Timeline) -> None:
        body = copy.deepcopy(self._recorded[signal.alert])
        for alert in body["alerts"]:
            alert["startsAt"] = datetime.now(UTC).isoformat()
        timeline.happened("the demo", f"posts the recorded notification of {signal.alert}", "doubtful")
        headers = {"Authorization": f"Bearer {self._token}"}
        send_json(f"http://{self._remediator.address}/webhook", body, headers=headers)


def _named(name: str, alerts: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return next((alert for alert in alerts if alert["labels"]["alertname"] == name), None)
