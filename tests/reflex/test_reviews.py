"""The last acts as a metric: which of them count, what is not known, and that no decision goes by it."""

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from remediator.core.judgement import Judged, Judgement
from remediator.core.ledger import Entry
from remediator.core.policy import Policy, Remediation
from remediator.core.workload import Workload
from remediator.reflex.metrics import Metrics
from remediator.reflex.reviews import AT_ONCE, NotJudged, Reviews
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, entry, policy, rollback, scale, workload
from tests.support.service import Service, alert

DAY = 24 * HOUR
RIGHT, UNDONE, ELSEWHERE, UNKNOWN = Judgement.RIGHT, Judgement.UNDONE, Judgement.ELSEWHERE, Judgement.UNKNOWN


class Reviewing:
    """Reviews of a canary with these acts, and a Prometheus that knows what became of each."""

    def __init__(self, *acts: tuple[timedelta, Judgement], remediations: Sequence[Remediation] = (rollback(),)) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.policy = policy(*remediations)
        self.now = NOW
        self.known: dict[str, Judgement] = {}
        self.asked: list[str] = []
        self.problem = ""
        """Why Prometheus gives no answer."""
        self.blind: set[str] = set()
        """The remediations that no rule asks for any more."""
        self.workloads: Mapping[str, Workload] = {}
        self.did(*acts)
        self.seconds = 0.0
        self.reviews = self.restarted()

    def did(self, *acts: tuple[timedelta, Judgement]) -> None:
        """This long ago, and what became of it."""
        entries = [replace(entry(ago), remediation="rollback") for ago, _ in acts]
        self.known |= {act.id: judgement for act, (_, judgement) in zip(entries, acts, strict=True)}
        self.workloads = {"denis": workload(percentage=0, acts=tuple(entries)), "denis-workers": workload()}

    def restarted(self) -> Reviews:
        """A service that has judged nothing."""
        return Reviews(
            policy=lambda: self.policy,
            workloads=lambda: self.workloads,
            judge=self._judge,
            metrics=self.metrics,
            now=lambda: self.now,
            steady=lambda: self.seconds,
        )

    def _judge(self, policy: Policy, remediation: Remediation, workload: Workload, act: Entry) -> Judged:
        self.asked.append(act.id)
        if self.problem or remediation.name in self.blind:
            raise NotJudged(self.problem or "Prometheus has loaded no alert that asks for it")
        return Judged(judgement=self.known[act.id], why="so it was")

    def shown(self, remediation: str = "rollback", effect: str = "SetPercentage") -> dict[str, float] | None:
        """How many acts became what, without those that none became, or None where that is not known."""
        found = {
            sample.labels["verdict"]: sample.value
            for sample in samples(self.metrics)
            if (sample.labels["remediation"], sample.labels["effect"]) == (remediation, effect)
        }
        assert found
        if any(math.isnan(value) for value in found.values()):
            assert all(math.isnan(value) for value in found.values())
            return None
        return {verdict: value for verdict, value in found.items() if value}

    @property
    def failures(self) -> float | None:
        """How many rounds had no answer."""
        return self.metrics.registry.get_sample_value("remediator_review_failures_total")


def test_the_last_three_that_can_be_judged_count() -> None:
    """The newest first; what is Unknown counts for neither side, and what is older is not asked for."""
    acts = [(6 * DAY, UNDONE), (5 * DAY, RIGHT), (4 * DAY, UNKNOWN), (3 * DAY, ELSEWHERE), (2 * DAY, RIGHT)]
    reviewing = Reviewing(*acts)
    for _ in range(3):
        reviewing.reviews.run()
    assert reviewing.shown() == {"Right": 2, "Elsewhere": 1}
    assert [reviewing.known[act] for act in reviewing.asked] == [RIGHT, ELSEWHERE, UNKNOWN, RIGHT]


