"""The verdict on a canary: what it takes to be promoted, what takes it back, and that the unknown does neither."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.canary.phases import time_in_phase, window
from remediator.canary.verdict import Judgement, Verdict, judge
from remediator.core.ledger import KillSwitch, Pause
from remediator.core.policy import Policy
from remediator.core.workload import Workload
from remediator.monitoring.evidence import Evidence, Rate, Unknown, no_evidence
from tests.canary.canaries import LONG, canary, healthy, paused, rate
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, entry, pause, workload
from tests.support.service import shipped_policy

POLICY = shipped_policy()
TARGET = POLICY.targets[0]
WORKING = workload()
UNKNOWN = Unknown(why="nobody knows")
FIRING = ({"alertname": "DenisErrorRateHigh", "remediation": "rollback"},)


def judged(
    made: Workload | None = None,
    evidence: Evidence | None = None,
    *,
    workers: Workload | Unknown | tuple[()] = WORKING,
    policy: Policy = POLICY,
    **changed: Any,
) -> Judgement:
    """The judgement on a canary at 10 % that is ready, but for what is given; `changed` are fields of the evidence."""
    made = made or canary()
    stay = time_in_phase(made, policy, NOW)
    known = evidence or healthy(window(stay, policy, NOW))
    return judge(
        canary=made,
        workers=(workers,) if isinstance(workers, Workload) else workers,
        target=TARGET,
        policy=policy,
        stay=stay,
        evidence=replace(known, **changed),
        now=NOW,
    )


def missing(judgement: Judgement) -> list[str]:
    """The names of the checks that stand against a promotion."""
    return [check.name for check in judgement.missing]


@pytest.mark.parametrize(("percentage", "step"), [(1, 10), (10, 50), (50, 100)])
def test_canary_that_is_ready_is_promoted_to_the_next_step(percentage: int, step: int) -> None:
    """Where every check passes, the verdict is promote, to the next profile, and no person is needed."""
    judgement = judged(canary(percentage=percentage))
    assert (judgement.verdict, judgement.next, judgement.missing) == (Verdict.PROMOTE, step, ())
    assert judgement.unattended


def test_promotion_waits_for_the_last_second() -> None:
    """A second before the hold is over it is a hold, and says how long still."""
    early = judged(canary(settled=24 * HOUR - SECOND))
    assert (early.verdict, missing(early)) == (Verdict.HOLD, ["time", "samples"])
    assert early.missing[0].remedy == "wait for another 1s"
    assert judged(canary(settled=24 * HOUR)).verdict is Verdict.PROMOTE


HOLDS: Mapping[str, tuple[Mapping[str, Any], list[str]]] = {
    "rollout": ({"made": canary(rollout=replace(canary().rollout, available=3))}, ["time", "rollout"]),
    "0 replicas": ({"made": canary(replicas=0)}, ["time", "rollout", "kill switch"]),
    "flags": ({"made": canary(flags={"RUNS_ENABLED": "true"})}, ["time", "flags"]),
    "percentage": ({"made": canary(flags={"DENIS_MATERIALIZERS_PCT": "x"})}, ["phase", "time", "flags"]),
    "no step": ({"made": canary(flags={"DENIS_MATERIALIZERS_PCT": "37"})}, ["phase", "time", "flags"]),
    "no phase": ({"policy": replace(POLICY, phases=POLICY.phases[::2])}, ["phase"]),
    "pause": ({"made": canary(acts=(paused(HOUR, 2 * HOUR),), pause=pause(HOUR))}, ["pause"]),
    "pause unreadable": ({"made": replace(canary(), problems=("unreadable",))}, ["time", "pause", "acts"]),
    "kill switch": ({"workers": workload(kill_switch=KillSwitch(reason="fire"))}, ["kill switch"]),
    "kill switch on the canary": ({"made": replace(canary(), kill_switch=KillSwitch())}, ["kill switch"]),
    "workers at 0": ({"workers": workload(replicas=0)}, ["kill switch"]),
    "workers unknown": ({"workers": UNKNOWN}, ["kill switch"]),
    "act": ({"made": canary(acts=(entry(23 * HOUR, before=10, after=10),))}, ["time", "acts", "samples"]),
    "alerts unknown": ({"firing": UNKNOWN}, ["alerts"]),
    "success rate": ({"success_rate": rate(0.99, average=0.92)}, ["success rate"]),
    "success rate unknown": ({"success_rate": rate(0.99, average=UNKNOWN)}, ["success rate"]),
    "success rate now unknown": ({"success_rate": rate(0.99, recent=UNKNOWN)}, ["success rate now"]),
    "error rate": ({"error_rate": rate(0.01, average=0.04)}, ["error rate"]),
    "error rate unknown": ({"error_rate": rate(0.01, average=UNKNOWN)}, ["error rate"]),
    "error rate now unknown": ({"error_rate": rate(0.01, recent=UNKNOWN)}, ["error rate now"]),
    "few samples": ({"success_rate": rate(0.99, coverage=0.89)}, ["samples"]),
    "few samples of errors": ({"error_rate": rate(0.01, coverage=0.89)}, ["samples"]),
    "samples unknown": ({"success_rate": rate(0.99, coverage=UNKNOWN)}, ["samples"]),
    "few samples now": ({"error_rate": rate(0.01, recent_coverage=0.89)}, ["error rate now"]),
    "evidence of too short a time": ({"evidence": healthy(23 * HOUR)}, ["samples"]),
    "nobody was asked": (
        {"evidence": no_evidence(24 * HOUR, "no --prometheus.url")},
        ["alerts", "samples", "success rate", "error rate", "success rate now", "error rate now"],
    ),
}


@pytest.mark.parametrize(("given_that", "expected"), HOLDS.values(), ids=HOLDS)
def test_each_thing_that_is_missing_holds_the_canary(given_that: Mapping[str, Any], expected: list[str]) -> None:
    """One thing that is not as it should be, or not known, is a hold, and it is named."""
    judgement = judged(**given_that)
    assert (judgement.verdict, missing(judgement)) == (Verdict.HOLD, expected)
    assert not judgement.unattended
    assert all(check.found for check in judgement.checks)


def test_what_is_unknown_is_told_once() -> None:
    """A Prometheus that is down explains itself in one check, and the others refer to it."""
    judgement = judged(evidence=no_evidence(24 * HOUR, "Prometheus is down"))
    assert [check.found for check in judgement.missing].count("Prometheus is down") == 1
    assert {check.found for check in judgement.missing[1:]} == {"unknown, for the same reason"}


def test_policy_without_workers_needs_no_kill_switch() -> None:
    """Where nothing is scaled there is no kill switch that could be on."""
    assert judged(workers=()).verdict is Verdict.PROMOTE


THRESHOLDS = [(1, 0.90, 0.05), (10, 0.93, 0.03), (50, 0.95, 0.03)]


@pytest.mark.parametrize("value", ["average", "recent", "worst"])
@pytest.mark.parametrize(("percentage", "success", "error"), THRESHOLDS)
def test_thresholds_of_each_phase(percentage: int, success: float, error: float, value: str) -> None:
    """Exactly at a threshold is good enough, on average, now and at the worst; a millionth beyond is not."""
    made = canary(percentage=percentage)
    exact = judged(made, success_rate=rate(0.99, **{value: success}), error_rate=rate(0.01, **{value: error}))
    assert exact.unattended
    low = judged(made, success_rate=rate(0.99, **{value: success - 1e-6}))
    high = judged(made, error_rate=rate(0.01, **{value: error + 1e-6}))
    verdict = {"average": Verdict.HOLD, "recent": Verdict.ROLLBACK, "worst": Verdict.PROMOTE}[value]
    assert (low.verdict, high.verdict) == (verdict, verdict)
    assert not low.unattended
    assert not high.unattended


PROMPT = replace(POLICY, phases=tuple(replace(phase, max_latency_p99=0.5) for phase in POLICY.phases))
"""Each phase asks for half a second."""


@pytest.mark.parametrize(
    ("values", "expected", "unattended"),
    [
        ({}, [], True),
        ({"average": 0.5, "recent": 0.5, "worst": 0.5}, [], True),
        ({"average": 0.500001}, ["latency p99"], False),
        ({"recent": 0.500001}, ["latency p99 now"], False),
        ({"worst": 0.500001}, [], False),
        ({"average": UNKNOWN}, ["latency p99"], False),
        ({"recent": UNKNOWN}, ["latency p99 now"], False),
        ({"recent_coverage": 0.89}, ["latency p99 now"], False),
        ({"coverage": 0.89}, ["samples"], False),
        ({"average": 300.0, "recent": 300.0, "worst": 300.0}, ["latency p99", "latency p99 now"], False),
    ],
)
def test_a_latency_holds_and_never_takes_it_back(
    values: Mapping[str, Any], expected: list[str], unattended: bool
) -> None:
    """At the bound it is good enough; over it, or not known, the canary waits, however slow it is."""
    judgement = judged(policy=PROMPT, latency=rate(0.3, **values))
    verdict = Verdict.HOLD if expected else Verdict.PROMOTE
    assert (judgement.verdict, missing(judgement), judgement.unattended) == (verdict, expected, unattended)
    assert judged(latency=rate(300.0)).unattended, "nobody asks for it"


def test_a_latency_is_told_in_seconds() -> None:
    """What it is, and what is wanted."""
    (check,) = judged(policy=PROMPT, latency=rate(0.3, average=0.75)).missing
    assert check.found == "0.75 s, wanted at most 0.5 s in 1d"


@pytest.mark.parametrize("percentage", [1, 10, 50, 100])
def test_alert_that_fires_takes_it_back(percentage: int) -> None:
    """An alert that asks for a rollback is the verdict rollback at every percentage, and is named."""
    judgement = judged(canary(percentage=percentage), firing=FIRING)
    assert judgement.verdict is Verdict.ROLLBACK
    assert any("DenisErrorRateHigh fire" in check.found for check in judgement.missing)


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ({"alertname": "\x1b[2J"}, "'\\x1b[2J' fire"),
        ({"alertname": "A" * 200}, "A" * 100 + " fire"),
        ({}, "an alert without a name fire"),
    ],
    ids=["control characters", "long", "none"],
)
def test_names_of_alerts_are_shown_safely(labels: Mapping[str, str], shown: str) -> None:
    """Whatever an alert is called, its name cannot write to the terminal, nor fill it."""
    assert next(check.found for check in judged(firing=(labels,)).missing) == shown


@pytest.mark.parametrize(
    "bad",
    [{"success_rate": rate(0.99, recent=0.94)}, {"error_rate": rate(0.01, recent=0.04)}],
    ids=["too few successes", "too many errors"],
)
def test_bad_minutes_take_it_back(bad: Mapping[str, Any]) -> None:
    """Five bad minutes are the verdict rollback in a phase, and after the last one by its thresholds."""
    for percentage in (50, 100):
        assert judged(canary(percentage=percentage), **bad).verdict is Verdict.ROLLBACK
        assert judged(canary(percentage=percentage, settled=MINUTE), **bad).verdict is Verdict.ROLLBACK


def test_bad_minutes_with_few_samples_prove_nothing() -> None:
    """An average over too few samples neither promotes nor takes back; with enough of them it does."""
    few, enough = (rate(0.99, recent=0.5, recent_coverage=share) for share in (0.89, 0.9))
    assert judged(success_rate=few).verdict is Verdict.HOLD
    assert judged(success_rate=enough).verdict is Verdict.ROLLBACK


def test_unknown_flags_do_not_hide_an_alert() -> None:
    """Where the percentage cannot be told, an alert that fires is still the verdict rollback."""
    assert judged(canary(flags={"DENIS_MATERIALIZERS_PCT": "x"}), firing=FIRING).verdict is Verdict.ROLLBACK


def test_canary_at_0_is_not_started() -> None:
    """At 0 % there is nothing to take back, and only a person takes the first step."""
    for judgement in (judged(canary(percentage=0)), judged(canary(percentage=0), firing=FIRING)):
        assert judgement.verdict is Verdict.HOLD
        assert judgement.missing[0].found == "0 %: not started"
        assert judgement.missing[0].remedy == "a person starts it: remediator canary set 1"


def test_canary_at_100_has_nowhere_to_go() -> None:
    """After the last step everything may be well, and still there is nothing to promote to."""
    judgement = judged(canary(percentage=100))
    assert (judgement.verdict, judgement.next) == (Verdict.HOLD, None)
    assert [check.found for check in judgement.missing] == ["100 %: nothing to promote to"]


@pytest.mark.parametrize(
    "changed",
    [
        {"fired": FIRING},
        {"fired": UNKNOWN},
        {"success_rate": rate(0.99, worst=UNKNOWN)},
        {"error_rate": rate(0.01, worst=UNKNOWN)},
    ],
    ids=["an alert fired", "unknown whether", "worst success unknown", "worst errors unknown"],
)
def test_without_a_person_it_must_have_been_good_all_the_time(changed: Mapping[str, Any]) -> None:
    """What was bad or unknown once in the phase leaves the promotion to a person."""
    judgement = judged(**changed)
    assert judgement.verdict is Verdict.PROMOTE
    assert not judgement.unattended


def test_act_before_the_window_is_forgotten() -> None:
    """An act of a remediation holds the canary for as long as the phase's hold, to the second."""
    acts = [entry(24 * HOUR - SECOND, before=10, after=10), entry(24 * HOUR, before=10, after=10)]
    assert ["acts" in missing(judged(canary(acts=(act,)))) for act in acts] == [True, False]


