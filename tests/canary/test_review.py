"""What a review finds: whose acts, what became of them, and what is not known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediator.canary.last_acts import history_of
from remediator.canary.review import Review, ReviewedAct, review
from remediator.core.effects import Effect
from remediator.core.field_owners import Write
from remediator.core.judgement import Judgement
from remediator.core.ledger import MAX_ENTRIES, Entry, Ledger
from remediator.core.matchers import parse_matchers
from remediator.core.policy import PERCENTAGE_FLAG, Policy
from remediator.core.sampled_series import Grid, SampledSeries
from remediator.core.workload import Workload
from remediator.monitoring.prometheus import AlertRule
from remediator.monitoring.promql import Inlined
from tests.support.builders import DENIS, HOUR, MINUTE, NOW, PROFILES, WORKERS, entry, rollback, scale, workload

ACT = NOW - 3 * HOUR
GRID = Grid.between(NOW - 4 * HOUR, NOW, 30)

Value = Callable[[float], float | None]
"""A value by the minutes since the act; None is no sample."""

ERRORS = AlertRule(
    name="DenisErrorRateHigh",
    query="denis:error_rate:avg_ratio > 0.05",
    labels={"remediation": "rollback"},
    duration=120,
    health="ok",
    state="inactive",
)
QUEUE = AlertRule(
    name="DenisQueueDepthHigh",
    query="max(denis:queue) > 500",
    labels={"remediation": "scale"},
    duration=300,
    health="ok",
    state="inactive",
)


def until(minute: float, before: float, after: float) -> Value:
    """One value before some minutes after the act, and another one from then on."""
    return lambda at: before if at < minute else after


def spike(first: float, after: float, bad: float = 0.12, quiet: float = 0.01) -> Value:
    """Bad for some minutes, which are counted from the act."""
    return lambda at: bad if first <= at < after else quiet


@dataclass(kw_only=True)
class Past:
    """What Prometheus has; a quiet canary at 10 % with 4 workers unless something else is said."""

    errors: Value = lambda at: 0.01
    queue: Value = lambda at: 80
    percentage: Value | None = lambda at: 10
    replicas: Value | None = lambda at: 4
    observed: Value | None = lambda at: 0
    converged: Value | None = lambda at: 0
    last_action: Value = lambda at: 0
    fired: Sequence[tuple[float, float]] = ()
    """When DenisErrorRateHigh fired."""
    grid: Grid = GRID
    labels: Sequence[dict[str, str]] = field(default_factory=lambda: [{"job": "remediator", "namespace": "denis"}])
    """Of what Remediator exports."""

    def fetch(self, expression: Inlined) -> list[SampledSeries]:
        """The series of an expression."""
        text = expression.text
        if text.startswith("ALERTS{"):
            labels = {"alertname": ERRORS.name, "alertstate": "firing", "remediation": "rollback"}
            return [sampled(lambda at: 1 if self._fires(at) else None, labels, self.grid)]
        if "denis:" in text:
            return [sampled(self.errors if "error_rate" in text else self.queue, {"namespace": "denis"}, self.grid)]
        if "kube_" in text:
            return []
        found = {
            "remediator_canary_percentage": self.percentage,
            "remediator_replicas": self.replicas,
            "remediator_last_action": None if Effect.SCALE in text else self.last_action,
            'reason="Observing"': self.observed if "rollback" in text else lambda at: 0,
            'verdict="Converged"': self.converged,
        }
        value = next((value for name, value in found.items() if name in text), None)
        return [sampled(value, labels, self.grid) for labels in self.labels] if value else []

    def _fires(self, at: float) -> bool:
        return any(start <= at < end for start, end in self.fired)


def sampled(value: Value, labels: dict[str, str], grid: Grid = GRID) -> SampledSeries:
    """A series of these values."""
    series = SampledSeries.empty(labels, grid.count)
    for index in range(grid.count):
        found = value((grid.moment(index) - ACT) / MINUTE)
        if found is not None:
            series.values[index], series.present[index] = found, 1
    return series


def reviewed(
    past: Past,
    *acts: Entry,
    canary: Workload | None = None,
    workers: Workload | None = None,
    policy: Policy | None = None,
    rules: Sequence[AlertRule] = (ERRORS, QUEUE),
    cluster: str = "",
) -> Review:
    """The review of a canary whose ledger has these acts."""
    policy = policy or Policy(targets=(DENIS, WORKERS), profiles=PROFILES, remediations=(rollback(), scale()))
    workloads = {
        DENIS: canary or workload(percentage=0, acts=acts),
        WORKERS: workers or workload(replicas=4),
    }
    return review(policy, workloads, rules, past.fetch, past.grid, cluster)


def acts_of(found: Review) -> Sequence[ReviewedAct]:
    """The acts of the rollback."""
    return found.remediations[0].acts


def judged(found: Review) -> list[str]:
    """What is said of them."""
    return [str(act.judged) for act in acts_of(found)]


def at(minutes: float) -> datetime:
    """So many minutes after the act."""
    return ACT + timedelta(minutes=minutes)


OURS = replace(entry(3 * HOUR), remediation="rollback", reason="DenisErrorRateHigh 0.12")
HELPED = Past(
    errors=spike(-2, 3),
    percentage=until(0, 10, 0),
    converged=until(1, 4, 5),
    last_action=until(0, 0, ACT.timestamp()),
    fired=[(0, 3)],
)
"""Errors, a rollback whose pods followed in a minute, and no errors."""

OBSERVING = Policy(targets=(DENIS, WORKERS), profiles=PROFILES, remediations=(rollback(mode="observe"), scale()))


def test_an_act_of_the_ledger_is_judged_by_what_followed() -> None:
    """With its identifier, the alerts that caused it, and when they were well."""
    found = reviewed(HELPED, OURS)
    (act,) = acts_of(found)
    assert (act.time, act.before, act.after, act.done) == (ACT, 10, 0, True)
    assert (act.id, act.reason) == (OURS.id, "DenisErrorRateHigh 0.12")
    assert str(act.judged) == "Right: well 3m after Remediator's act"
    assert found.notes == ()
    assert found.blind == {}


def test_only_the_alerts_that_caused_an_act_judge_it() -> None:
    """Another alert that fires on is about something else, and counts where the ledger names no cause."""
    other = replace(ERRORS, name="DenisMaterializerSuccessRateLow", query="denis:queue < 100")
    assert judged(reviewed(HELPED, OURS, rules=[ERRORS, other]))[0].startswith("Right")
    nameless = replace(OURS, reason="")
    assert judged(reviewed(HELPED, nameless, rules=[ERRORS, other]))[0].startswith("Right")
    unheard = replace(HELPED, fired=[])
    assert judged(reviewed(unheard, nameless, rules=[ERRORS, other]))[0].startswith("Elsewhere")


def test_a_rollback_whose_pods_did_not_follow_is_unknown() -> None:
    """That it was well all the same is not the rollback's merit."""
    for converged in (lambda at: 4, None, until(-5, 4, 5), until(31, 4, 5)):
        found = reviewed(replace(HELPED, converged=converged), OURS)
        assert judged(found) == ["Unknown: when its pods followed is not recorded"]


