"""What must be true of the Deployments before the canary is raised."""

from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.canary.checks import check_canary, check_workers
from remediator.core.checks import Check
from remediator.core.ladder import Act, decide
from remediator.core.ledger import LEDGER, KillSwitch, Ledger
from remediator.core.policy import Policy
from remediator.core.rollout import Rollout
from remediator.core.workload import TargetInvalid, TargetMissing, Workload
from tests.core.test_explanation import workloads
from tests.support.builders import (
    DENIS,
    HOUR,
    MINUTE,
    NOW,
    PROFILES,
    WORKERS,
    entry,
    pause,
    policy,
    rollback,
    scale,
    workload,
)

DONE = Rollout(seen=True, updated=4, total=4, available=4)
HEALTHY = replace(workload(), rollout=DONE)
POLICY = policy(rollback(), scale())
NAMES = ["deployment", "flags", "step", "pause", "kill switch", "record", "reflex"]


def checks(state: Workload, wanted: int | None = 50, rules: Policy = POLICY) -> dict[str, Check]:
    """The checks by name."""
    return {check.name: check for check in check_canary(state, DENIS, wanted, rules, NOW)}


def test_a_canary_that_can_be_raised() -> None:
    """Every check passes and says what was found."""
    found = checks(HEALTHY)

    assert list(found) == NAMES
    assert all(check.passed for check in found.values())
    assert [check.found for check in found.values()] == [
        "4 of 4 pods updated, 4 available",
        "10 %, with all flags of its profile",
        "10 % -> 50 %",
        "no pause",
        "the kill switch is off, 4 replicas",
        "what is recorded on the Deployment can be read",
        "a rollback alert would set 50 % -> 0 %",
    ]


def without(**changes: Any) -> Workload:
    """The healthy canary with something else."""
    return replace(HEALTHY, **changes)


@pytest.mark.parametrize(
    ("state", "failed", "found"),
    [
        (without(rollout=replace(DONE, updated=1)), {"deployment"}, "1 of 4 pods updated"),
        (without(rollout=replace(DONE, paused=True)), {"deployment", "reflex"}, "the Deployment is paused"),
        (
            without(env=tuple({**PROFILES[10], "RUNS_ENABLED": "true"}.items())),
            {"flags"},
            "10 %, but RUNS_ENABLED=true",
        ),
        (without(env=(*PROFILES[10].items(), ("RUNS_ENABLED", "false"))), {"flags", "reflex"}, "is defined 2 times"),
        (without(pause=pause(30 * MINUTE)), {"pause", "reflex"}, "paused by ada for another 30m: load test"),
        (without(kill_switch=KillSwitch(author="ada", reason="x")), {"kill switch"}, "latched at 0 by ada: x"),
        (without(replicas=0), {"deployment", "kill switch"}, "0 replicas are wanted"),
        (
            without(ledger=Ledger().with_entries((entry(10 * MINUTE),))),
            {"reflex"},
            "rollback would not take the canary back: its last act cools down for another 20m",
        ),
        (
            without(ledger=Ledger().with_entries((entry(HOUR), entry(2 * HOUR), entry(3 * HOUR)))),
            {"reflex"},
            "rollback would not take the canary back: 3 acts in 1d, which is the budget",
        ),
    ],
    ids=["rolling", "paused", "mixture", "twice", "pause", "switch", "zero", "cooldown", "budget"],
)
def test_what_stands_against_it_is_named(state: Workload, failed: set[str], found: str) -> None:
    """Each obstacle fails its own check, and the reflex where a rollback would be withheld because of it."""
    made = checks(state)
    missing = [check for check in made.values() if not check.passed]

    assert {check.name for check in missing} == failed
    assert found in missing[0].found
    assert all(check.remedy for check in missing)


@pytest.mark.parametrize(
    ("percentage", "wanted", "passed", "found"),
    [
        (10, 50, True, "10 % -> 50 %"),
        (1, 100, True, "1 % -> 100 %, skips 10 %, 50 %"),
        (50, 50, True, "50 %, from 50 %"),
        (50, 10, True, "10 %, from 50 %"),
        (100, None, False, "there is no step to take"),
    ],
)
def test_the_step_is_told(percentage: int, wanted: int | None, passed: object, found: str) -> None:
    """From where to where, and what is passed over."""
    step = checks(replace(workload(percentage=percentage), rollout=DONE), wanted)["step"]
    assert (step.passed, step.found) == (passed, found)


