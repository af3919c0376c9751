"""Replicas of the service as processes in front of a real API server, and the Alertmanagers that notify them."""

import contextlib
import http.client
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from demo.waiting import until
from tests.support.replica import Replica

SECONDS = 60.0
"""Far more than anything takes; a busy machine may need some of it."""

PAYLOADS = Path(__file__).parent.parent / "payloads"


class Victim(StrEnum):
    """Which of a replica's processes are killed."""

    ALL = "all"
    MASTER = "master"
    WORKER = "worker"


class Member(Replica):
    """A replica that can be killed."""

    def kill(self, victim: Victim = Victim.ALL) -> None:
        """SIGKILL, for gunicorn's master, its worker, or both at once."""
        master = self._child.pid
        with contextlib.suppress(ProcessLookupError):
            match victim:
                case Victim.ALL:
                    os.killpg(master, signal.SIGKILL)
                case Victim.MASTER:
                    os.kill(master, signal.SIGKILL)
                case Victim.WORKER:
                    for worker in self.workers():
                        os.kill(worker, signal.SIGKILL)

    def stop(self) -> int:
        """Kill what is left of it."""
        self.kill()
        return self._child.wait()

    def counted(self, name: str, **labels: str) -> float:
        """The sum of a metric's series with these labels."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


class Fleet:
    """The replicas behind one Service; `start` starts the one of a number."""

    def __init__(self, start: Callable[[int], Member], size: int) -> None:
        self._start = start
        self.members: list[Member] = []
        try:
            for number in range(size):
                self.members.append(start(number))
            for member in self.members:
                member.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def replace(self, number: int) -> None:
        """Start another replica in the place of one that was killed, as a Deployment does."""
        self.members[number].stop()
        self.members[number] = self._start(number)
        self.members[number].wait_until_ready()

    def stop(self) -> None:
        """Kill all."""
        for member in self.members:
            member.stop()

    def counted(self, name: str, **labels: str) -> float:
        """The sum of a metric over all replicas."""
        return sum(member.counted(name, **labels) for member in self.members)

    def deliver(self, notification: bytes, *, first: int = 0) -> "Delivery":
        """Notify as Alertmanager does: again and again, each time at the next replica, until the answer is 200."""
        delivery, turns = Delivery(), self._turns(first)

        def is_delivered() -> bool:
            code, answer = attempt(next(turns), notification)
            delivery.codes.append(code)
            delivery.outcomes = answer["outcomes"] if code == 200 else []
            return code == 200

        until("the notification is delivered", is_delivered, SECONDS)
        return delivery

    def _turns(self, first: int) -> Iterator[Member]:
        while True:
            yield self.members[first % len(self.members)]
            first += 1


@dataclass(kw_only=True)
class Delivery:
    """What became of one notification."""

    codes: list[int | None] = field(default_factory=list)
    """Of all tries; None where no answer came."""
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reasons(self) -> set[str]:
        """The reasons in the answer that ended it."""
        return {outcome["reason"] for outcome in self.outcomes}


def attempt(member: Member, notification: bytes) -> tuple[int | None, Any]:
    """One try; None where no answer came."""
    try:
        return member.post(notification)
    except (OSError, http.client.HTTPException):
        return None, None


def pair(remediation: str) -> tuple[bytes, bytes]:
    """The notifications of both Alertmanagers of a pair: the same alerts, from another externalURL."""
    notification = json.loads((PAYLOADS / "am0.33.1-single-firing.json").read_text())
    for alert in notification["alerts"]:
        alert["labels"]["remediation"] = remediation
    urls = [f"http://alertmanager-{number}.example:9093" for number in (0, 1)]
    first, second = (json.dumps({**notification, "externalURL": url}).encode() for url in urls)
    return first, second