def test_who_undid_a_rollback_is_said_by_name() -> None:
    """By the ledger's entry, where it was one of the commands; the gauge's change a scrape later is the same one."""
    raised = replace(entry(3 * HOUR - 12 * MINUTE, before=0, after=10, operator="ada"), reason="was the load test")
    past = replace(HELPED, percentage=lambda at: 0 if 0 <= at < 12.5 else 10)
    found = reviewed(past, canary=workload(percentage=10, acts=(OURS, raised)))
    assert judged(found) == ["Undone: ada set 10 again 12m after Remediator's act"]


def test_what_a_program_undid_by_hand_is_seen_although_no_scrape_saw_it() -> None:
    """managedFields has the last writer: a raise between two scrapes leaves no trace in the gauge."""
    written = Write(manager="kubectl-set", time=at(0.2))
    undone = replace(workload(percentage=10, acts=(OURS,)), writers={PERCENTAGE_FLAG: written})
    found = reviewed(replace(HELPED, percentage=lambda at: 10), canary=undone)
    assert judged(found) == ["Undone: kubectl-set set 10 again 12s after Remediator's act"]
    later = replace(undone, writers={PERCENTAGE_FLAG: Write(manager="kubectl-set", time=at(31))})
    past = replace(HELPED, percentage=lambda at: 0 if 0 <= at < 31 else 10)
    assert judged(reviewed(past, canary=later))[0].startswith("Right")