def test_flags_that_are_no_step() -> None:
    """Where the percentage cannot be told, neither can the step."""
    made = checks(without(env=(("DENIS_MATERIALIZERS_PCT", "many"),)), None)
    assert (made["flags"].found, made["flags"].passed) == (
        "no step of the canary: DENIS_MATERIALIZERS_ENABLED is not set, DENIS_MATERIALIZERS_PCT=many",
        False,
    )
    assert (made["step"].found, made["step"].passed) == ("the next step is not known", False)


def test_without_a_rollback_nothing_may_be_raised() -> None:
    """A file without a remediation for the canary leaves it unguarded."""
    assert checks(HEALTHY, rules=policy(scale()))["reflex"].found == "no remediation takes the canary back"


@pytest.mark.parametrize(
    ("modes", "passed", "warning", "found"),
    [
        (("observe",), False, False, "(Observing)"),
        (("observe", "observe"), False, False, "(Observing)"),
        (("act", "observe"), True, True, "10 % -> 0 %, but rollback would be withheld (Observing)"),
        (("observe", "act"), True, True, "10 % -> 0 %, but rollback would be withheld (Observing)"),
        (("act", "act"), True, False, "10 % -> 0 %"),
    ],
)
def test_a_remediation_that_only_observes_is_no_guard(
    modes: tuple[Literal["act", "observe"], ...], passed: bool, warning: bool, found: str
) -> None:
    """What `observe` would not take back preflight says, in any order, and how to change that."""
    rules = policy(*(rollback(mode=mode) for mode in modes))
    check = checks(HEALTHY, 10, rules=rules)["reflex"]
    assert (check.passed, check.warning) == (passed, warning)
    assert found in check.found
    assert check.remedy == ("set mode: act for rollback in remediations.yaml" if "observe" in modes else "")


def test_a_pause_is_ended_and_not_explained() -> None:
    """The remedy for a paused reflex is the command that ends the pause, with its target."""
    check = checks(without(pause=pause(HOUR)), 10)["reflex"]
    assert (check.passed, check.remedy) == (False, "remediator resume denis")


@given(workloads, st.sampled_from([1, 10, 50, 100]))
def test_the_reflex_is_what_would_be_decided(state: Workload, wanted: int) -> None:
    """It passes exactly where the ladder would act on the canary, were it at the percentage already."""
    flags = PROFILES[wanted]
    env = tuple((name, None if value is None else flags.get(name, value)) for name, value in state.env)
    raised = replace(state, env=env)
    would_act = isinstance(decide(rollback(), raised, NOW), Act)
    assert checks(state, wanted)["reflex"].passed is would_act


@pytest.mark.parametrize(
    ("found", "passed", "text"),
    [
        (workload(), True, "the kill switch is off, 4 replicas"),
        (workload(kill_switch=KillSwitch()), False, "latched at 0: no reason given"),
        (workload(replicas=0), False, "at 0 replicas, which counts as a kill switch"),
        (TargetMissing(), False, "there is no Deployment denis-workers in namespace denis"),
        (TargetInvalid(problem="no resourceVersion"), False, "no resourceVersion"),
    ],
)
def test_the_workers(found: Any, passed: object, text: str) -> None:
    """The Deployments that are scaled have to be there, and not switched off."""
    (check,) = check_workers({WORKERS: found})
    assert (check.name, check.passed, check.found) == ("denis-workers", passed, text)


def test_a_record_that_cannot_be_read() -> None:
    """An unreadable ledger is an obstacle to people, although the reflex would pass over it."""
    made = checks(without(ledger=Ledger(problem=f"the annotation {LEDGER} cannot be read")))
    assert [name for name, check in made.items() if not check.passed] == ["record"]
    assert made["record"].found == f"the annotation {LEDGER} cannot be read"
