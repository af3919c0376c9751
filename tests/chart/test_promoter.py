"""What the promoter of the chart may write: the canary's next step, and nothing else, tried with its own token."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from remediator.core.effects import Effect
from remediator.core.ledger import KILL_SWITCH, LEDGER, Entry, Ledger, decode_ledger, encode_ledger
from tests.chart.deployments import container, denis, without_record
from tests.chart.installation import Installation, is_refused_by_policy
from tests.chart.test_admission import create_event
from tests.support.builders import PROFILES

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


FORGERIES: dict[str, Callable[[str], str]] = {
    # The ledger that is written in place of the one with an old act of the reflex.
    "an act that never was": lambda text: with_act(text, '"id":"9",'),
    "an act with its keys in another order": lambda text: with_act(text, ""),
    "an act in a looser spelling": lambda text: with_act(text, ' "id" : "9",'),
    "an old act with a newer time": lambda text: text.replace("2026-11-20", "2026-11-23"),
    "an old act with a second time": lambda text: text.replace(
        '"rollback"', '"rollback","time":"2026-11-23T12:00:00Z"'
    ),
    "a person's act as a remediation's": lambda text: text.replace('"operator":"ada"', '"remediation":"rollback"'),
    "a remediation in escapes": lambda text: text.replace('"operator":"ada"', '"\\u0072emediation":"rollback"'),
}


def with_act(text: str, identity: str) -> str:
    """The ledger with one more act of the reflex, as new as can be."""
    fields = '"time":"2026-11-23T12:00:00.000000Z","effect":"SetPercentage","from":10,"to":0,"remediation":"rollback"'
    return text.replace("]}", f",{{{identity}{fields}}}]}}")


def remembering() -> str:
    """A ledger with an old act of the reflex, and one of a person."""
    old = datetime(2026, 11, 20, 12, tzinfo=UTC)
    reflex = Entry(id="1", time=old, effect=Effect.SET_PERCENTAGE, before=50, after=0, remediation="rollback")
    person = Entry(
        id="2", time=old + timedelta(hours=1), effect=Effect.SET_PERCENTAGE, before=0, after=10, operator="ada"
    )
    return encode_ledger(Ledger(entries=(reflex, person)))


def test_what_the_reflex_recorded_stays(promoter: Installation) -> None:
    """A step is written beside the acts of the reflex, which count on."""
    promoter.reset("denis", denis(PROFILES[10], **{LEDGER: remembering()}))
    site = promoter.site("denis")
    assert (answer := site.try_act(PROFILES[50])).code == 200, answer.body
    assert [entry.by for entry in site.read().ledger.entries][:2] == ["rollback", "ada"]


def test_a_full_ledger_is_no_obstacle(promoter: Installation) -> None:
    """As many acts as are kept, each as long as can be, are within what the API server spends on a policy."""
    old = datetime(2026, 11, 20, tzinfo=UTC)
    common: dict[str, Any] = {"effect": Effect.SET_PERCENTAGE, "before": 10, "after": 0}
    hashes = tuple(f"{number:016x}" for number in range(10))
    reflex = [
        Entry(id=f"{n:016x}", time=old + timedelta(hours=n), remediation="rollback", fingerprints=hashes, **common)
        for n in range(20)
    ]
    people = [
        Entry(id=f"{n:016x}", time=old + timedelta(hours=n), operator="o" * 100, reason="r" * 200, **common)
        for n in range(20, 40)
    ]
    promoter.reset("denis", denis(PROFILES[10], **{LEDGER: encode_ledger(Ledger(entries=(*reflex, *people)))}))
    assert (answer := promoter.site("denis").try_act(PROFILES[50])).code == 200, answer.body


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_act_of_the_reflex_is_refused(promoter: Installation, name: str) -> None:
    """A thief cannot make the reflex believe that it has acted, and so wait for its cooldown."""
    promoter.reset("denis", denis(PROFILES[10], **{LEDGER: remembering()}))
    site = promoter.site("denis")
    forged = FORGERIES[name](remembering())
    assert forged != remembering()
    decoded = decode_ledger(forged)
    assert decoded.problem or decoded.automatic(Effect.SET_PERCENTAGE) != decode_ledger(remembering()).automatic(
        Effect.SET_PERCENTAGE
    )
    answer = site.try_act(PROFILES[50], lambda patch: patch["metadata"]["annotations"].update({LEDGER: forged}))
    assert is_refused_by_policy(answer), answer.body
    assert "acts of remediations" in answer.message


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
