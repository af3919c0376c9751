"""The ladder: every rung, both sides of every edge, and the order of the rungs."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.core.alerts import Alert, MalformedAlert
from remediator.core.confirmation import Confirmation
from remediator.core.effects import Effect
from remediator.core.field_owners import Write
from remediator.core.ladder import ON_TARGET, Act, Skip, decide, screen
from remediator.core.ledger import CLOCK_SKEW, Entry, KillSwitch
from remediator.core.matchers import parse_matchers
from remediator.core.outcome import Outcome
from remediator.core.policy import Policy, Remediation
from remediator.core.reasons import Reason
from remediator.core.workload import TargetInvalid, TargetMissing, Workload
from tests.support.builders import (
    HOUR,
    MINUTE,
    NOW,
    PROFILES,
    SECOND,
    alert,
    entry,
    pause,
    policy,
    rollback,
    scale,
    workload,
)

LATCHED = KillSwitch(reason="database migration", author="ada")


def reason(decision: Act | Skip) -> str:
    """The reason of a decision as a word, or "act"."""
    return str(decision.reason) if isinstance(decision, Skip) else "act"


def skip(decision: object) -> Skip:
    """The decision, which has to be a Skip."""
    assert isinstance(decision, Skip)
    return decision


def act(decision: object) -> Act:
    """The decision, which has to be an Act."""
    assert isinstance(decision, Act)
    return decision


def flags(decision: Act) -> dict[str, str]:
    """The flags that an act writes."""
    (container,) = decision.patch["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


# The rungs that need no look at the target.


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(MalformedAlert(problem="labels: Field required"), "MalformedAlert", id="MalformedAlert"),
        pytest.param(alert(status="resolved"), "NotFiring", id="NotFiring"),
        pytest.param(alert(alertname="Watchdog"), "NoRemediation", id="NoRemediation"),
        pytest.param(alert(remediation="rollback", cluster="eu-2"), "ForeignCluster", id="ForeignCluster"),
        pytest.param(alert(remediation="rollback"), "ForeignCluster", id="ForeignCluster-label-missing"),
        pytest.param(alert(remediation="heartbeat", cluster="eu-1"), "Heartbeat", id="Heartbeat"),
    ],
)
def test_screen_says_why_an_alert_needs_no_look_at_the_target(given: Alert | MalformedAlert, expected: str) -> None:
    """An alert that cannot lead to an act is withheld for the reason of its rung."""
    assert reason(skip(screen(given, policy(), "eu-1"))) == expected


def test_screen_finds_the_remediation_of_a_firing_alert() -> None:
    """A firing alert of this cluster that a remediation matches is answered by that remediation."""
    found = screen(alert(remediation="scale", cluster="eu-1"), policy(), "eu-1")

    assert isinstance(found, Remediation)
    assert found.name == "scale-workers"


@pytest.mark.parametrize("cluster", ["eu-2", ""])
def test_without_a_fence_the_label_cluster_decides_nothing(cluster: str) -> None:
    """Where no fence is set, alerts of any cluster are answered."""
    assert isinstance(screen(alert(remediation="rollback", cluster=cluster), policy(), ""), Remediation)


@pytest.mark.parametrize("status", ["", "FIRING", "firing ", "Resolved", "pending", "alerting", "x" * 1000, "\x1b[2J"])
def test_a_status_that_alertmanager_does_not_know_is_malformed(status: str) -> None:
    """A status that is neither `firing` nor `resolved`, to the letter, is said to be wrong, and never acts."""
    decision = skip(screen(alert(status=status), policy(), ""))

    assert reason(decision) == "MalformedAlert"
    assert "neither 'firing' nor 'resolved'" in decision.message
    assert decision.message.isprintable()
    assert len(decision.message) < 200


def _anything() -> Policy:
    """A policy whose matcher every alert of the namespace meets."""
    return policy(replace(rollback(), matchers=parse_matchers('namespace="denis"')))


@pytest.mark.parametrize(
    "labels",
    [
        {"alertname": "DatasourceNoData", "rulename": "DenisErrorRateHigh"},
        {"alertname": "DatasourceError"},
        {"alertname": "datasourcenodata"},
        {"alertname": "Datasource No-Data"},
        {"alertname": "NoData"},
        {"alertname": "DenisErrorRateHigh", "rulename": "DatasourceError"},
        {"rulename": "DATASOURCE_NODATA"},
    ],
    ids=str,
)
def test_an_alert_about_missing_data_never_acts_whatever_the_policy(labels: dict[str, str]) -> None:
    """What other engines send where a query brought nothing is no evidence, also where every matcher matches."""
    decision = skip(screen(alert(namespace="denis", **labels), _anything(), ""))

    assert reason(decision) == "NoRemediation"
    assert "brought no data" in decision.message


@pytest.mark.parametrize("state", ["NoData", "Error", "NoData, KeepLast", "MissingSeries"])
def test_a_state_without_a_value_never_acts(state: str) -> None:
    """Grafana keeps the rule's own name where "no data" is set to alert, and says the reason in an annotation."""
    given = replace(alert(alertname="DenisErrorRateHigh", namespace="denis"), state_reason=state)

    assert reason(skip(screen(given, _anything(), ""))) == "NoRemediation"