def test_without_an_act_all_are_zero() -> None:
    """Nothing was doubtful, and Prometheus is not asked."""
    reviewing = Reviewing(remediations=[rollback(), scale()])
    reviewing.reviews.run()
    assert reviewing.shown() == {}
    assert reviewing.shown("scale-workers", "Scale") == {}
    assert reviewing.asked == []


@pytest.mark.parametrize(
    ("remediation", "over"),
    [
        (rollback(), 49 * MINUTE),
        (scale(cooldown=10 * MINUTE), 32 * MINUTE),
        (scale(cooldown=HOUR), 2 * HOUR + 2 * MINUTE),
    ],
    ids=["rollback", "workers", "workers with a long cooldown"],
)
def test_an_act_is_judged_once_all_that_matters_has_happened(remediation: Remediation, over: timedelta) -> None:
    """And the samples of it are there; a second before, the acts before it are the last ones."""
    reviewing = Reviewing(remediations=[remediation])
    effect = remediation.action.effect
    act = replace(entry(over, effect=effect), remediation=remediation.name)
    name = remediation.target.name
    reviewing.workloads = {name: workload(acts=(act,))}
    reviewing.known = {act.id: UNDONE}
    reviewing.now = NOW - SECOND
    reviewing.reviews.run()
    assert reviewing.shown(remediation.name, effect) == {}
    reviewing.now = NOW
    reviewing.reviews.run()
    assert reviewing.shown(remediation.name, effect) == {"Undone": 1}


def test_acts_of_more_than_thirty_days_ago_do_not_count() -> None:
    """As for the command, unless it is asked for more."""
    reviewing = Reviewing((30 * DAY + SECOND, UNDONE), (30 * DAY, ELSEWHERE))
    reviewing.reviews.run()
    assert reviewing.shown() == {"Elsewhere": 1}


def test_an_act_is_asked_about_once_and_a_restart_comes_to_the_same() -> None:
    """What became of an act of the past does not change."""
    reviewing = Reviewing((3 * DAY, UNDONE), (2 * DAY, ELSEWHERE))
    for _ in range(2):
        reviewing.reviews.run()
    assert len(reviewing.asked) == 2
    assert reviewing.shown() == {"Undone": 1, "Elsewhere": 1}
    reviewing.restarted().run()
    assert len(reviewing.asked) == 4
    assert reviewing.shown() == {"Undone": 1, "Elsewhere": 1}


def test_a_round_asks_about_few_acts() -> None:
    """A production Prometheus is not flooded by a start; until all that matter are judged nothing is known."""
    reviewing = Reviewing(*((day * DAY, UNKNOWN) for day in range(20, 1, -1)), (DAY, UNDONE))
    rounds = 0
    while True:
        reviewing.reviews.run()
        rounds += 1
        assert len(reviewing.asked) <= AT_ONCE * rounds
        if reviewing.shown() is not None:
            break
    assert rounds == 7
    assert reviewing.shown() == {"Undone": 1}


def test_while_prometheus_gives_no_answer_nothing_is_known(caplog: pytest.LogCaptureFixture) -> None:
    """NaN, counted, said once an hour with how often; one question in a round, and the next answer is believed."""
    caplog.set_level(logging.WARNING)
    reviewing = Reviewing((3 * DAY, UNDONE), (2 * DAY, ELSEWHERE))
    reviewing.problem = "no connection"
    for _ in range(13):
        reviewing.reviews.run()
        assert reviewing.shown() is None
        reviewing.seconds += 300
    assert (len(reviewing.asked), reviewing.failures) == (13, 13)
    assert [(record.error, record.times) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("no connection", 1),
        ("no connection", 12),
    ]
    reviewing.problem = ""
    reviewing.reviews.run()
    assert reviewing.shown() == {"Undone": 1, "Elsewhere": 1}
    reviewing.problem = "no connection"
    reviewing.reviews.run()
    assert reviewing.shown() == {"Undone": 1, "Elsewhere": 1}, "what is known needs no answer"


