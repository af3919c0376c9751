"""What an alert would lead to now: the ladder's own answer on what was last seen."""

from datetime import timedelta

import pytest

from remediator.core.field_owners import KEDA
from remediator.core.forecast import forecast
from remediator.core.ladder import Skip, decide
from remediator.core.policy import Remediation
from remediator.core.reasons import Reason
from remediator.core.workload import TargetInvalid, TargetMissing, Workload
from remediator.kube.errors import Forbidden
from tests.support.builders import MINUTE, NOW, entry, pause, rollback, scale, workload

COOLING = workload(percentage=0, acts=(entry(10 * MINUTE),))
RAISED = workload(percentage=10, acts=(entry(10 * MINUTE),))


def test_an_act_is_told_as_what_would_be_set() -> None:
    """Where nothing withholds it, the reason is the one that the act would have."""
    told = forecast(rollback(), workload(), NOW, dry_run=False)
    assert (told.reason, told.message, told.until) == (Reason.APPLIED, "would set 10 % -> 0 %", None)


def test_a_dry_run_says_that_nothing_is_written() -> None:
    """The change that is only tried is not told as one that would be made."""
    told = forecast(rollback(), workload(), NOW, dry_run=True)
    assert told.reason is Reason.DRY_RUN
    assert "nothing is written" in told.message


@pytest.mark.parametrize(
    ("remediation", "seen"),
    [
        (rollback(), workload(pause=pause(20 * MINUTE))),
        (rollback(), RAISED),
        (rollback(mode="observe"), workload()),
        (rollback(), workload(flags={"DENIS_MATERIALIZERS_PCT": None})),
        (rollback(), TargetMissing()),
        (rollback(), TargetInvalid(problem="it has no containers named denis")),
        (scale(), workload(replicas=20)),
        (scale(), workload(replicas=0)),
    ],
    ids=lambda value: "" if isinstance(value, Remediation) else type(value).__name__,
)
def test_what_withholds_an_act_is_told_as_the_decision_tells_it(
    remediation: Remediation, seen: Workload | TargetInvalid | TargetMissing
) -> None:
    """Reason, words and end are those that an alert would be answered with."""
    decision = decide(remediation, seen, NOW)
    assert isinstance(decision, Skip)
    told = forecast(remediation, seen, NOW, dry_run=False)
    assert (told.reason, told.message, told.until) == (decision.reason, decision.message, decision.until)


def test_an_api_server_that_refuses_is_told_as_such() -> None:
    """Where the last look failed, an alert would fail in the same way."""
    told = forecast(rollback(), Forbidden("get: 403: no"), NOW, dry_run=False)
    assert (told.reason, told.message) == (Reason.FORBIDDEN, "get: 403: no")
    assert forecast(rollback(), None, NOW, dry_run=False).reason is Reason.UNAVAILABLE


def test_what_only_an_alert_looks_up_is_said() -> None:
    """The regular look does not list the autoscalers, so no answer about replicas may sound as if it had."""
    assert "unless an autoscaler owns them" in forecast(scale(), workload(), NOW, dry_run=False).message
    owned = forecast(scale(), workload(autoscaler=KEDA), NOW, dry_run=False)
    assert owned.reason is Reason.AUTOSCALER_OWNED
    assert "checked again when an alert arrives" in owned.message


def test_there_is_nothing_to_do_where_the_canary_is_down_already() -> None:
    """In the cooldown after a rollback nothing is held back, unless somebody has raised the canary since."""
    after_the_cooldown = NOW + timedelta(hours=1)
    for seen, now, nothing in (
        (COOLING, NOW, True),
        (COOLING, after_the_cooldown, True),
        (RAISED, NOW, False),
        (RAISED, after_the_cooldown, False),
        (workload(percentage=0, pause=pause(20 * MINUTE)), NOW, False),
    ):
        assert forecast(rollback(), seen, now, dry_run=False).nothing_to_do is nothing


def test_what_is_safe_already_says_nothing_of_an_alert_that_fires() -> None:
    """The ladder's words are for an alert; a forecast is made without one."""
    told = forecast(rollback(), workload(percentage=0), NOW, dry_run=False)
    assert (told.reason, told.message) == (Reason.ALREADY_SAFE, "at 0 % already, so an alert would change nothing")