@pytest.mark.parametrize("name", ["DenisErrorRateHigh", "NoDataLoss", "Error", "DatasourceErrorRate", "", "nodata2"])
def test_an_alert_whose_name_only_resembles_one_about_missing_data_acts(name: str) -> None:
    """Names that merely hold such a word are those of alerts like any other."""
    assert isinstance(screen(alert(alertname=name, namespace="denis"), _anything(), ""), Remediation)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(alert(status="resolved", alertname="Watchdog"), "NotFiring", id="NotFiring-before-NoRemediation"),
        pytest.param(alert(status="resolved", remediation="rollback"), "NotFiring", id="NotFiring-before-Foreign"),
        pytest.param(alert(alertname="Watchdog", cluster="eu-2"), "NoRemediation", id="NoRemediation-before-Foreign"),
        pytest.param(alert(status="resolved", remediation="heartbeat"), "NotFiring", id="NotFiring-before-Heartbeat"),
        pytest.param(alert(remediation="heartbeat", cluster="eu-2"), "ForeignCluster", id="Foreign-before-Heartbeat"),
        pytest.param(alert(remediation="heartbeat"), "ForeignCluster", id="Foreign-without-label-before-Heartbeat"),
        pytest.param(
            alert(remediation="heartbeat", alertname="DatasourceNoData"), "NoRemediation", id="no-data-before-Heartbeat"
        ),
    ],
)
def test_the_earlier_of_two_screening_rungs_wins(given: Alert, expected: str) -> None:
    """Where two rungs that need no target match, the first of the ladder is the reason."""
    assert reason(skip(screen(given, policy(), "eu-1"))) == expected


def test_a_foreign_heartbeat_says_what_it_would_be_here() -> None:
    """Two clusters whose heartbeats are crossed see it in the message, though no remediation is asked."""
    decision = skip(screen(alert(remediation="heartbeat", cluster="eu-2"), _anything(), "eu-1"))
    assert decision.message == "the alert is of cluster 'eu-2', this is 'eu-1'; here it would be a heartbeat"


def test_a_foreign_cluster_is_named() -> None:
    """The message of ForeignCluster says which cluster was found, which was expected, and what would answer it."""
    other = skip(screen(alert(remediation="rollback", cluster="eu-2"), policy(), "eu-1"))
    missing = skip(screen(alert(remediation="rollback"), policy(), "eu-1"))

    assert other.message == "the alert is of cluster 'eu-2', this is 'eu-1'; here rollback would answer it"
    assert missing.message == "the alert has no label cluster, this is 'eu-1'; here rollback would answer it"


def test_an_alert_that_nothing_answers_shows_what_matchers_ask_for() -> None:
    """NoRemediation says the values of the labels that matchers ask for, so that a misspelled one can be found."""
    typo = skip(screen(alert(remediation="rolback", pod="denis-1"), policy(), ""))
    missing = skip(screen(alert(alertname="Watchdog"), policy(), ""))

    assert typo.message == "no remediation's matchers match the alert's labels: remediation is 'rolback'"
    assert missing.message == "no remediation's matchers match the alert's labels: remediation is not there"


def test_what_a_sender_writes_into_a_label_stays_short_and_printable() -> None:
    """A message about a label is bounded, and cannot steer a terminal."""
    message = skip(screen(alert(remediation="\x1b[31m\u202e" * 5000, cluster="x" * 9000), policy(), "eu-1")).message

    assert message.isprintable()
    assert len(message) < 500


# Acting.


def test_a_rollback_writes_the_profile_of_0_percent() -> None:
    """A canary at 10 % with an alert that asks for a rollback is set to all flags of 0 %."""
    decision = act(decide(rollback(), workload(percentage=10), NOW))

    assert decision.effect is Effect.SET_PERCENTAGE
    assert flags(decision) == PROFILES[0]
    assert (decision.before, decision.after) == (10, 0)
    assert decision.message == "10 % -> 0 %"


def test_a_scale_up_adds_one_step() -> None:
    """A queue with 4 workers gets 2 more."""
    decision = act(decide(scale(), workload(replicas=4), NOW))

    assert decision.effect is Effect.SCALE
    assert (decision.patch, decision.before, decision.after) == ({"replicas": 6}, 4, 6)
    assert decision.message == "4 -> 6 replicas"


@pytest.mark.parametrize(
    ("replicas", "minimum", "after"),
    [(1, 1, 3), (17, 1, 19), (18, 1, 20), (19, 1, 20), (1, 5, 5), (3, 5, 5), (4, 5, 6)],
)
def test_a_scale_up_stays_within_its_bounds(replicas: int, minimum: int, after: int) -> None:
    """A step ends at max and begins no lower than min."""
    assert act(decide(scale(minimum=minimum), workload(replicas=replicas), NOW)).after == after


def test_an_act_is_on_the_workload_that_was_judged() -> None:
    """The act carries the very workload that was read, so that the write holds only for it."""
    read = workload()

    assert act(decide(rollback(), read, NOW)).workload is read


# TargetNotFound, TargetInvalid.


def test_target_not_found_names_the_deployment() -> None:
    """A Deployment that is gone is TargetNotFound, with its name and namespace."""
    decision = skip(decide(rollback(), TargetMissing(), NOW))

    assert decision.reason is Reason.TARGET_NOT_FOUND
    assert decision.message == "there is no Deployment denis in namespace denis"


