"""How long a bad canary would stay, from settings and from the Deployment."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from remediator.core.effects import Effect
from remediator.core.rollout import Rollout, read_rollout
from remediator.core.time_to_safe import QUESTION, Part, rollout_part, time_to_safe
from tests.support.builders import MINUTE, NOW, SECOND, entry, workload

END = Part(name="rollout", takes=40 * SECOND, found="the last one")
SHIPPED: dict[str, Any] = {
    "scrape": 15 * SECOND,
    "evaluation": 15 * SECOND,
    "hold": 2 * MINUTE,
    "wait": 5 * SECOND,
    "end": END,
}


def test_the_shipped_settings_add_up() -> None:
    """Scrape, evaluation, for, group_wait, the decision and the rollout are added, and the largest is named."""
    found = time_to_safe(**SHIPPED)

    assert found.total == timedelta(seconds=195, milliseconds=100) + QUESTION
    assert found.complete
    assert found.largest.name == "for"
    assert str(found) == (
        "a bad canary stays for at most 3m17s: "
        "scrape 15s + evaluation 15s + for 2m + group_wait 5s + Remediator 2s + rollout 40s"
    )


@pytest.mark.parametrize(
    ("evaluation", "hold", "noticed"),
    [(15, 120, 120), (60, 30, 60), (60, 61, 120), (15, 0, 0)],
)
def test_for_ends_at_an_evaluation(evaluation: int, hold: int, noticed: int) -> None:
    """A rule that is evaluated every minute notices the end of `for: 30s` after a minute."""
    given = {**SHIPPED, "evaluation": evaluation * SECOND, "hold": hold * SECOND}
    found = {part.name: part.takes for part in time_to_safe(**given).parts}
    assert found["for"] == noticed * SECOND


@pytest.mark.parametrize("missing", ["scrape", "evaluation", "hold", "wait"])
def test_what_is_not_known_makes_it_a_lower_bound(missing: str) -> None:
    """The sum then says at least, and names what is not known."""
    found = time_to_safe(**{**SHIPPED, missing: None})
    assert not found.complete
    name = {"hold": "for", "wait": "group_wait"}.get(missing, missing)
    assert "at least" in str(found)
    assert str(found).endswith(f"; not known: {name}")


def test_the_last_change_says_how_long_a_rollout_takes() -> None:
    """Where the Deployment settled 41 s after the last change, the next one is expected to take as long."""
    changed = (entry(10 * MINUTE, operator="ada", after=10),)
    settled = replace(workload(acts=changed), rollout=Rollout(settled=NOW - 10 * MINUTE + 41 * SECOND))
    part = rollout_part(settled)
    assert (part.takes, part.least) == (41 * SECOND, False)


@pytest.mark.parametrize(
    "settled",
    [None, NOW - 11 * MINUTE, NOW + MINUTE],
    ids=["not settled", "settled before the change", "later than the progress deadline"],
)
def test_a_rollout_of_somebody_else_says_nothing(settled: Any) -> None:
    """Then the strategy gives a lower bound."""
    changed = (entry(10 * MINUTE, operator="ada", after=10),)
    found = replace(workload(acts=changed), replicas=8, rollout=Rollout(settled=settled, min_ready=30 * SECOND))
    part = rollout_part(found)
    assert (part.takes, part.least) == (60 * SECOND, True)
    summed = time_to_safe(**{**SHIPPED, "end": part})
    assert summed.short == "at least 3m36s (largest part: for 2m); not known: the rest of rollout"


@pytest.mark.parametrize(
    "rollout", [Rollout(paused=True), Rollout(seen=True, deadline_exceeded=True)], ids=["paused", "out of time"]
)
def test_a_stuck_rollout_has_no_end(rollout: Rollout) -> None:
    """How long the last change took says nothing while no pod would follow the next one."""
    changed = (entry(10 * MINUTE, operator="ada", after=10),)
    settled = replace(rollout, settled=NOW - 9 * MINUTE)
    part = rollout_part(replace(workload(acts=changed), rollout=settled))
    assert part.takes is None
    assert part.found == rollout.stuck


def test_workers_do_not_say_how_long_the_canary_takes() -> None:
    """A change of replicas makes no rollout."""
    scaled = (entry(10 * MINUTE, effect=Effect.SCALE, before=4, after=6),)
    found = replace(workload(acts=scaled), rollout=Rollout(settled=NOW - 9 * MINUTE))
    assert rollout_part(found).least


@pytest.mark.parametrize(
    ("strategy", "replicas", "batches"),
    [
        ({}, 4, 2),
        ({"type": "Recreate"}, 7, 1),
        ({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, 5, 5),
        ({"rollingUpdate": {"maxSurge": "30%", "maxUnavailable": "30%"}}, 3, 3),
        ({"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}}, 3, 1),
        ({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}}, 3, 3),
        ({}, 0, 0),
    ],
)
def test_the_strategy_says_in_how_many_batches_pods_are_replaced(
    strategy: dict[str, Any], replicas: int, batches: int
) -> None:
    """A surge is rounded up and what may be missing down; at least one pod is replaced at a time."""
    rollout = read_rollout({"spec": {"replicas": replicas, "strategy": strategy, "minReadySeconds": 10}})
    assert (rollout.batches(replicas), rollout.min_ready) == (batches, 10 * SECOND)
