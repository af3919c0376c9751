"""The ladder told rung by rung: its verdict is the decision's, whatever the alert and the target are."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.core import ledger
from remediator.core.alerts import Alert, MalformedAlert
from remediator.core.confirmation import ANSWERS, Answer, Confirmation, unknown
from remediator.core.effects import Effect
from remediator.core.explanation import Explanation, Step, explain
from remediator.core.ladder import LADDER, Act, Skip, decide, screen
from remediator.core.ledger import KillSwitch
from remediator.core.policy import Remediation
from remediator.core.reasons import Reason
from remediator.core.workload import TargetInvalid, TargetMissing, Workload
from tests.support.builders import HOUR, MINUTE, NOW, PROFILES, alert, entry, pause, policy, rollback, scale, workload

POLICY = policy(rollback(), scale())
SCALE = alert(remediation="scale")

agos = st.integers(min_value=-20, max_value=40 * 60).map(lambda minutes: timedelta(minutes=minutes))
workloads = st.builds(
    workload,
    percentage=st.sampled_from(list(PROFILES)),
    flags=st.dictionaries(
        st.sampled_from(list(PROFILES[0])), st.sampled_from(["true", "false", "7", "", None]), max_size=2
    ),
    replicas=st.sampled_from([0, 1, 4, 19, 20, 25]),
    acts=st.lists(
        st.builds(entry, agos, effect=st.sampled_from([Effect.SET_PERCENTAGE, Effect.SCALE])), max_size=6
    ).map(tuple),
    pause=st.none() | agos.map(pause),
    kill_switch=st.none() | st.just(KillSwitch(reason="load test", author="ada")),
    autoscaler=st.sampled_from(["", "", "HorizontalPodAutoscaler workers"]),
    problems=st.sampled_from([(), (f"the annotation {ledger.PAUSE} cannot be read: JSON",)]),
)
snapshots = st.one_of(workloads, workloads, st.just(TargetMissing()), st.just(TargetInvalid(problem="no containers")))
alerts = st.one_of(
    st.builds(
        Alert,
        status=st.sampled_from(["firing", "firing", "firing", "resolved"]),
        labels=st.fixed_dictionaries(
            {"remediation": st.sampled_from(["rollback", "scale", "rollback", "scale", "restart", "heartbeat"])},
            optional={"cluster": st.sampled_from(["eu-1", "eu-2"])},
        ),
    ),
    st.just(MalformedAlert(problem="labels: missing")),
)
policies = st.builds(
    lambda down, up: policy(rollback(mode=down), scale(mode=up)),
    st.sampled_from(["act", "observe"]),
    st.sampled_from(["act", "observe"]),
)
fences = st.sampled_from(["", "", "eu-1"])


@given(snapshots, st.sampled_from([rollback(), rollback(mode="observe")]), st.none() | agos.map(lambda ago: NOW - ago))
def test_a_prometheus_without_an_answer_changes_no_rollback(
    snapshot: Any, asking: Remediation, began: datetime | None
) -> None:
    """Of any target, a rollback is done, or withheld for the same reason, whether Prometheus is gone or not asked."""
    gone = unknown("no connection")
    alone = decide(asking, snapshot, NOW, began)
    asked = decide(asking, snapshot, NOW, began, gone)
    assert (alone == asked) or (
        isinstance(asked, Skip) and isinstance(alone, Skip) and asked.reason is alone.reason is Reason.OBSERVING
    )


@given(snapshots, st.sampled_from([rollback(), scale()]), st.sampled_from(ANSWERS))
def test_no_answer_of_prometheus_makes_an_act(snapshot: Any, remediation: Remediation, answer: Answer) -> None:
    """Evidence only withholds: what the ladder would not do unasked, it does not do for any answer."""
    confirmation = Confirmation(answer=answer, message="made up")
    if isinstance(decide(remediation, snapshot, NOW, None, confirmation), Act):
        assert isinstance(decide(remediation, snapshot, NOW), Act)
        assert answer == "confirmed" or (answer == "unknown" and remediation.action.takes_back)


@given(alerts, policies, fences, snapshots)
def test_the_rung_that_is_marked_is_the_reason_that_is_decided(
    received: Alert | MalformedAlert, rules: Any, fence: str, snapshot: Any
) -> None:
    """Of any alert on any target, exactly the rung that screen() or decide() gives as its reason is marked."""
    screened = screen(received, rules, fence)
    decided = screened if isinstance(screened, Skip) else decide(screened, snapshot, NOW)
    told = explain(received, rules, fence, lambda remediation: snapshot, NOW)

    stopped = [rung.reason for rung in told.rungs if rung.step is Step.STOPPED]
    assert stopped == ([decided.reason] if isinstance(decided, Skip) else [])
    assert told.decision == decided


@given(alerts, policies, fences, snapshots)
def test_every_rung_is_told_in_the_order_of_the_ladder(
    received: Alert | MalformedAlert, rules: Any, fence: str, snapshot: Any
) -> None:
    """Above the rung that stops an alert all are passed, below it none is; each that was looked at says at what."""
    told = explain(received, rules, fence, lambda remediation: snapshot, NOW)

    assert [rung.reason for rung in told.rungs] == [rung.reason for rung in LADDER]
    steps = [rung.step for rung in told.rungs if rung.step is not Step.DOES_NOT_APPLY]
    order = [Step.PASSED, Step.STOPPED, Step.NOT_REACHED]
    assert steps == sorted(steps, key=order.index)
    assert all(bool(rung.found) is (rung.step is not Step.NOT_REACHED) for rung in told.rungs)


@given(alerts, policies, fences, snapshots)
def test_the_moment_that_is_promised_is_the_first_one(
    received: Alert | MalformedAlert, rules: Any, fence: str, snapshot: Any
) -> None:
    """At the moment at which it is said to act it does, and a second before it does not."""
    told = explain(received, rules, fence, lambda remediation: snapshot, NOW)
    if told.acts_at is None or told.remediation is None:
        return
    assert isinstance(decide(told.remediation, snapshot, told.acts_at), Act)
    if told.reason:
        assert isinstance(decide(told.remediation, snapshot, told.acts_at - timedelta(seconds=1)), Skip)


def told(received: Alert | MalformedAlert, state: Any, **remediations: Any) -> Explanation:
    """The explanation at noon, without a fence."""
    rules = policy(remediations.get("down", rollback()), remediations.get("up", scale()))
    return explain(received, rules, "", lambda remediation: state, NOW)


def found(explanation: Explanation, reason: Reason) -> str:
    """What a rung looked at."""
    return next(rung.found for rung in explanation.rungs if rung.reason is reason)


@pytest.mark.parametrize(
    ("received", "state", "reason", "text"),
    [
        (alert(), workload(), Reason.TARGET_INVALID, "container denis and its flags can be written"),
        (alert(), workload(), Reason.PAUSED, "no pause"),
        (alert(), workload(pause=pause(-5 * MINUTE)), Reason.PAUSED, "the pause of ada ended 5m ago"),
        (alert(), workload(pause=pause(30 * HOUR)), Reason.PAUSED, "not believed: the pause is longer than 1d"),
        (alert(), workload(problems=(f"{ledger.PAUSE} bad",)), Reason.PAUSED, f"{ledger.PAUSE} bad"),
        (alert(), workload(), Reason.ALREADY_SAFE, "at 10 %, wanted is 0 %"),
        (
            alert(),
            workload(flags={"DENIS_MATERIALIZERS_PCT": "x"}),
            Reason.ALREADY_SAFE,
            "the percentage is not known, so it may be high",
        ),
        (
            alert(),
            workload(percentage=0, flags={"RUNS_ENABLED": "true"}),
            Reason.ALREADY_SAFE,
            "at 0 %, but other flags differ from its profile",
        ),
        (
            alert(),
            workload(percentage=0, acts=(entry(MINUTE),)),
            Reason.ALREADY_SAFE,
            "at 0 % by an act that is still cooling down",
        ),
        (
            alert(),
            workload(acts=(entry(2 * HOUR), entry(5 * HOUR))),
            Reason.COOLING_DOWN,
            "last act 2h ago, cooldown 30m",
        ),
        (alert(), workload(acts=(entry(2 * HOUR), entry(25 * HOUR))), Reason.BUDGET_SPENT, "1 of 3 acts in 1d"),
        (SCALE, workload(), Reason.KILL_SWITCH_ON, "the kill switch is off"),
        (SCALE, workload(), Reason.AT_LIMIT, "4 replicas, max is 20"),
        (SCALE, workload(), Reason.ALREADY_SAFE, "not for Scale"),
        (SCALE, workload(), Reason.COOLING_DOWN, "no act yet, cooldown 10m"),
    ],
)
def test_a_passed_rung_says_what_was_looked_at(received: Alert, state: Workload, reason: Reason, text: str) -> None:
    """What it says is what the decision went by."""
    assert found(told(received, state), reason) == text


@pytest.mark.parametrize(
    ("explanation", "answer", "again"),
    [
        (told(alert(), workload()), "It would act: set 10 % -> 0 %.", ""),
        (
            told(alert(), workload(acts=(entry(10 * MINUTE),))),
            "It would not act (CoolingDown): a-remediation set 10 % -> 0 % 10m ago, cooling down for another 20m;"
            " someone has set 10 % since.",
            "At 2026-11-23T12:20:00Z, in 20m, it would act again, if it is delivered then: set 10 % -> 0 %.",
        ),
        (
            told(alert(), workload(percentage=0, acts=(entry(10 * MINUTE),))),
            "It would not act (CoolingDown): a-remediation set 10 % -> 0 % 10m ago, cooling down for another 20m.",
            "At 2026-11-23T12:20:00Z, in 20m, it would be AlreadySafe, and act once someone has raised the canary"
            " again.",
        ),
        (
            told(alert(), workload(acts=(entry(10 * MINUTE), entry(HOUR), entry(2 * HOUR)))),
            "It would not act (CoolingDown): a-remediation set 10 % -> 0 % 10m ago, cooling down for another 20m;"
            " someone has set 10 % since.",
            "At 2026-11-24T10:00:00Z, in 22h, it would act again, if it is delivered then: set 10 % -> 0 %.",
        ),
        (
            told(alert("resolved"), None),
            "Nothing would be done (NotFiring): a resolved alert can be a silence or a dead exporter, so it undoes"
            " nothing.",
            "It would act once it fires.",
        ),
        (
            told(alert(), TargetMissing()),
            "It could not act (TargetNotFound): there is no Deployment denis in namespace denis.",
            "It would act once the Deployment is there; Alertmanager delivers again until then.",
        ),
    ],
    ids=["acts", "cooling", "cooling-then-safe", "cooling-then-budget", "resolved", "missing"],
)
def test_the_answer_and_what_comes_next(explanation: Explanation, answer: str, again: str) -> None:
    """A sentence says what would be done and why, another when it would act, or what has to end first."""
    assert (explanation.answer, explanation.again) == (answer, again)


HELPLESS = workload(
    acts=tuple(entry(15 * MINUTE * (4 - n), effect=Effect.SCALE, before=n, after=n + 1) for n in (1, 2, 3))
)
"""Workers that three acts have brought to 4."""

ENDS: dict[Reason, tuple[Explanation, str]] = {
    Reason.MALFORMED_ALERT: (
        told(MalformedAlert(problem="labels: missing"), None),
        "once its sender writes it as Alertmanager does",
    ),
    Reason.NOT_FIRING: (told(alert("resolved"), None), "once it fires"),
    Reason.NO_REMEDIATION: (
        told(alert(remediation="restart"), None),
        "once a remediation's matchers match its labels",
    ),
    Reason.FOREIGN_CLUSTER: (
        explain(alert(remediation="scale", cluster="eu-2"), POLICY, "eu-1", lambda remediation: workload(), NOW),
        "once its label cluster is that of the fence",
    ),
    Reason.TARGET_NOT_FOUND: (
        told(alert(), TargetMissing()),
        "once the Deployment is there; Alertmanager delivers again until then",
    ),
    Reason.HEARTBEAT: (
        told(alert(remediation="heartbeat"), workload()),
        "once its label remediation has a value that a remediation answers",
    ),
    Reason.TARGET_INVALID: (
        told(alert(), TargetInvalid(problem="no containers")),
        "once that is fixed; Alertmanager delivers again until then",
    ),
    Reason.KILL_SWITCH_ON: (
        told(SCALE, workload(replicas=0)),
        "once the kill switch is taken off and there is a replica to start from",
    ),
    Reason.ALREADY_SAFE: (told(alert(), workload(percentage=0)), "once someone has raised the canary again"),
    Reason.AT_LIMIT: (told(SCALE, workload(replicas=20)), "once there are fewer replicas, or max is raised"),
    Reason.AUTOSCALER_OWNED: (
        told(SCALE, workload(autoscaler="keda-operator")),
        "once no autoscaler owns the replicas",
    ),
    Reason.INEFFECTIVE: (
        told(replace(SCALE, starts_at=NOW - HOUR), HELPLESS),
        "once the alert is resolved, or someone else sets the replicas",
    ),
    Reason.OBSERVING: (told(alert(), workload(), down=rollback(mode="observe")), "once its mode is act"),
}
"""What time alone does not end, and what does."""


@pytest.mark.parametrize("reason", ENDS)
def test_what_no_time_ends_is_said(reason: Reason) -> None:
    """A rung that no time opens says what does."""
    explanation, ends = ENDS[reason]
    assert (explanation.reason, explanation.again) == (reason, f"It would act {ends}.")


def test_every_other_rung_is_opened_by_time() -> None:
    """Only a pause, a cooldown and a budget end by themselves."""
    timed = {Reason.PAUSED, Reason.COOLING_DOWN, Reason.BUDGET_SPENT}
    needs_prometheus = {Reason.RECOVERED, Reason.UNCONFIRMED}  # Which nobody asks here.
    assert {rung.reason for rung in LADDER if not rung.ends} == timed
    assert {rung.reason for rung in LADDER} - {*ENDS} == timed | needs_prometheus


def test_the_target_is_not_read_for_an_alert_that_is_set_aside() -> None:
    """What the first rungs withhold needs no request."""

    def look(remediation: object) -> Any:
        raise AssertionError("read")

    assert explain(alert("resolved"), POLICY, "", look, NOW).reason is Reason.NOT_FIRING


def test_a_heartbeat_is_near_no_remediation() -> None:
    """It is no typo, and its rung tells what it is."""
    told = explain(alert(remediation="heartbeat"), POLICY, "", lambda _: workload(), NOW)
    assert (told.reason, told.kind, told.nearest, told.remediation) == (Reason.HEARTBEAT, "ignored", "", None)