def test_target_invalid_passes_on_what_is_wrong() -> None:
    """A Deployment that cannot be read as the target is TargetInvalid, with the problem."""
    decision = skip(decide(rollback(), TargetInvalid(problem="it has no containers named denis"), NOW))

    assert decision.reason is Reason.TARGET_INVALID
    assert decision.message == "Deployment denis: it has no containers named denis"


@pytest.mark.parametrize("name", PROFILES[0])
def test_a_flag_from_elsewhere_stops_a_rollback(name: str) -> None:
    """A flag with valueFrom cannot be patched, so the target is invalid."""
    decision = skip(decide(rollback(), workload(flags={name: None}), NOW))

    assert decision.reason is Reason.TARGET_INVALID
    assert f"container denis: env {name} takes its value from elsewhere (valueFrom)" in decision.message


@pytest.mark.parametrize("name", PROFILES[0])
@pytest.mark.parametrize("second", ["0", "false", None])
def test_a_flag_that_stands_twice_stops_a_rollback(name: str, second: str | None) -> None:
    """A flag that stands twice would be changed once, so the target is invalid."""
    decision = skip(decide(rollback(), workload(env=(*PROFILES[10].items(), (name, second))), NOW))

    assert decision.reason is Reason.TARGET_INVALID
    assert f"env {name} is defined 2 times" in decision.message


def test_other_variables_do_not_concern_a_rollback() -> None:
    """A variable that is no flag of the profile may stand twice or come from elsewhere."""
    env = (*PROFILES[10].items(), ("PASSWORD", None), ("DEBUG", "1"), ("DEBUG", "2"))

    assert reason(decide(rollback(), workload(env=env), NOW)) == "act"


@pytest.mark.parametrize("missing", PROFILES[0])
def test_a_missing_flag_is_added(missing: str) -> None:
    """A flag that the Deployment does not carry is no hindrance: all four are written."""
    env = tuple((name, value) for name, value in PROFILES[10].items() if name != missing)

    assert flags(act(decide(rollback(), workload(env=env), NOW))) == PROFILES[0]


def test_a_deployment_without_any_flag_is_rolled_back() -> None:
    """Where no flag is set the percentage is unknown, and unknown is not safe."""
    decision = act(decide(rollback(), workload(env=()), NOW))

    assert decision.before is None
    assert decision.message == "unknown -> 0 %"


@pytest.mark.parametrize("text", ["ten", "", "-1", "1e1", "10%", " 0", "0 ", "٠", "0.0", "1000"])
def test_a_percentage_that_is_not_a_number_is_rolled_back(text: str) -> None:
    """A percentage that cannot be told is not safe, so the rollback writes 0."""
    decision = act(decide(rollback(), workload(flags={"DENIS_MATERIALIZERS_PCT": text}), NOW))

    assert decision.before is None
    assert flags(decision) == PROFILES[0]


@pytest.mark.parametrize(
    "unbelievable",
    [
        pytest.param({"problems": ("the annotation cannot be read",)}, id="unreadable"),
        pytest.param({"pause": pause(24 * HOUR + CLOCK_SKEW + SECOND)}, id="pause-too-long"),
        pytest.param({"acts": (entry(-CLOCK_SKEW - SECOND),)}, id="act-from-the-future"),
    ],
)
def test_an_unbelievable_record_stops_a_scale_up_and_no_rollback(unbelievable: Mapping[str, Any]) -> None:
    """Where the record cannot be believed, adding workers is withheld and a rollback is not."""
    decision = skip(decide(scale(), workload(**unbelievable), NOW))

    assert decision.reason is Reason.TARGET_INVALID
    assert decision.message.startswith("adding replicas needs a readable record: ")
    assert reason(decide(rollback(), workload(**unbelievable), NOW)) == "act"


# Paused.


@pytest.mark.parametrize("remediation", [rollback(), scale()], ids=["rollback", "scale"])
@pytest.mark.parametrize(
    ("left", "expected"),
    [(SECOND, "Paused"), (timedelta(0), "act"), (-SECOND, "act"), (24 * HOUR, "Paused")],
    ids=["one second left", "exactly over", "one second over", "the longest"],
)
def test_paused_until_the_very_end(remediation: Remediation, left: timedelta, expected: str) -> None:
    """A pause withholds every act until its expiry, and none from then on."""
    assert reason(decide(remediation, workload(pause=pause(left)), NOW)) == expected


def test_paused_says_by_whom_why_and_until_when() -> None:
    """The message of Paused names the author, the reason and the time that is left."""
    decision = skip(decide(rollback(), workload(pause=pause(90 * MINUTE)), NOW))

    assert decision.message == "paused by ada for another 1h30m: load test"
    assert decision.until == NOW + 90 * MINUTE


@pytest.mark.parametrize("remediation", [rollback(), scale()], ids=["rollback", "scale"])
def test_the_longest_pause_holds_although_the_operators_clock_is_ahead(remediation: Remediation) -> None:
    """A pause of 24h written by a clock that is a little ahead of ours is a pause."""
    assert reason(decide(remediation, workload(pause=pause(24 * HOUR + SECOND)), NOW)) == "Paused"


# KillSwitchOn.


