"""The three answers for a person who was just woken."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from remediator.api_errors import Unavailable
from remediator.forecast import forecast
from remediator.observation import Observation
from remediator.policy import Policy, Remediation
from remediator.rollout import Rollout
from remediator.summary import STALE, Answer, Forecasts, about_canary, about_reflex, about_withheld
from remediator.workload import Workload
from tests.builders import DENIS, MINUTE, NOW, SECOND, entry, pause, policy, rollback, scale, workload

ROLLED_OUT = Rollout(seen=True, updated=4, total=4, available=4)
OFF = replace(workload(percentage=0), rollout=ROLLED_OUT)


def observed(workload: Workload, problem: str = "", ago: timedelta = SECOND) -> Observation:
    """A look at a Deployment."""
    return Observation(at=NOW - ago, seen=workload, problem=problem)


def forecasts(seen: Workload, *remediations: Remediation, dry_run: bool = False) -> Forecasts:
    """What alerts of these remediations would lead to on this Deployment."""
    return [(remediation, forecast(remediation, seen, NOW, dry_run=dry_run)) for remediation in remediations]


def canary(seen: Workload, *remediations: Remediation, dry_run: bool = False) -> tuple[str, str]:
    """Standing and answer about the canary."""
    answer = about_canary(DENIS, observed(seen), forecasts(seen, *remediations, dry_run=dry_run))
    assert answer.target == "denis"
    return answer.standing, answer.answer


def test_a_canary_at_0_is_safe_once_its_pods_know() -> None:
    """Between the write and the last pod, traffic still goes to the canary."""
    assert canary(OFF, rollback()) == ("good", "Safe at 0 %")
    behind = replace(OFF, rollout=replace(ROLLED_OUT, updated=1))
    assert canary(behind, rollback()) == ("attention", "Going to 0 %")
    assert canary(replace(OFF, rollout=Rollout()), rollback()) == ("attention", "Going to 0 %")


def test_a_canary_at_0_with_another_flag_on_is_not_safe() -> None:
    """What an alert would still change is not as it should be, and the flag is named; one that is not there is off."""
    on = replace(workload(percentage=0, flags={"RUNS_ENABLED": "true"}), rollout=ROLLED_OUT)
    assert canary(on, rollback()) == ("attention", "Not all off at 0 %")
    assert "RUNS_ENABLED" in about_canary(DENIS, observed(on), forecasts(on, rollback())).message
    absent = tuple(pair for pair in OFF.env if pair[0] != "RUNS_ENABLED")
    assert canary(replace(OFF, env=absent), rollback()) == ("good", "Safe at 0 %")


@pytest.mark.parametrize(
    ("rollout", "words"),
    [
        (Rollout(seen=True, paused=True), "is paused"),
        (Rollout(seen=True, failure="exceeded quota"), "exceeded quota"),
        (Rollout(seen=True, updated=1, deadline_exceeded=True), "1 of 4 pods follow: they are not available in time"),
    ],
)
def test_a_canary_whose_pods_are_stuck_is_not_safe(rollout: Rollout, words: str) -> None:
    """What keeps the pods from following is said."""
    answer = about_canary(DENIS, observed(replace(OFF, rollout=rollout)), [])
    assert (answer.standing, answer.answer) == ("bad", "Not yet at 0 %")
    assert words in answer.message


def test_a_canary_with_traffic_is_guarded_if_an_alert_would_lower_it() -> None:
    """The answer is not about its health, which others measure, but about what would happen."""
    assert canary(workload(), rollback()) == ("good", "10 %, guarded")
    assert canary(workload(), rollback(mode="observe"), rollback()) == ("good", "10 %, guarded")


def test_a_canary_with_traffic_that_no_alert_would_lower_is_not_guarded() -> None:
    """Withheld by people or rules it needs attention; with nobody or nothing there to lower it, it is bad."""
    assert canary(workload(pause=pause(20 * MINUTE)), rollback()) == ("attention", "10 %, not guarded")
    assert canary(workload(acts=(entry(MINUTE),)), rollback()) == ("attention", "10 %, not guarded")
    assert canary(workload(), rollback(), dry_run=True) == ("attention", "10 %, not guarded")
    assert canary(workload()) == ("bad", "10 %, not guarded")
    assert canary(workload(), scale()) == ("bad", "10 %, not guarded")
    assert canary(workload(flags={"ASYNC_ENABLED": None}), rollback()) == ("bad", "10 %, not guarded")


def test_a_canary_that_cannot_be_seen_is_unknown() -> None:
    """No answer is better than an old one."""
    assert canary(workload(flags={"DENIS_MATERIALIZERS_PCT": "many"}), rollback()) == ("bad", "Unknown")
    lost = Observation(at=NOW, seen=Unavailable("get: no connection"), problem="get: no connection")
    for look in (None, lost):
        assert (about_canary(DENIS, look, []).standing, about_canary(DENIS, look, []).answer) == ("bad", "Unknown")


def test_the_end_of_a_pause_is_told_in_utc_and_without_a_duration() -> None:
    """A duration would change with each second, and a screen reader would read it aloud each time."""
    answer = about_canary(DENIS, observed(workload()), forecasts(workload(pause=pause(20 * MINUTE)), rollback()))
    assert "rollback: Paused until 2026-11-23 12:20 UTC" in answer.message


LOOKS: Mapping[str, Observation] = {"denis": observed(workload()), "denis-workers": observed(workload())}


def reflex(
    looks: Mapping[str, Observation] = LOOKS,
    *,
    of: Policy | None = None,
    alive: bool = True,
    dry_run: bool = False,
    config_problem: str = "",
) -> Answer:
    """The answer about the reflex."""
    return about_reflex(of or policy(), looks, NOW, alive=alive, dry_run=dry_run, config_problem=config_problem)


def test_the_reflex_works_if_all_that_an_act_needs_is_there() -> None:
    """Threads, targets, configuration."""
    assert (reflex().standing, reflex().answer) == ("good", "Working")


@pytest.mark.parametrize(
    ("answer", "standing", "word"),
    [
        (reflex(alive=False), "bad", "Broken"),
        (reflex({}), "bad", "Starting"),
        (reflex({**LOOKS, "denis": observed(workload(), "no container denis")}), "bad", "Impaired"),
        (reflex({**LOOKS, "denis": observed(workload(), ago=STALE + SECOND)}), "bad", "Blind"),
        (reflex(dry_run=True), "attention", "Dry run"),
        (reflex(config_problem="remediations.yaml:3: no"), "attention", "Working"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_worst_of_what_is_wrong_is_the_answer(answer: Answer, standing: str, word: str) -> None:
    """One word for what a person has to look after first."""
    assert (answer.standing, answer.answer) == (standing, word)


def test_a_look_is_old_only_after_some_were_missed() -> None:
    """A look that is just in time is none to worry about."""
    assert reflex({**LOOKS, "denis": observed(workload(), ago=STALE)}).answer == "Working"


def test_nothing_is_withheld_after_a_rollback() -> None:
    """The cooldown holds back what has nothing left to do."""
    cooling = workload(percentage=0, acts=(entry(MINUTE),))
    answer = about_withheld(forecasts(cooling, rollback()))
    assert (answer.standing, answer.answer) == ("good", "Nothing")
    assert about_withheld(forecasts(workload(), rollback(), scale())).answer == "Nothing"


def test_what_is_withheld_is_named_with_its_reason() -> None:
    """Attention where a rule or a person withholds; bad where it would fail."""
    held = about_withheld(forecasts(workload(replicas=0), rollback(), scale()))
    assert (held.standing, held.answer, held.message) == ("attention", "1 of 2 acts", "scale-workers: KillSwitchOn")
    assert about_withheld(forecasts(workload(), rollback(), dry_run=True)).answer == "1 of 1 acts"
    failing = about_withheld(forecasts(workload(flags={"ASYNC_ENABLED": None}), rollback()))
    assert (failing.standing, failing.message) == ("bad", "rollback: TargetInvalid")