RATE_FIELDS = [field.name for field in fields(Rate) if field.name not in ("current",)]
JUDGED = [(name, value) for name in ("success_rate", "error_rate") for value in RATE_FIELDS]
alerts = st.sampled_from([(), (), (), FIRING, UNKNOWN])
shares = st.sampled_from([1.0, 1.0, 0.9, 0.89, UNKNOWN])
successes = st.sampled_from([1.0, 0.99, 0.95, 0.94, 0.5, UNKNOWN])
errors = st.sampled_from([0.0, 0.01, 0.03, 0.04, 0.5, UNKNOWN])


def rates(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Rate]:
    """A rate with any of these numbers."""
    same = dict.fromkeys(("current", "recent", "average", "worst"), numbers)
    return st.builds(Rate, **same, coverage=shares, recent_coverage=shares)


@given(st.sets(st.sampled_from([*JUDGED, ("firing", ""), ("fired", "")]), min_size=1))
def test_unknown_evidence_never_promotes_nor_takes_back(unknown: set[tuple[str, str]]) -> None:
    """Whatever part of good evidence is unknown: no promotion without a person, and one with a person only where all
    that is asked of now and on average is known. And never a rollback."""
    evidence: dict[str, Any] = {"success_rate": rate(0.99), "error_rate": rate(0.01)}
    for name, value in unknown:
        evidence[name] = replace(evidence[name], **{value: UNKNOWN}) if value else UNKNOWN
    judgement = judged(**evidence)
    steady = {("success_rate", "worst"), ("error_rate", "worst"), ("fired", "")}
    assert judgement.verdict is (Verdict.PROMOTE if unknown <= steady else Verdict.HOLD)
    assert not judgement.unattended