@pytest.mark.parametrize("replicas", [0, 1, 4, 20])
def test_the_kill_switch_latches_whatever_the_replicas(replicas: int) -> None:
    """While the kill switch is on no worker is added, even if someone scaled by hand."""
    decision = skip(decide(scale(), workload(replicas=replicas, kill_switch=LATCHED), NOW))

    assert decision.reason is Reason.KILL_SWITCH_ON
    assert decision.message == "latched at 0 by ada: database migration"


def test_a_kill_switch_without_words_is_on() -> None:
    """A kill switch that names neither author nor reason counts all the same."""
    decision = skip(decide(scale(), workload(kill_switch=KillSwitch()), NOW))

    assert decision.reason is Reason.KILL_SWITCH_ON
    assert decision.message == "latched at 0: no reason given"


@pytest.mark.parametrize("minimum", [1, 5])
def test_0_replicas_by_hand_is_a_kill_switch(minimum: int) -> None:
    """Workers that someone scaled to 0 stay at 0, whatever the lower bound."""
    decision = skip(decide(scale(minimum=minimum), workload(replicas=0), NOW))

    assert decision.reason is Reason.KILL_SWITCH_ON
    assert "scale to 1 or more to release it" in decision.message


@pytest.mark.parametrize(
    "hindrance",
    [
        pytest.param({"kill_switch": LATCHED}, id="KillSwitchOn"),
        pytest.param({"replicas": 0}, id="KillSwitchOn-by-hand"),
        pytest.param({"replicas": 20}, id="AtLimit"),
        pytest.param({"autoscaler": "keda-operator"}, id="AutoscalerOwned"),
    ],
)
def test_what_concerns_replicas_does_not_stop_a_rollback(hindrance: Mapping[str, Any]) -> None:
    """The kill switch, the limit and an autoscaler withhold workers only: a rollback makes things safer."""
    assert reason(decide(rollback(), workload(**hindrance), NOW)) == "act"


# AlreadySafe.


def test_already_safe_says_that_the_cause_is_elsewhere() -> None:
    """At 0 % an alert that still fires has another cause, and the message says so."""
    decision = skip(decide(rollback(), workload(percentage=0), NOW))

    assert decision.reason is Reason.ALREADY_SAFE
    assert decision.message == "already at 0 %, and the alert still fires: the cause is elsewhere"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param({"DENIS_MATERIALIZERS_ENABLED": "true"}, "AlreadySafe", id="0 of enabled is 0"),
        pytest.param({"DENIS_MATERIALIZERS_PCT": "50"}, "AlreadySafe", id="50 of disabled is 0"),
        pytest.param({"DENIS_MATERIALIZERS_PCT": "ten"}, "AlreadySafe", id="anything of disabled is 0"),
        pytest.param({"RUNS_ENABLED": "true"}, "act", id="runs are on"),
        pytest.param({"ASYNC_ENABLED": "true"}, "act", id="async is on"),
        pytest.param({"ASYNC_ENABLED": "False"}, "act", id="another spelling of false"),
        pytest.param({"DENIS_SECONDARY_ENGINES": "true"}, "AlreadySafe", id="a flag of no canary step"),
        pytest.param(
            {"DENIS_MATERIALIZERS_ENABLED": "FALSE", "DENIS_MATERIALIZERS_PCT": "10"}, "act", id="10 of FALSE"
        ),
    ],
)
def test_already_safe_needs_every_flag_to_be_safe(flags: Mapping[str, str], expected: str) -> None:
    """The canary is safe at 0 % or switched off, and only if no other flag of the profile is on."""
    assert reason(decide(rollback(), workload(percentage=0, flags=flags), NOW)) == expected


@pytest.mark.parametrize("missing", ["DENIS_MATERIALIZERS_ENABLED", "ASYNC_ENABLED", "RUNS_ENABLED"])
def test_a_flag_that_is_not_there_is_not_on(missing: str) -> None:
    """At 0 % a flag that the Deployment does not carry asks for no rollout."""
    env = tuple((name, value) for name, value in PROFILES[0].items() if name != missing)

    assert reason(decide(rollback(), workload(env=env), NOW)) == "AlreadySafe"


@pytest.mark.parametrize(("percentage", "expected"), [(1, "AlreadySafe"), (10, "AlreadySafe"), (50, "act")])
def test_an_alert_never_raises_the_percentage(percentage: int, expected: str) -> None:
    """A canary at or below the wanted percentage is left there, and one above it is lowered."""
    flags = {"RUNS_ENABLED": "false"}

    assert reason(decide(rollback(percentage=10), workload(percentage=percentage, flags=flags), NOW)) == expected


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(0), "CoolingDown"),
        (30 * MINUTE - SECOND, "CoolingDown"),
        (30 * MINUTE, "AlreadySafe"),
        (30 * MINUTE + SECOND, "AlreadySafe"),
    ],
    ids=["at once", "one second short", "exactly", "one second over"],
)
def test_already_safe_by_our_own_act_is_cooling_down(ago: timedelta, expected: str) -> None:
    """Right after our rollback the alert is expected to fire on, so AlreadySafe waits for the cooldown."""
    assert reason(decide(rollback(), workload(percentage=0, acts=(entry(ago),)), NOW)) == expected


def test_already_safe_by_an_operators_act_is_already_safe() -> None:
    """Where a person took the canary to 0 %, an alert that fires on has another cause at once."""
    by_hand = workload(percentage=0, acts=(entry(SECOND, operator="ada"),))

    assert reason(decide(rollback(), by_hand, NOW)) == "AlreadySafe"


