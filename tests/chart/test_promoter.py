"""What the promoter of the chart may write: the canary's next step, and nothing else, tried with its own token."""

from typing import Any

import pytest

from remediator.ledger import KILL_SWITCH
from tests.builders import PROFILES
from tests.chart.deployments import container, denis, without_record
from tests.chart.installation import Installation, is_refused_by_policy
from tests.chart.test_admission import create_event

STEPS = [(1, 10), (10, 50), (50, 100)]


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "for real"])
@pytest.mark.parametrize(("before", "after"), STEPS)
def test_the_next_step_is_allowed(promoter: Installation, before: int, after: int, dry_run: bool) -> None:
    """From each phase the canary may be taken to the percentage after it."""
    promoter.reset("denis", denis(PROFILES[before]))
    site = promoter.site("denis")
    assert (answer := site.try_act(PROFILES[after], dry_run=dry_run)).code == 200, answer.body
    assert site.read().percentage() == (before if dry_run else after)


@pytest.mark.parametrize(
    ("before", "after"),
    [(before, after) for before in PROFILES for after in PROFILES if (before, after) not in STEPS and before != after],
)
def test_any_other_change_of_the_percentage_is_refused(promoter: Installation, before: int, after: int) -> None:
    """Nothing is started, skipped or taken back: a person starts the canary, and the reflex ends it."""
    promoter.reset("denis", denis(PROFILES[before]))
    site = promoter.site("denis")
    assert is_refused_by_policy(site.try_act(PROFILES[after], dry_run=True))
    assert is_refused_by_policy(site.try_act(PROFILES[after]))
    assert site.read().percentage() == before


@pytest.mark.parametrize("flag", PROFILES[10])
def test_a_mixture_is_not_raised(promoter: Installation, flag: str) -> None:
    """Where one flag is missing or not what its percentage means, a person has to look."""
    for value in (None, {"true": "false", "false": "true", "10": "11"}[PROFILES[10][flag]]):
        flags = {name: text for name, text in {**PROFILES[10], flag: value}.items() if text is not None}
        promoter.reset("denis", denis(flags))
        assert is_refused_by_policy(promoter.site("denis").try_act(PROFILES[50]))


def test_nothing_is_raised_while_the_kill_switch_is_on(promoter: Installation) -> None:
    """A latch on the canary holds, whatever it says."""
    promoter.reset("denis", denis(PROFILES[10], **{KILL_SWITCH: "{}"}))
    assert is_refused_by_policy(promoter.site("denis").try_act(PROFILES[50]))


def test_a_record_without_a_step_is_refused(promoter: Installation) -> None:
    """The ledger may not be written by itself, so nobody's cooldown or pause is forgotten in silence."""
    promoter.reset("denis", denis(PROFILES[10]))
    assert is_refused_by_policy(promoter.site("denis").try_act(PROFILES[50], lambda patch: patch.pop("spec")))
    assert is_refused_by_policy(promoter.site("denis").try_act(PROFILES[10]))


def test_the_workers_are_out_of_reach(promoter: Installation) -> None:
    """They may be seen, for their kill switch, and not be written: not even a step that the service could take."""
    promoter.reset("denis-workers", denis(PROFILES[10], "denis-workers"))
    site = promoter.site("denis-workers")
    assert site.read().replicas == 4
    answer = site.try_act(6)
    assert (answer.code, "ValidatingAdmissionPolicy" in answer.message) == (403, False), answer.body


def test_events_are_out_of_reach(promoter: Installation) -> None:
    """The promoter's record is the ledger."""
    assert create_event(promoter, "denis").code == 403


def test_a_canary_with_many_variables_is_promoted(promoter: Installation) -> None:
    """Far more variables than anybody has are within what the API server spends on a policy."""
    manifest: Any = denis(PROFILES[10])
    container(manifest)["env"] += [{"name": f"VARIABLE_{number}", "value": "x" * 40} for number in range(300)]
    promoter.reset("denis", manifest)
    site = promoter.site("denis")
    assert (answer := site.try_act(PROFILES[50])).code == 200, answer.body
    assert is_refused_by_policy(site.try_act(PROFILES[100], without_record))