def test_acts_that_the_ledger_has_lost_are_those_that_prometheus_recorded() -> None:
    """A Deployment that was made again has no ledger, and the act is judged all the same, and that is said."""
    found = reviewed(HELPED)
    (act,) = acts_of(found)
    assert (act.time, act.before, act.after, act.id) == (ACT, 10, 0, "")
    assert str(act.judged).startswith("Right")
    assert "Ledger of denis: without 1 of the acts that Prometheus recorded." in found.notes


def test_a_full_ledger_says_from_when_on_it_knows() -> None:
    """Older acts are gone from it, and it would be wrong to call that time quiet."""
    acts = tuple(
        replace(entry(3 * HOUR - index * MINUTE), remediation="rollback", id=f"act-{index}")
        for index in range(MAX_ENTRIES)
    )
    note = (
        "Ledger of denis: it keeps 20 acts and goes back to 23 Nov 09:00:00; earlier acts are known only to Prometheus."
    )
    assert note in reviewed(HELPED, *acts).notes
    assert note not in reviewed(HELPED, *acts[1:]).notes


def test_a_ledger_that_cannot_be_read_is_said() -> None:
    """What Prometheus recorded is still there."""
    broken = replace(workload(percentage=0), ledger=Ledger(problem="the annotation cannot be read: version"))
    found = reviewed(HELPED, canary=broken)
    note = "Ledger of denis: the annotation cannot be read: version; only acts that Prometheus recorded are known."
    assert note in found.notes
    assert len(acts_of(found)) == 1


def test_acts_of_a_newer_version_are_left_out_and_counted() -> None:
    """Nothing is read into them."""
    newer = replace(entry(HOUR), effect=Effect.UNKNOWN, unknown_effect="Drain", remediation="rollback")
    found = reviewed(HELPED, OURS, newer)
    assert len(acts_of(found)) == 1
    assert "Ledger of denis: acts of a kind that only a newer version knows are left out: 1." in found.notes


def test_acts_before_the_time_that_is_asked_for_are_left_out() -> None:
    """And those of remediations that the file no longer has are with the first one of the same kind."""
    assert acts_of(reviewed(Past(), replace(OURS, time=NOW - 5 * HOUR))) == ()
    assert len(acts_of(reviewed(HELPED, replace(OURS, remediation="gone")))) == 1


def test_in_observe_mode_what_would_have_been_done_is_counted_once_for_each_incident() -> None:
    """The service counts each notification as Observing; repeats within a cooldown of the last one are the same."""

    def counted(at: float) -> float:
        return 2 + sum(at >= minute for minute in (0, 6, 12, 40, 71))

    past = Past(observed=counted, errors=spike(-2, 14))
    found = reviewed(past, canary=workload(percentage=10), policy=OBSERVING)
    assert [act.time for act in acts_of(found)] == [ACT, at(71)]
    assert {(act.done, act.before, act.after) for act in acts_of(found)} == {(False, 10, 0)}
    assert judged(found)[0] == "NotNeeded: well again by itself after 16m"


def test_a_counter_that_begins_or_begins_again_invents_no_act() -> None:
    """Where it begins it may have been there before; after a restart a count is one of this process."""
    begins = Past(observed=lambda at: None if at < 0 else 3, errors=spike(-2, 14))
    assert acts_of(reviewed(begins, policy=OBSERVING)) == ()
    gap = Past(observed=lambda at: None if -10 < at < 0 else 3)
    assert acts_of(reviewed(gap, policy=OBSERVING)) == ()
    restarted = Past(observed=until(0, 7, 0))
    assert acts_of(reviewed(restarted, policy=OBSERVING)) == ()
    assert len(acts_of(reviewed(Past(observed=until(0, 7, 1)), policy=OBSERVING))) == 1


def test_a_person_who_did_what_was_only_observed_is_followed_by_name() -> None:
    """And the time in between is what it would have saved."""
    theirs = entry(3 * HOUR - 18 * MINUTE, before=10, after=0, operator="ada")
    past = Past(observed=until(0, 0, 1), errors=spike(-2, 20), percentage=until(18, 10, 0), fired=[(0, 20)])
    found = reviewed(past, theirs, policy=OBSERVING)
    assert judged(found) == ["Followed: ada set 10 to 0 18m later"]
    one = found.remediations[0]
    assert (one.good, one.judged, one.saved, one.missed) == (1, 1, 18 * MINUTE, ())