# AtLimit, AutoscalerOwned.


@pytest.mark.parametrize(
    ("replicas", "expected"), [(19, "act"), (20, "AtLimit"), (21, "AtLimit")], ids=["below", "at", "above"]
)
def test_at_limit_from_max_on(replicas: int, expected: str) -> None:
    """At or above max no worker is added, and none is taken away."""
    assert reason(decide(scale(maximum=20), workload(replicas=replicas), NOW)) == expected


def test_at_limit_says_both_numbers() -> None:
    """The message of AtLimit names the replicas and the limit."""
    decision = skip(decide(scale(maximum=20), workload(replicas=23), NOW))

    assert decision.message == "already 23 replicas, and max is 20; a human must look"


def test_autoscaler_owned_names_the_owner() -> None:
    """Replicas that an autoscaler writes are left to it."""
    decision = skip(decide(scale(), workload(autoscaler="keda-operator"), NOW))

    assert decision.reason is Reason.AUTOSCALER_OWNED
    assert "owned by keda-operator" in decision.message


# CoolingDown.


@pytest.mark.parametrize(
    ("remediation", "effect", "cooldown"),
    [(rollback(), Effect.SET_PERCENTAGE, 30 * MINUTE), (scale(), Effect.SCALE, 10 * MINUTE)],
    ids=["rollback", "scale"],
)
@pytest.mark.parametrize(
    ("beyond", "expected"),
    [(-SECOND, "CoolingDown"), (timedelta(0), "act"), (SECOND, "act")],
    ids=["one second short", "exactly", "one second over"],
)
def test_cooling_down_until_the_very_end(
    remediation: Remediation, effect: Effect, cooldown: timedelta, beyond: timedelta, expected: str
) -> None:
    """After an act there is no other until the cooldown has passed, and one is possible from then on."""
    assert reason(decide(remediation, workload(acts=(entry(cooldown + beyond, effect=effect),)), NOW)) == expected


def test_cooling_down_says_what_was_done_and_how_long_is_left() -> None:
    """The message of CoolingDown names the last act and the time that is left."""
    decision = skip(decide(rollback(), workload(percentage=0, acts=(entry(90 * SECOND),)), NOW))

    assert decision.message == "a-remediation set 10 % -> 0 % 1m30s ago, cooling down for another 28m30s"
    assert decision.until == NOW + 28 * MINUTE + 30 * SECOND


def test_cooling_down_tells_of_a_person_who_raised_the_canary_again() -> None:
    """A canary that someone switched on in the cooldown stays on, and the message says so."""
    decision = skip(decide(rollback(), workload(percentage=50, acts=(entry(90 * SECOND),)), NOW))

    assert decision.reason is Reason.COOLING_DOWN
    assert decision.message.endswith("cooling down for another 28m30s; someone has set 50 % since")


def test_cooling_down_from_the_youngest_act() -> None:
    """Of several acts the youngest one counts, whatever their order in the ledger."""
    acts = (entry(5 * MINUTE), entry(2 * HOUR), entry(HOUR))

    assert skip(decide(rollback(), workload(acts=acts), NOW)).until == NOW + 25 * MINUTE


@pytest.mark.parametrize(
    ("remediation", "other"), [(rollback(), Effect.SCALE), (scale(), Effect.SET_PERCENTAGE)], ids=["rollback", "scale"]
)
def test_another_effect_costs_no_cooldown(remediation: Remediation, other: Effect) -> None:
    """Cooldowns are counted per effect: a scale-up never delays a rollback, nor the other way round."""
    assert reason(decide(remediation, workload(acts=(entry(SECOND, effect=other),)), NOW)) == "act"


def test_a_cooldown_is_of_the_effect_and_not_of_the_remediation() -> None:
    """An act of any remediation with this effect costs the cooldown: two alerts of one incident are one rollback."""
    assert entry(SECOND).remediation != rollback().name

    assert reason(decide(rollback(), workload(acts=(entry(SECOND),)), NOW)) == "CoolingDown"


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [(CLOCK_SKEW - SECOND, "CoolingDown"), (CLOCK_SKEW, "CoolingDown"), (CLOCK_SKEW + SECOND, "act")],
    ids=["one second short", "exactly", "one second over"],
)
def test_an_act_from_a_clock_ahead_counts_within_the_skew(ahead: timedelta, expected: str) -> None:
    """An act a little in the future was written by another node; one further ahead is not believed."""
    assert reason(decide(rollback(), workload(acts=(entry(-ahead),)), NOW)) == expected


def test_the_cooldown_of_the_file_counts_and_not_the_one_of_the_act() -> None:
    """Tuning the cooldown takes effect at once, for acts of the past too."""
    acted = workload(acts=(entry(10 * MINUTE),))

    assert reason(decide(rollback(cooldown=15 * MINUTE), acted, NOW)) == "CoolingDown"
    assert reason(decide(rollback(cooldown=5 * MINUTE), acted, NOW)) == "act"


# BudgetSpent.


@pytest.mark.parametrize(
    ("beyond", "expected"),
    [(-SECOND, "BudgetSpent"), (timedelta(0), "act"), (SECOND, "act")],
    ids=["one second short", "exactly", "one second over"],
)
def test_an_act_counts_until_it_leaves_the_window(beyond: timedelta, expected: str) -> None:
    """The budget allows another act from the moment on that the oldest one leaves the window."""
    acts = (entry(24 * HOUR + beyond), entry(5 * HOUR), entry(HOUR))

    assert reason(decide(rollback(acts=3), workload(acts=acts), NOW)) == expected