def test_a_remediation_whose_rule_is_gone_hides_no_other() -> None:
    """Its acts stay in the ledger for a month; those of the next ones are judged all the same, in the same round."""
    gone = [replace(rollback(), name=f"gone-{number}") for number in range(AT_ONCE)]
    reviewing = Reviewing(*((day * DAY, UNDONE) for day in (3, 2, 1)), remediations=[*gone, rollback()])
    blind = (replace(entry((4 + day) * DAY), remediation=one.name) for day, one in enumerate(gone))
    acts = (*blind, *reviewing.workloads["denis"].ledger.entries)
    reviewing.workloads = {"denis": workload(percentage=0, acts=acts)}
    reviewing.blind = {one.name for one in gone}
    reviewing.reviews.run()
    assert [reviewing.shown(one.name) for one in gone] == [None] * len(gone)
    assert reviewing.shown() == {"Undone": 3}
    assert reviewing.failures == len(gone)


def test_a_target_that_cannot_be_read_is_not_known() -> None:
    """Its ledger may have more by now."""
    reviewing = Reviewing((2 * DAY, UNDONE), remediations=[rollback(), scale()])
    reviewing.reviews.run()
    reviewing.workloads = {"denis-workers": workload()}
    reviewing.reviews.run()
    assert reviewing.shown() is None
    assert reviewing.shown("scale-workers", "Scale") == {}


def test_a_remediation_that_is_gone_is_not_shown() -> None:
    """Its acts are those of the first one that is left, as in the command."""
    other = replace(rollback(), name="other")
    reviewing = Reviewing((2 * DAY, UNDONE), remediations=[other, rollback()])
    reviewing.reviews.run()
    assert (reviewing.shown("other"), reviewing.shown()) == ({}, {"Undone": 1})
    reviewing.policy = policy(other)
    reviewing.reviews.run()
    assert reviewing.shown("other") == {"Undone": 1}
    assert {sample.labels["remediation"] for sample in samples(reviewing.metrics)} == {"other"}


def samples(metrics: Metrics) -> list[Sample]:
    """All that is shown of reviews."""
    return [sample for metric in metrics.reviewed_acts.collect() for sample in metric.samples]


class Rounds(threading.Event):
    """Lets some rounds happen at once, and then stops."""

    def __init__(self, rounds: int, before: Callable[[int], None]) -> None:
        super().__init__()
        self._left, self._before = rounds, before

    def wait(self, timeout: float | None = None) -> bool:
        """Whether to stop."""
        self._before(self._left)
        self._left -= 1
        return self._left < 0


def test_a_fault_of_ours_costs_a_round(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and counted, the figure is not known, and the thread goes on."""
    reviewing = Reviewing((2 * DAY, UNDONE))
    known, seen = dict(reviewing.known), []

    def before(left: int) -> None:
        seen.append(reviewing.shown())
        reviewing.known = {} if left == 3 else known

    reviewing.reviews.watch(Rounds(3, before))
    assert seen == [None, None, {"Undone": 1}, {"Undone": 1}]
    assert reviewing.failures == 1
    assert "review failed" in caplog.text


def test_a_rollback_that_is_doubted_stays_armed(service: Service) -> None:
    """Three of three were undone, and the next alert is acted on."""
    acts = tuple(replace(entry(day * DAY), remediation="rollback") for day in (3, 2, 1))
    reviews = Reviews(
        policy=lambda: service.policy,
        workloads=lambda: {"denis": workload(acts=acts)},
        judge=lambda policy, remediation, workload, act: Judged(judgement=UNDONE, why="so it was"),
        metrics=service.metrics,
        now=at(NOW),
    )
    reviews.run()
    labels = {"remediation": "rollback", "effect": "SetPercentage", "verdict": "Undone"}
    assert service.value("remediator_reviewed_acts", **labels) == 3
    service.observer.look()
    assert service.value("remediator_armed", remediation="rollback") == 1
    assert service.reasons(alert()) == ["Applied"]


def at(moment: datetime) -> Callable[[], datetime]:
    """A clock that stands."""
    return lambda: moment