def test_a_rollback_of_a_person_without_an_alert_is_missed() -> None:
    """With the reason that they gave; not where an alert had fired in the quarter of an hour before."""
    theirs = replace(entry(3 * HOUR, before=10, after=0, operator="ada"), reason="checkout is slow")
    past = Past(percentage=until(0, 10, 0))
    ((moment, found),) = reviewed(past, theirs).remediations[0].missed
    assert (moment, str(found)) == (ACT, 'Missed: ada set 10 % to 0 %: "checkout is slow"')
    for fired, missed in (((-20, -15), 0), ((-20, -16), 1), ((-1, 5), 0), ((1, 5), 1)):
        assert len(reviewed(replace(past, fired=[fired]), theirs).remediations[0].missed) == missed


def test_a_rollback_of_a_person_that_nobody_could_have_seen_is_unknown() -> None:
    """Where the signals had no samples before it, whether an alert would have fired is not known."""
    past = Past(percentage=until(0, 10, 0), errors=lambda at: None if -14 <= at < -5 else 0.01)
    found = reviewed(past).remediations[0]
    assert found.missed[0][1].judgement is Judgement.UNKNOWN
    assert found.count(Judgement.MISSED) == 0


def test_workers_are_judged_by_the_queue() -> None:
    """Each act by itself, with the cooldown of its remediation."""
    acts = (
        replace(entry(3 * HOUR, effect=Effect.SCALE, before=4, after=6), remediation="scale-workers"),
        replace(entry(2 * HOUR, effect=Effect.SCALE, before=6, after=8), remediation="scale-workers"),
    )
    past = Past(queue=lambda at: 900 if at < 75 else 100, replicas=lambda at: 4 if at < 0 else 6 if at < 60 else 8)
    found = reviewed(past, workers=workload(replicas=8, acts=acts)).remediations[1]
    assert [str(act.judged) for act in found.acts] == [
        "NoEffect: 900 -> 900 at the end of the cooldown after Remediator's act",
        "Helped: well 15m after Remediator's act",
    ]
    assert (found.good, found.judged) == (1, 2)


@pytest.mark.parametrize(
    ("past", "rules", "expected"),
    [
        (Past(observed=None), [ERRORS, QUEUE], "it observes, and Prometheus has no remediator_outcomes_total"),
        (Past(), [QUEUE], "Prometheus has loaded no alert that asks for it"),
        (
            Past(errors=lambda at: None),
            [ERRORS, QUEUE],
            "Prometheus has no sample of its alerts in the whole period; check",
        ),
        (Past(errors=lambda at: float("nan")), [ERRORS, QUEUE], "Prometheus has no sample of its alerts"),
    ],
)
def test_what_nothing_is_known_of_is_not_quiet(past: Past, rules: Sequence[AlertRule], expected: str) -> None:
    """No counter, no alert, no sample, nothing but NaN: the reason is said instead of 'no act'."""
    found = reviewed(past, policy=OBSERVING, rules=rules)
    assert expected in found.blind["rollback"]
    assert "scale-workers" not in found.blind


def test_an_act_without_samples_or_a_record_of_people_is_unknown() -> None:
    """NaN, a gap and a Remediator that nobody scraped: each with its words, and none of them judged."""
    for past, why in (
        (replace(HELPED, errors=lambda at: float("nan") if at > 1 else 0.12), "no samples for 43m30s afterwards"),
        (replace(HELPED, percentage=None), "what people did is not recorded for 30m after the act"),
        (replace(HELPED, percentage=lambda at: float("nan")), "what people did is not recorded for 30m after the act"),
    ):
        found = reviewed(past, OURS)
        assert judged(found) == [f"Unknown: {why}"]
        assert found.remediations[0].judged == 0
        assert found.notes


def test_a_history_that_begins_later_than_asked_for_says_so() -> None:
    """Retention is shorter: of the time before nothing is known."""
    begins = Past(errors=lambda at: None if at < 30 else 0.01, percentage=lambda at: None if at < 30 else 10)
    found = reviewed(begins, OURS)
    assert "History: error_rate: none before 23 Nov 09:30: nothing is known of 1h30m." in found.notes
    assert "Percentage of denis: recorded for 2h30m; for the rest nothing is known." in found.notes
    assert judged(found)[0].startswith("Unknown")