@pytest.mark.parametrize(("count", "expected"), [(2, "act"), (3, "BudgetSpent"), (4, "BudgetSpent")])
def test_budget_spent_from_its_last_act_on(count: int, expected: str) -> None:
    """A budget of three acts allows the third and withholds the fourth."""
    acts = tuple(entry(hours * HOUR) for hours in range(1, count + 1))

    assert reason(decide(rollback(acts=3), workload(acts=acts), NOW)) == expected


def test_budget_spent_says_until_when() -> None:
    """The message of BudgetSpent names the budget, and when it allows an act again, also after it was lowered."""
    acts = (entry(4 * HOUR), entry(3 * HOUR), entry(2 * HOUR), entry(HOUR))
    decision = skip(decide(rollback(acts=3), workload(acts=acts), NOW))

    assert decision.message == ("3 acts in 1d, which is the budget; a human must look. Another is allowed in 21h")
    assert decision.until == NOW + 21 * HOUR


def test_another_effect_costs_no_budget() -> None:
    """Budgets are counted per effect."""
    acts = tuple(entry(hours * HOUR, effect=Effect.SCALE) for hours in range(1, 7))

    assert reason(decide(rollback(acts=3), workload(acts=acts), NOW)) == "act"


def test_what_operators_did_costs_no_cooldown_and_no_budget() -> None:
    """Acts of people are remembered, and withhold nothing."""
    acts = tuple(entry(minutes * MINUTE, operator="ada") for minutes in range(1, 11))

    assert reason(decide(rollback(acts=3), workload(acts=acts), NOW)) == "act"


# Observing.


def test_observing_says_what_it_would_have_done() -> None:
    """In observe mode nothing is written, and the message says what would have been."""
    decision = skip(decide(rollback(mode="observe"), workload(percentage=10), NOW))

    assert decision.reason is Reason.OBSERVING
    assert decision.message == "would have set 10 % -> 0 %, but mode is observe"


# Ineffective.


def in_vain(*after: int, ago: timedelta = 29 * MINUTE, every: timedelta = 9 * MINUTE) -> tuple[Entry, ...]:
    """Acts that each added a worker, the first so long ago."""
    return tuple(
        entry(ago - index * every, effect=Effect.SCALE, before=replicas - 1, after=replicas)
        for index, replicas in enumerate(after)
    )


def given_up(found: Workload, since: timedelta | None = HOUR, give_up: int = 3) -> Act | Skip:
    """The decision on an alert that began so long ago."""
    return decide(scale(give_up=give_up), found, NOW, NOW, since=None if since is None else NOW - since)


def test_workers_that_did_not_help_are_not_added_again() -> None:
    """The third act for an alert is the last; what was done, for how long it fires, and who has to look is said."""
    two, three = workload(acts=in_vain(3, 4)), workload(acts=in_vain(2, 3, 4))

    assert reason(given_up(two)) == "act"
    decision = skip(given_up(three, 41 * MINUTE))
    assert decision.reason is Reason.INEFFECTIVE
    assert decision.message == (
        "3 acts (1 -> 4 replicas) have not ended the alert, which began 41m ago; more workers are not the cure; "
        "a human must look"
    )
    assert decision.until is None
    assert (decision.reason.kind, decision.reason.failed) == ("withheld", False)


@pytest.mark.parametrize(("give_up", "expected"), [(1, "Ineffective"), (3, "Ineffective"), (4, "act"), (20, "act")])
def test_how_many_acts_are_enough_is_configured(give_up: int, expected: str) -> None:
    """It gives up at its number, and not one act sooner."""
    assert reason(given_up(workload(acts=in_vain(2, 3, 4)), give_up=give_up)) == expected


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param(29 * MINUTE, "Ineffective", id="at the first act"),
        pytest.param(29 * MINUTE - SECOND, "act", id="after the first act"),
        pytest.param(timedelta(0), "act", id="now"),
        pytest.param(-HOUR, "act", id="in the future"),
        pytest.param(None, "act", id="not known"),
    ],
)
def test_acts_before_the_alert_began_do_not_count(since: timedelta | None, expected: str) -> None:
    """An alert that was resolved and fires again starts at 0; without its beginning the budget decides alone."""
    assert reason(given_up(workload(acts=in_vain(2, 3, 4)), since)) == expected


def by_hand(manager: str, time: datetime | None) -> Workload:
    """Four workers after three acts, as written last by a manager."""
    return replace(workload(acts=in_vain(2, 3, 4)), writers={"replicas": Write(manager=manager, time=time)})