@given(
    rates(successes),
    rates(errors),
    alerts,
    alerts,
    st.sampled_from([0, 1, 10, 50, 100]),
    st.sampled_from([MINUTE, 5 * HOUR, LONG]),
)
def test_promotion_needs_every_piece_of_evidence(
    success: Rate, error: Rate, firing: Any, fired: Any, percentage: int, settled: timedelta
) -> None:
    """A promotion means that each rate and alert is known and good; a rollback, that something is known to be bad."""
    made = canary(percentage=percentage, settled=settled)
    judgement = judged(made, success_rate=success, error_rate=error, firing=firing, fired=fired)
    if judgement.verdict is Verdict.PROMOTE:
        judged_values = (getattr(each, name) for each in (success, error) for name in RATE_FIELDS if name != "worst")
        assert not any(isinstance(value, Unknown) for value in (*judged_values, firing))
        assert firing == ()
        assert settled >= 5 * HOUR
    if judgement.verdict is Verdict.ROLLBACK:
        assert percentage
        assert firing == FIRING or not (isinstance(success.recent, Unknown) and isinstance(error.recent, Unknown))


@given(
    rates(successes),
    rates(errors),
    alerts,
    st.tuples(st.sampled_from([1, 10, 50]), st.sampled_from([1, 10, 50])),
    st.integers(0, 60).map(lambda number: number * HOUR),
)
def test_higher_percentage_asks_no_less(
    success: Rate, error: Rate, firing: Any, percentages: tuple[int, int], age: timedelta
) -> None:
    """What is enough for a promotion at a higher percentage would have been enough at a lower one."""
    lower, higher = (
        judged(
            canary(percentage=percentage, settled=age), success_rate=success, error_rate=error, firing=firing
        ).verdict
        for percentage in sorted(percentages)
    )
    assert higher is not Verdict.PROMOTE or lower is Verdict.PROMOTE