def test_a_rule_that_is_no_promql_judges_nothing() -> None:
    """It is named; the others still judge."""
    found = reviewed(HELPED, OURS, rules=[ERRORS, QUEUE, replace(ERRORS, name="Odd", query="error_rate{{")])
    assert any(note.startswith("Odd: its expression cannot be parsed") for note in found.notes)
    assert judged(found)[0].startswith("Right")


def test_of_several_remediators_that_of_the_target_is_taken() -> None:
    """Or none, where that is not clear."""
    staging = {"job": "remediator", "namespace": "staging"}
    ours = {"job": "remediator", "namespace": "denis"}
    assert judged(reviewed(replace(HELPED, labels=[ours, staging]), OURS))[0].startswith("Right")
    unclear = reviewed(replace(HELPED, labels=[{**ours, "job": "other"}, ours]), OURS)
    assert judged(unclear)[0].startswith("Unknown")
    assert "Several Remediators record denis; what they recorded is not used." in unclear.notes


def test_what_another_cluster_recorded_does_not_count() -> None:
    """Series that name a cluster have to name that of the fence."""
    elsewhere = replace(HELPED, labels=[{"cluster": "eu-2"}])
    assert judged(reviewed(elsewhere, OURS, cluster="eu-1"))[0].startswith("Unknown")
    assert judged(reviewed(elsewhere, OURS, cluster="eu-2"))[0].startswith("Right")


def test_a_matcher_on_the_cluster_is_met_by_the_fence() -> None:
    """External labels are not on what Prometheus stores, so that they cannot make a firing alert one that never was."""
    asks = replace(rollback(), matchers=parse_matchers('remediation="rollback", cluster="eu-1"'))
    policy = Policy(targets=(DENIS, WORKERS), profiles=PROFILES, remediations=(asks, scale()))
    past = Past(percentage=until(0, 10, 0), fired=[(-5, 5)])
    assert reviewed(past, policy=policy, cluster="eu-1").remediations[0].missed == ()
    assert len(reviewed(past, policy=policy, cluster="").remediations[0].missed) == 1


def test_an_act_of_the_future_is_not_believed() -> None:
    """No working service wrote it, and that is said."""
    found = reviewed(HELPED, OURS, replace(OURS, id="later", time=NOW + HOUR))
    assert len(acts_of(found)) == 1
    assert any("the ledger holds an act from the future" in note for note in found.notes)


def test_what_would_have_been_set_is_not_guessed() -> None:
    """Where the percentage is not recorded, neither the change nor what people did is known."""
    (act,) = acts_of(reviewed(Past(observed=until(0, 0, 1), percentage=None), policy=OBSERVING))
    assert (act.before, act.after) == (None, None)
    assert str(act.judged) == "Unknown: what people did is not recorded"


MINUTES = st.floats(0, 80)
HOLES = st.lists(st.tuples(st.floats(-20, 80), st.sampled_from([0, 1, 3, 10])), max_size=2)


@settings(max_examples=100)
@given(st.booleans(), st.floats(-10, 0), MINUTES, MINUTES, MINUTES, HOLES)
def test_the_time_around_an_act_alone_leads_to_the_same_verdict(
    scaling: bool, first: float, well: float, undone: float, converged: float, holes: list[tuple[float, float]]
) -> None:
    """What the service judges by has all that a longer history has, wherever it has no samples."""

    def holed(value: Value) -> Value:
        return lambda at: None if any(start <= at < start + length for start, length in holes) else value(at)

    past = Past(
        errors=holed(spike(first, well)),
        queue=holed(lambda at: 900 if first <= at < well else 300 if first <= at < well + 20 else 80),
        percentage=holed(lambda at: 0 if 0 <= at < undone else 10),
        replicas=holed(lambda at: 6 if 0 <= at < undone else 4),
        converged=holed(until(converged, 4, 5)),
        last_action=until(0, 0, ACT.timestamp()),
        fired=[(0, well)],
    )
    one, act = rollback(), OURS
    if scaling:
        one = scale()
        act = replace(entry(3 * HOUR, effect="Scale", before=4, after=6), remediation=one.name, reason=QUEUE.name)
    canary, workers = workload(acts=() if scaling else (act,)), workload(acts=(act,) if scaling else ())
    long, short = (
        reviewed(replace(past, grid=grid), canary=canary, workers=workers).remediations[scaling].acts
        for grid in (GRID, history_of(one, act))
    )
    assert [each.judged.judgement for each in long if each.id] == [each.judged.judgement for each in short if each.id]