ADA = replace(entry(15 * MINUTE, effect=Effect.SCALE, before=3, after=3), remediation="", operator="ada")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(by_hand("remediator", NOW), "Ineffective", id="by the service"),
        pytest.param(by_hand("kubectl", None), "act", id="through /scale"),
        pytest.param(by_hand("argocd-controller", NOW), "act", id="by a GitOps tool"),
        pytest.param(workload(replicas=8, acts=in_vain(2, 3, 4)), "act", id="after the last act"),
        pytest.param(workload(acts=in_vain(2, 7, 4)), "act", id="between two acts"),
        pytest.param(workload(acts=(*in_vain(2, 3, 4), ADA)), "act", id="with a record"),
        pytest.param(
            workload(acts=(*in_vain(2, 3, 4), replace(ADA, effect=Effect.KILL_SWITCH))), "act", id="by the kill switch"
        ),
        pytest.param(
            workload(acts=(*in_vain(2, 3, 4), replace(ADA, effect=Effect.PAUSE))), "Ineffective", id="only paused"
        ),
    ],
)
def test_who_sets_the_replicas_starts_the_count_at_0(found: Workload, expected: str) -> None:
    """A person's or another program's write of the replicas, however it shows, and nothing else."""
    assert reason(given_up(found)) == expected


@given(
    changes=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 22), st.integers(0, 22)), max_size=9),
    replicas=st.integers(0, 22),
    since=st.none() | st.integers(-10, 400),
    give_up=st.integers(1, 20),
    writer=st.sampled_from([None, "remediator", "kubectl"]),
)
def test_giving_up_never_adds_an_act(
    changes: list[tuple[int, int, int]], replicas: int, since: int | None, give_up: int, writer: str | None
) -> None:
    """Whatever the record says, it withholds what would be done without it, and changes nothing of an act."""
    acts = tuple(entry(ago * MINUTE, effect=Effect.SCALE, before=old, after=new) for ago, old, new in changes)
    writers = {"replicas": Write(manager=writer, time=NOW)} if writer else {}
    found = replace(workload(replicas=replicas, acts=acts), writers=writers)

    decision = given_up(found, None if since is None else since * MINUTE, give_up)

    without = decide(scale(), found, NOW, NOW)
    assert decision == without or (reason(decision) == "Ineffective" and reason(without) in ("act", "BudgetSpent"))


# Recovered, Unconfirmed.

CONFIRMED = Confirmation(answer="confirmed", message="error rate 8.3 % > 5 % since 03:10:05Z", age=4 * SECOND)


@pytest.mark.parametrize(
    ("given", "rolls_back", "scales"),
    [
        pytest.param(None, "act", "act", id="not-asked"),
        pytest.param(CONFIRMED, "act", "act", id="confirmed"),
        pytest.param(
            Confirmation(answer="unknown", message="no connection"), "act", "Unconfirmed", id="without-an-answer"
        ),
        pytest.param(Confirmation(answer="refuted", message="inactive"), "Recovered", "Recovered", id="refuted"),
    ],
)
def test_only_a_refutation_keeps_a_rollback(given: Confirmation | None, rolls_back: str, scales: str) -> None:
    """Adding workers needs Prometheus's word where it is asked; a rollback goes on without one."""
    assert reason(decide(rollback(), workload(), NOW, None, given)) == rolls_back
    assert reason(decide(scale(), workload(), NOW, None, given)) == scales


def test_observing_says_what_prometheus_said() -> None:
    """In observe mode the message has the number behind the act that it would have been."""
    decision = skip(decide(rollback(mode="observe"), workload(percentage=10), NOW, None, CONFIRMED))

    words = "error rate 8.3 % > 5 % since 03:10:05Z, confirmed 4 s ago"
    assert decision.message == f"would have set 10 % -> 0 % ({words}), but mode is observe"


def test_what_is_only_observed_waits_for_no_confirmation() -> None:
    """In observe mode nothing fails for want of Prometheus, and the message says that an act would wait for it."""
    given = Confirmation(answer="unknown", message="no connection")
    rolls_back = skip(decide(rollback(mode="observe"), workload(percentage=10), NOW, None, given))
    scales = skip(decide(scale(mode="observe"), workload(replicas=4), NOW, None, given))

    assert rolls_back.message == "would have set 10 % -> 0 % (unconfirmed: no connection), but mode is observe"
    words = "once Prometheus confirms the alert (unconfirmed: no connection)"
    assert (reason(scales), scales.message) == (
        "Observing",
        f"would have set 4 -> 6 replicas {words}, but mode is observe",
    )


# The order of the ladder.


@dataclass(frozen=True, kw_only=True)
class Rung:
    """What makes a rung match: a remediation's arguments and a workload's."""

    remediation: Mapping[str, Any] = field(default_factory=dict)
    workload: Mapping[str, Any] = field(default_factory=dict)
    confirmation: Confirmation | None = None

    def decide(self, make: Callable[..., Remediation]) -> Act | Skip:
        """What an alert leads to here."""
        found = workload(**self.workload)
        return decide(make(**self.remediation), found, NOW, None, self.confirmation, since=NOW - HOUR)


REFUTED = Confirmation(answer="refuted", message="DenisErrorRateHigh is inactive")
UNKNOWN = Confirmation(answer="unknown", message="Prometheus gave no answer in 3 s")