def found(name: str, judgement: Judgement) -> str:
    """What a check found."""
    return next(check.found for check in judgement.checks if check.name == name)


def test_last_act_is_the_one_that_is_told() -> None:
    """Of several acts in the window the last is named with its age, even if its clock is ahead of ours."""
    acts = (entry(3 * HOUR, before=10, after=10), entry(2 * HOUR, before=10, after=10))
    assert found("acts", judged(canary(acts=acts))) == "a-remediation acted 2h ago"
    assert found("acts", judged(canary(acts=(entry(-MINUTE),)))) == "a-remediation acted 0s ago"


def test_rates_are_told_with_what_was_wanted() -> None:
    """A check of a rate has the number, the threshold and the time that both are about."""
    judgement = judged(error_rate=rate(0.0123, coverage=0.9))
    assert found("samples", judgement) == "in 90 % of 1d, wanted 90 % of 1d"
    assert found("success rate", judgement) == "99 %, wanted at least 93 % in 1d"
    assert found("error rate now", judgement) == "1.23 %, wanted at most 3 % in 5m"
    assert judgement.steady[2].found == "99 %, wanted at least 93 % in the worst 5m of 1d"
    assert judgement.unattended
    short = judged(success_rate=rate(0.99, coverage=0.899), evidence=healthy(2 * MINUTE))
    assert found("samples", short) == "in 89.9 % of 2m, wanted 90 % of 1d"
    assert found("success rate now", short) == "99 %, wanted at least 93 % in 2m"


