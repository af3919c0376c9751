"""Time to safe: how long a bad canary would stay, as the sum of the steps from the first bad reading to the last pod.

Pure. One rule: a part that is not known makes the sum a lower bound, and it is shown as such.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from remediator.core.durations import format_duration
from remediator.core.effects import Effect
from remediator.core.workload import Workload

SECOND = timedelta(seconds=1)

DECISION = timedelta(milliseconds=100)
"""From the notification's arrival to the written flags, with a margin (measured in docs/performance.md)."""

QUESTION = timedelta(seconds=1)
"""The longest wait of a rollback for Prometheus's answer, if it is asked (docs/evidence.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the time, and how to shorten it."""

    name: str
    takes: timedelta | None
    """The most that it takes, or None if not known."""
    found: str
    """The setting that the number comes from, or why there is none."""
    shorten: str = ""
    """How to shorten it, or empty if nothing would."""
    least: bool = False
    """Whether it may take longer than `takes`."""

    def __str__(self) -> str:
        return f"{self.name} {format_duration(self.takes or timedelta())}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeToSafe:
    """The parts of the time, in order."""

    parts: Sequence[Part]

    @property
    def total(self) -> timedelta:
        """The sum of the known parts."""
        return sum((part.takes for part in self.parts if part.takes is not None), timedelta())

    @property
    def complete(self) -> bool:
        """Whether every part is known, so that the total is an upper bound."""
        return not self._missing

    @property
    def largest(self) -> Part:
        """The part that takes longest."""
        return max(self.parts, key=lambda part: part.takes or timedelta())

    @property
    def unknown(self) -> Sequence[str]:
        """The names of the parts that are missing from the total, entirely or in part."""
        return [part.name if part.takes is None else f"the rest of {part.name}" for part in self._missing]

    @property
    def short(self) -> str:
        """The total with its largest part, and the unknown parts."""
        text = f"{self._bound} (largest part: {self.largest})"
        return f"{text}; not known: {', '.join(self.unknown)}" if self.unknown else text

    def __str__(self) -> str:
        known = " + ".join(str(part) for part in self.parts if part.takes is not None)
        text = f"a bad canary stays for {self._bound}: {known}"
        return f"{text}; not known: {', '.join(self.unknown)}" if self.unknown else text

    @property
    def _bound(self) -> str:
        if self.complete:
            return f"at most {format_duration(self.total)}"
        # Rounded down for a lower bound: format_duration() rounds up.
        return f"at least {format_duration(max(self.total // SECOND * SECOND, min(self.total, SECOND)))}"

    @property
    def _missing(self) -> Sequence[Part]:
        return [part for part in self.parts if part.takes is None or part.least]


def time_to_safe(
    *,
    scrape: timedelta | None,
    evaluation: timedelta | None,
    hold: timedelta | None,
    wait: timedelta | None,
    end: Part,
    asks: bool = True,
    unseen: str = "could not be read",
) -> TimeToSafe:
    """The time to safe with these settings, ending with the rollout.

    `hold` is the alert's `for`, `wait` its route's group_wait. An unknown setting is None, and `unseen` says why.
    `asks` says whether Remediator asks Prometheus before the act.
    """
    return TimeToSafe(
        parts=(
            Part(
                name="scrape",
                takes=scrape,
                found=unseen if scrape is None else "scrape_interval of DENIS",
                shorten="lower scrape_interval of DENIS",
            ),
            Part(
                name="evaluation",
                takes=evaluation,
                found=unseen if evaluation is None else "interval of the alert's group",
                shorten="lower the group's interval in denis.rules.yaml",
            ),
            Part(
                name="for",
                takes=_whole(hold, evaluation),
                found=unseen if hold is None else "the alert's for, in whole evaluations",
                shorten="shorten for of the alert, once a back-test shows no more rollbacks than today",
            ),
            Part(
                name="group_wait",
                takes=wait,
                found=unseen if wait is None else "group_wait of the route",
                shorten="lower group_wait of the route to Remediator",
            ),
            Part(
                name="Remediator",
                takes=DECISION + QUESTION * asks,
                found="measured, and the longest wait for Prometheus's answer" if asks else "measured",
            ),
            end,
        )
    )


def _whole(hold: timedelta | None, evaluation: timedelta | None) -> timedelta | None:
    """The effective `for`: it ends at the first evaluation that is not before its end."""
    if hold is None or not evaluation:
        return hold
    return -(-hold // evaluation) * evaluation


def rollout_part(workload: Workload) -> Part:
    """The time until all pods follow a rollback: as long as the last change took, else by the strategy.

    The last change counts only if the Deployment settled after it and within its progress deadline: a longer time had
    another cause, such as a later rollout by someone else.
    """
    rollout, name = workload.rollout, "rollout"
    if rollout.stuck:
        return Part(name=name, takes=None, found=rollout.stuck)
    changes = [act.time for act in workload.ledger.entries if act.effect is Effect.SET_PERCENTAGE]
    shorten = "lower minReadySeconds, or raise maxSurge: the rollback replaces all pods"
    if changes and rollout.settled and timedelta() <= (took := rollout.settled - changes[-1]) <= rollout.deadline:
        return Part(name=name, takes=took, found="what the last change of the canary took", shorten=shorten)
    batches = rollout.batches(workload.replicas)
    return Part(
        name=name,
        takes=batches * rollout.min_ready,
        found=f"minReadySeconds for {batches} batches of pods; how long they take to start is not known",
        shorten=shorten,
        least=True,
    )
