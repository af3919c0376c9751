"""One notification to applied, through the whole service, compared with the GET and the PATCH that it needs."""

import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from benchmarks.baseline import BareAct
from benchmarks.canaries import OBSERVED, Canaries, canaries, notification
from benchmarks.clients.sender import Sender
from benchmarks.results import Compared, Effort, Figure, alternate, duration, percentile
from demo.stack import Prometheus
from demo.waiting import until
from remediator.core.ledger import MAX_ENTRIES
from tests.support.components import component

GOAL = 1.1
BLOCK = 100
"""Turns that make one p99: with fewer it would be the slowest of them."""

NAME = "denis"

HANGS_SECONDS = 1.0
"""What an act may take longer while Prometheus does not answer."""

UNTOUCHED = "untouched"
"""A canary on which nothing acts: that the service would is why it asks Prometheus regularly, as it does by day."""

RULES = {
    "prometheus.json": "global: {evaluation_interval: 10s}\nrule_files: [rules.yml]\n",
    "rules.yml": f"""groups:
- name: always
  rules:
  - {{alert: Other, expr: vector(0.083) > 0.05, labels: {{remediation: {NAME}}}}}
  - {{alert: Other, expr: vector(0.083) > 0.05, labels: {{remediation: {OBSERVED.format(NAME)}}}}}
""",
}
"""For a Prometheus in which the alerts of the notifications are active."""

WAIT_SECONDS = 30.0
"""Longer than Prometheus takes to evaluate its rules, and the service to ask it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """A running service, and a client that makes it act."""

    there: Canaries
    sender: Sender

    def rest(self) -> None:
        """Reset the canary, and let the service read it: nothing that is withheld goes by an earlier read."""
        self.there.reset(NAME)
        _, reason = self.sender.notify(notification(OBSERVED.format(NAME)))
        assert reason == "Observing", reason

    def act(self) -> float:
        """Notify the service, which acts. Returns seconds."""
        seconds, reason = self.sender.notify(notification(NAME))
        assert reason == "Applied", reason
        return seconds

    def rested(self) -> float:
        """The seconds of an act after a rest."""
        self.rest()
        return self.act()


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """The times at p50 and at p99. The canary is reset before each act, untimed; the service has read it by then."""
    with (
        canaries(directory, [NAME], cooldown="1ms", observed=True) as there,
        there.start(directory / "service") as member,
        Sender(member.address) as sender,
    ):
        service = _Service(there=there, sender=sender)

        def overtaken() -> float:
            service.rest()
            change = {"metadata": {"annotations": {"changed": str(time.monotonic())}}}
            assert there.api.patch(there.path(NAME), change).code == HTTPStatus.OK
            return service.act()

        # From then on the ledger has its full length: the service remembers what the reset removes.
        for _ in range(effort.of(MAX_ENTRIES + 5, 1)):
            service.rested()
        bare = BareAct(there, NAME)

        def baseline() -> float:
            service.rest()
            return bare.act()

        compared = alternate(service.rested, baseline, effort.of(4 * BLOCK, 1))
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
        canaries(directory, [NAME, UNTOUCHED], cooldown="1ms", observed=True) as there,
        there.start(directory / "alone") as alone,
        there.start(directory / "asking", f"--prometheus.url=http://{prometheus.ready().address}") as asking,
        Sender(alone.address) as to_alone,
        Sender(asking.address) as to_asking,
    ):
        ours = _Service(there=there, sender=to_asking).rested
        baseline = _Service(there=there, sender=to_alone).rested

        def answered(answer: str) -> float:
            return asking.counted("remediator_evidence_total", answer=answer)

        until("the alerts are active", lambda: len(prometheus.alerts()) > 1, WAIT_SECONDS)
        until("an act is confirmed", lambda: ours() and answered("confirmed"), WAIT_SECONDS)
        well = alternate(ours, baseline, effort.of(BLOCK, 1))
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
            until("no answer is young enough", lambda: ours() > HANGS_SECONDS / 2, WAIT_SECONDS)
            hung = alternate(ours, baseline, 15)
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