def test_kill_switch_is_told_with_its_reason() -> None:
    """Whose kill switch it is, and why it is on, stands in the check, as far as it is known."""
    switches = (KillSwitch(author="ada", reason="fire"), KillSwitch())
    told = [found("kill switch", judged(workers=workload(kill_switch=switch))) for switch in switches]
    assert told == ["the workers are latched at 0 by ada: fire", "the workers are latched at 0: no reason given"]


def test_held_by_a_pause_says_by_whom() -> None:
    """A pause stands in the checks with its author, its end and its reason."""
    held = Pause(reason="migration", author="grace", until=NOW + HOUR)
    assert found("pause", judged(canary(pause=held))) == "paused by grace for another 1h: migration"


@pytest.mark.parametrize(
    ("made", "mode", "found"),
    [
        (canary(), "observe", "(Observing)"),
        (canary(pause=pause(HOUR)), "act", "(Paused)"),
        (canary(), "act", ""),
    ],
    ids=["observe", "paused", "act"],
)
def test_what_no_alert_takes_back_by_itself_is_not_ticked(made: Workload, mode: Any, found: str) -> None:
    """A person may go on in `observe`, so it is a warning: neither a tick nor a reason to hold."""
    policy = replace(POLICY, remediations=tuple(replace(one, mode=mode) for one in POLICY.remediations))
    (check,) = (check for check in judged(made, policy=policy).checks if check.name == "reflex")
    assert (check.passed, check.warning) == (True, bool(found))
    assert found in check.found


def test_no_number_is_said_of_kill_switches_that_are_off() -> None:
    """The canary's replicas are not those of the workers."""
    assert found("kill switch", judged()) == "the kill switch is off"
