"""A long queue gets workers: a step at a time, up to the limit, within the budget."""

from dataclasses import replace
from itertools import pairwise

from demo.denis import Scenario
from demo.timeline import moment
from demo.waiting import until
from tests.acceptance.conftest import Assemble
from tests.acceptance.stack import HEALTHY, PACE, SECONDS
from tests.support.kubectl import patch_deployment

ENDLESS = Scenario(inflow=100_000)
COOLDOWN_SECONDS = 0.8
COOLDOWN = {"cooldown": "800ms"}
SCALE = {"step": 2, "min": 1, "max": 20}
ONLY_CHANGES = replace(PACE, repeat_interval="1h")


def test_a_long_queue_gets_one_step_in_each_cooldown_up_to_the_limit(assemble: Assemble) -> None:
    """The queue never shrinks: 4, 6, 8 and so on to 20 workers, a cooldown between all steps, then AtLimit."""
    patient = {**COOLDOWN, "budget": {"acts": 20, "window": "1h"}, "scale": {**SCALE, "give_up": 20}}
    stack = assemble(remediations={"scale-workers": patient})
    stack.denis.becomes(ENDLESS)
    stack.decides("AtLimit", times=2)
    assert stack.deployments.workers() == 20
    assert stack.changes("denis-workers") == list(pairwise(range(4, 21, 2)))
    times = [moment(act["time"]) for act in stack.deployments.acts("denis-workers")]
    assert all((later - earlier).total_seconds() >= COOLDOWN_SECONDS for earlier, later in pairwise(times))
    assert stack.decided("CoolingDown")
    assert stack.changes("denis") == []


def test_the_shipped_budget_ends_the_steps(assemble: Assemble) -> None:
    """The queue never shrinks: after the six steps that six hours allow, a human has to look."""
    stack = assemble(remediations={"scale-workers": {**COOLDOWN, "scale": {**SCALE, "give_up": 20}}})
    stack.denis.becomes(ENDLESS)
    spent = stack.decides("BudgetSpent", times=2)
    assert "6 acts in 6h" in spent["message"]
    assert stack.changes("denis-workers") == list(pairwise(range(4, 17, 2)))


def test_workers_that_do_not_help_are_given_up(assemble: Assemble) -> None:
    """The queue never shrinks: three steps, then Ineffective, until a person scales and the alert still fires."""
    stack = assemble(remediations={"scale-workers": COOLDOWN})
    stack.denis.becomes(ENDLESS)
    given_up = stack.decides("Ineffective", times=2)
    assert "3 acts (4 -> 10 replicas) have not ended the alert" in given_up["message"]
    assert stack.changes("denis-workers") == list(pairwise(range(4, 11, 2)))

    patch_deployment(stack.cluster, {"spec": {"replicas": 12}}, "denis-workers")

    stack.decides("Applied", times=4)
    act = stack.deployments.acts("denis-workers")[3]
    assert (act["from"], act["to"]) == (12, 14)


def test_a_resolved_alert_takes_no_worker_away(assemble: Assemble) -> None:
    """The queue drains and its alert resolves: the workers stay, for a person or an autoscaler to take away."""
    stack = assemble()
    stack.denis.becomes(HEALTHY, queue=1_500)
    act = stack.decides("Applied")
    assert (act["from"], act["to"]) == (4, 6)
    stack.denis.becomes(HEALTHY, queue=0)
    stack.decides("NotFiring", of="DenisQueueDepthHigh")
    assert stack.deployments.workers() == 6
    assert stack.changes("denis-workers") == [(4, 6)]


def test_a_rollback_and_a_step_come_in_one_notification(assemble: Assemble) -> None:
    """A route that groups less sends two alerts at once: each gets its own remediation."""
    stack = assemble(group_by=["namespace", "job"], pace=ONLY_CHANGES)
    stack.denis.becomes(Scenario(success_rate=0.7, inflow=100_000, cause="elsewhere"))
    stack.decides("Applied", times=2)
    rollback, scale = stack.decided("Applied")
    assert (rollback["remediation"], scale["remediation"]) == ("rollback", "scale-workers")
    assert rollback["groupKey"] == scale["groupKey"]
    beats = "remediator_outcomes_total"
    until(
        "one notification besides heartbeats",
        lambda: stack.notifications(200) - stack.remediator.metric(beats, reason="Heartbeat") == 1,
        SECONDS,
    )
    assert stack.changes("denis") == [(10, 0)]
    assert stack.changes("denis-workers") == [(4, 6)]