SCALE_LADDER = {
    "TargetInvalid": Rung(workload={"problems": ("the annotation cannot be read",)}),
    "Paused": Rung(workload={"pause": pause(HOUR)}),
    "KillSwitchOn": Rung(workload={"kill_switch": LATCHED}),
    "AtLimit": Rung(workload={"replicas": 20}),
    "AutoscalerOwned": Rung(workload={"autoscaler": "keda-operator"}),
    "CoolingDown": Rung(workload={"acts": (entry(SECOND, effect=Effect.SCALE),)}),
    "Ineffective": Rung(workload={"acts": in_vain(2, 3, 4)}),
    "BudgetSpent": Rung(
        workload={"acts": tuple(entry(halves * HOUR / 2, effect=Effect.SCALE) for halves in range(1, 7))}
    ),
    "Recovered": Rung(confirmation=REFUTED),
    "Observing": Rung(remediation={"mode": "observe"}),
    "Unconfirmed": Rung(confirmation=UNKNOWN),
}
ROLLBACK_LADDER = {
    "TargetInvalid": Rung(workload={"flags": {"RUNS_ENABLED": None}}),
    "Paused": Rung(workload={"pause": pause(HOUR)}),
    "AlreadySafe": Rung(workload={"percentage": 0}),
    "CoolingDown": Rung(workload={"acts": (entry(SECOND),)}),
    "BudgetSpent": Rung(workload={"acts": tuple(entry(hours * HOUR) for hours in range(1, 4))}),
    "Recovered": Rung(confirmation=REFUTED),
    "Observing": Rung(remediation={"mode": "observe"}),
}


def both(first: Rung, second: Rung) -> Rung:
    """A rung that matches where both do."""
    merged = {**first.workload, **second.workload}
    if "acts" in merged:
        merged["acts"] = (*first.workload.get("acts", ()), *second.workload.get("acts", ()))
    return Rung(
        remediation={**first.remediation, **second.remediation},
        workload=merged,
        confirmation=first.confirmation or second.confirmation,
    )


def pairs(ladder: Mapping[str, Rung]) -> list[tuple[str, str]]:
    """Every two rungs of the ladder that can match together, the earlier one first."""
    one_answer = ("Recovered", "Unconfirmed")
    return [pair for pair in itertools.combinations(ladder, 2) if pair != one_answer]


@pytest.mark.parametrize("name", SCALE_LADDER)
def test_each_rung_of_a_scale_up_matches_alone(name: str) -> None:
    """Each rung of the ladder withholds a scale-up for its own reason."""
    assert reason(SCALE_LADDER[name].decide(scale)) == name


@pytest.mark.parametrize("name", ROLLBACK_LADDER)
def test_each_rung_of_a_rollback_matches_alone(name: str) -> None:
    """Each rung of the ladder withholds a rollback for its own reason."""
    assert reason(ROLLBACK_LADDER[name].decide(rollback)) == name


@pytest.mark.parametrize(("first", "second"), pairs(SCALE_LADDER))
def test_the_earlier_rung_of_a_scale_up_wins(first: str, second: str) -> None:
    """Of two rungs that both withhold a scale-up, the earlier one is the reason."""
    rung = both(SCALE_LADDER[first], SCALE_LADDER[second])

    assert reason(rung.decide(scale)) == first


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pair
        for pair in pairs(ROLLBACK_LADDER)
        # The one documented exception, which has tests of its own.
        if pair != ("AlreadySafe", "CoolingDown")
    ],
)
def test_the_earlier_rung_of_a_rollback_wins(first: str, second: str) -> None:
    """Of two rungs that both withhold a rollback, the earlier one is the reason."""
    rung = both(ROLLBACK_LADDER[first], ROLLBACK_LADDER[second])

    assert reason(rung.decide(rollback)) == first


@pytest.mark.parametrize(
    ("remediation", "tried"), [(scale(), SCALE_LADDER), (rollback(), ROLLBACK_LADDER)], ids=["scale", "rollback"]
)
def test_every_rung_that_applies_is_tried_here(remediation: Remediation, tried: Mapping[str, Rung]) -> None:
    """The tables above have each rung that can withhold this act, in the order in which the rungs are tried."""
    rungs = [str(rung.reason) for rung in ON_TARGET if rung.applies_to(remediation)]

    assert rungs == ["TargetNotFound", *tried]
    assert rungs == [word for word in Reason if word in rungs]


# What becomes of a reason.

FAILED = ("TargetNotFound", "TargetInvalid", "Unconfirmed")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        *((word, "ignored") for word in ("MalformedAlert", "NotFiring", "NoRemediation", "ForeignCluster")),
        *((word, "failed") for word in FAILED),
        *((word, "withheld") for word in dict.fromkeys([*SCALE_LADDER, *ROLLBACK_LADDER]) if word not in FAILED),
        *((word, "acted") for word in ("Applied", "DryRun")),
        *((word, "failed") for word in ("Conflict", "Forbidden", "Rejected", "Unavailable", "InternalError")),
    ],
    ids=str,
)
def test_only_what_should_have_been_done_is_delivered_again(word: str, kind: str) -> None:
    """Alertmanager delivers again after a failure, and not what was done, withheld or none of our business."""
    assert Reason(word).kind == kind
    assert Reason(word).failed is (kind == "failed")


def test_an_outcome_names_what_it_was_about() -> None:
    """An outcome knows the names that go into answers and metrics, and they are empty without a remediation."""
    known = Outcome(alerts=(alert(),), reason=Reason.APPLIED, message="", remediation=scale())
    unknown = Outcome(alerts=(alert(),), reason=Reason.NO_REMEDIATION, message="")

    assert (known.remediation_name, known.target_name, known.effect) == ("scale-workers", "denis-workers", "Scale")
    assert (unknown.remediation_name, unknown.target_name, unknown.effect) == ("", "", "")
