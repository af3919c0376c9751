"""One notification to applied, through the whole service, compared with the GET and the PATCH that it needs."""

import json
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

from benchmarks.baseline import BareAct
from benchmarks.canaries import canaries, notification
from benchmarks.clients.sender import Sender
from benchmarks.results import Compared, Effort, Figure, alternate, duration, percentile
from demo.stack import Prometheus
from demo.waiting import until
from remediator.core.ledger import MAX_ENTRIES
from tests.acceptance.fleet import Member
from tests.support.components import component

GOAL = 1.1
BLOCK = 100
"""Turns that make one p99: with fewer it would be the slowest of them."""

NAME = "denis"

HANGS_SECONDS = 1.0
"""What an act may take longer while Prometheus does not answer."""

RULES = {
    "prometheus.json": "global: {evaluation_interval: 10s}\nrule_files: [rules.yml]\n",
    "rules.yml": """groups:
- name: always
  rules:
  - {alert: Other, expr: vector(0.083) > 0.05, labels: {remediation: denis}}
""",
}
"""For a Prometheus in which the alert of the notification is active."""

RESET = 10
"""Percent."""

REST_SECONDS = 30.0
"""Longer than the service takes to read its target again."""


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """The times at p50 and at p99. The canary is reset before each act, untimed; the service has read it by then."""
    with (
        canaries(directory, [NAME], cooldown="1ms") as there,
        there.start(directory / "service") as service,
        Sender(service.address) as sender,
    ):
        firing = notification(NAME)

        def rest() -> None:
            there.reset(NAME)
            until("the service has read the reset canary", lambda: _percentage(service) == RESET, REST_SECONDS)

        def act() -> float:
            seconds, reason = sender.notify(firing)
            assert reason == "Applied"
            return seconds

        def ours() -> float:
            rest()
            return act()

        def overtaken() -> float:
            rest()
            change = {"metadata": {"annotations": {"changed": str(time.monotonic())}}}
            assert there.api.patch(there.path(NAME), change).code == HTTPStatus.OK
            return act()

        # From then on the ledger has its full length: the service remembers what the reset removes.
        for _ in range(effort.of(MAX_ENTRIES + 5, 1)):
            ours()
        bare = BareAct(there, NAME)

        def baseline() -> float:
            rest()
            return bare.act()

        compared = alternate(ours, baseline, effort.of(2 * BLOCK, 1))
        late = alternate(overtaken, baseline, effort.of(BLOCK // 2, 1))
        bare.close()
    yield _figure("p50", compared, [f"each patch carries a ledger of up to {MAX_ENTRIES} acts, on both sides"])
    slowest = Compared(ours=_p99(compared.ours), baseline=_p99(compared.baseline))
    yield Figure(
        name="the same, changed since the last read",
        ours=duration(statistics.median(late.ours)),
        baseline=f"one GET and one PATCH by bare urllib3: {duration(statistics.median(late.baseline))}",
        ratio=late.ratio,
        notes=["the patch is refused, the target read, and the alert decided again"],
    )
    yield _figure("p99", slowest, [f"each ratio is that of {BLOCK} turns"])
    yield from _confirmed(effort, directory / "confirmed")


def _confirmed(effort: Effort, directory: Path) -> Iterator[Figure]:
    """An act with the word of a Prometheus that is well, and of one that hangs, compared with one without."""
    directory.mkdir()
    prometheus = Prometheus(component("prometheus-newest", "prometheus"), directory, RULES)
    with (
        prometheus,
        canaries(directory, [NAME], cooldown="1ms") as there,
        there.start(directory / "alone") as alone,
        there.start(directory / "asking", f"--prometheus.url=http://{prometheus.ready().address}") as asking,
        Sender(alone.address) as to_alone,
        Sender(asking.address) as to_asking,
    ):

        def act(service: Member, sender: Sender) -> float:
            there.reset(NAME)
            until("the service has read the reset canary", lambda: _percentage(service) == RESET, REST_SECONDS)
            seconds, reason = sender.notify(notification(NAME))
            assert reason == "Applied"
            return seconds

        def answered(answer: str) -> float:
            return asking.counted("remediator_evidence_total", answer=answer)

        until("the alert is active", prometheus.alerts, REST_SECONDS)
        until("an act is confirmed", lambda: act(asking, to_asking) and answered("confirmed"), REST_SECONDS)
        well = alternate(lambda: act(asking, to_asking), lambda: act(alone, to_alone), effort.of(BLOCK, 1))
        assert answered("unknown") <= 1
        without = f"one that asks nobody: {duration(statistics.median(well.baseline))}"
        yield Figure(
            name="one notification to applied, confirmed by Prometheus, p50",
            ours=duration(statistics.median(well.ours)),
            baseline=without,
            ratio=well.ratio,
            goal=f"≤ {GOAL}",
            reached=well.ratio.median <= GOAL,
        )
        if effort.quick:  # That it hangs shows only once the last answer is too old.
            return
        prometheus.signal(signal.SIGSTOP)
        try:
            until("no answer is young enough", lambda: act(asking, to_asking) > HANGS_SECONDS / 2, REST_SECONDS)
            hung = alternate(lambda: act(asking, to_asking), lambda: act(alone, to_alone), 15)
        finally:
            prometheus.signal(signal.SIGCONT)
    later = statistics.median(ours - alone for ours, alone in zip(hung.ours, hung.baseline, strict=True))
    yield Figure(
        name="the same, while Prometheus hangs, p50",
        ours=duration(statistics.median(hung.ours)),
        baseline=without,
        goal=f"≤ {HANGS_SECONDS:g} s more",
        reached=later <= HANGS_SECONDS,
    )


def _percentage(service: Member) -> object:
    (target,) = json.loads(service.get("/api/v1/status")[1])["data"]["targets"]
    return target["percentage"]


def _figure(name: str, compared: Compared, notes: list[str]) -> Figure:
    return Figure(
        name=f"one notification to applied, {name}",
        ours=duration(statistics.median(compared.ours)),
        baseline=f"one GET and one PATCH by bare urllib3: {duration(statistics.median(compared.baseline))}",
        ratio=compared.ratio,
        goal=f"≤ {GOAL}",
        reached=compared.ratio.median <= GOAL,
        notes=notes,
    )


def _p99(times: Sequence[float]) -> list[float]:
    return [percentile(times[start : start + BLOCK], 99) for start in range(0, len(times), BLOCK)]
