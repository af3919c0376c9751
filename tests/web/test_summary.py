"""The four answers for a person who was just woken."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from remediator.core.forecast import forecast
from remediator.core.policy import Policy, Remediation
from remediator.core.rollout import Rollout
from remediator.core.workload import Workload
from remediator.kube.errors import Unavailable
from remediator.reflex.heartbeat import Heartbeat
from remediator.reflex.observer import Observation
from remediator.web.certificates import Loaded
from remediator.web.notifications import Refusal
from remediator.web.summary import STALE, Answer, Forecasts, about_alerts, about_canary, about_reflex, about_withheld
from tests.support.builders import DENIS, MINUTE, NOW, PROFILES, SECOND, entry, pause, policy, rollback, scale, workload

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
    answer = about_canary(DENIS, observed(seen), forecasts(seen, *remediations, dry_run=dry_run), PROFILES[0])
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
    assert "RUNS_ENABLED" in about_canary(DENIS, observed(on), forecasts(on, rollback()), PROFILES[0]).message
    absent = tuple(pair for pair in OFF.env if pair[0] != "RUNS_ENABLED")
    assert canary(replace(OFF, env=absent), rollback()) == ("good", "Safe at 0 %")


@pytest.mark.parametrize(
    ("rollout", "words"),
    [
        (Rollout(seen=True, paused=True, total=4, available=4), "is paused"),
        (Rollout(seen=True, failure="exceeded quota", total=4), "exceeded quota"),
        (
            Rollout(seen=True, updated=1, total=4, deadline_exceeded=True),
            "1 of 4 pods follow: they are not available in time",
        ),
    ],
)
def test_a_canary_whose_pods_are_stuck_is_not_safe(rollout: Rollout, words: str) -> None:
    """What keeps the pods from following is said."""
    answer = about_canary(DENIS, observed(replace(OFF, rollout=rollout)), [], PROFILES[0])
    assert (answer.standing, answer.answer) == ("bad", "Not yet at 0 %")
    assert words in answer.message


@pytest.mark.parametrize(
    ("rollout", "answer"),
    [
        (replace(ROLLED_OUT, terminating=0, settled=NOW), "Safe at 0 %"),
        (replace(ROLLED_OUT, terminating=2), "Going to 0 %"),
        (replace(ROLLED_OUT, settled=NOW - 20 * SECOND), "Going to 0 %"),
        (replace(ROLLED_OUT, settled=NOW - 31 * SECOND), "Safe at 0 %"),
        (replace(ROLLED_OUT, settled=NOW - 31 * SECOND, grace=5 * MINUTE), "Going to 0 %"),
        (replace(ROLLED_OUT, available=1), "Safe at 0 %"),
        (replace(ROLLED_OUT, paused=True), "Safe at 0 %"),
        (replace(ROLLED_OUT, seen=False), "Going to 0 %"),
        (replace(ROLLED_OUT, total=5), "Going to 0 %"),
        (replace(ROLLED_OUT, updated=2, total=2, available=2), "Going to 0 %"),
    ],
    ids=[
        "none-left",
        "two-being-deleted",
        "not-counted-and-in-their-grace-period",
        "not-counted-and-past-it",
        "a-long-grace-period",
        "new-ones-not-available",
        "paused-afterwards",
        "not-seen",
        "one-old",
        "too-few-new",
    ],
)
def test_safe_is_where_no_old_pod_can_serve(rollout: Rollout, answer: str) -> None:
    """What is served counts: old pods that are there or being deleted, and not whether new ones are available."""
    assert canary(replace(OFF, rollout=rollout), rollback())[1] == answer


STUCK = [
    replace(ROLLED_OUT, paused=True),
    replace(ROLLED_OUT, failure="exceeded quota"),
    replace(ROLLED_OUT, updated=1, deadline_exceeded=True),
]


@pytest.mark.parametrize("rollout", STUCK, ids=["paused", "quota", "deadline"])
def test_a_canary_whose_pods_would_not_follow_is_not_guarded(rollout: Rollout) -> None:
    """An act that is written and reaches no pod guards nothing; a stuck one says why."""
    stuck = replace(workload(), rollout=rollout)
    assert canary(stuck, rollback()) == ("bad", "10 %, not guarded")
    message = about_canary(DENIS, observed(stuck), forecasts(stuck, rollback()), PROFILES[0]).message
    assert "is paused" in message if rollout.paused else rollout.stuck in message
    assert canary(stuck, rollback(mode="observe")) == ("attention", "10 %, not guarded")


@pytest.mark.parametrize("rollout", STUCK, ids=["paused", "quota", "deadline"])
def test_workers_are_scaled_whatever_holds_a_rollout(rollout: Rollout) -> None:
    """Replicas reach the pods of a paused Deployment too, so nothing else is said of a scaling."""
    (_, told), *_ = forecasts(replace(workload(), rollout=rollout), scale())
    assert (told.reason, told.unreached) == ("Applied", "")


def test_a_rollback_that_is_stuck_is_withheld_no_longer_nothing() -> None:
    """In the cooldown after a rollback there is nothing left to do, but not where the pods are stuck on the way."""
    cooling = workload(percentage=0, acts=(entry(MINUTE),))
    paused = replace(cooling, rollout=Rollout(seen=True, paused=True, total=4, available=4))
    assert about_withheld(forecasts(paused, rollback())).standing == "attention"
    rolling = replace(cooling, rollout=Rollout(seen=True, updated=1, total=4, available=4))
    assert about_withheld(forecasts(rolling, rollback())).answer == "Nothing"


@pytest.mark.parametrize(
    ("percentage", "rollout", "blocked"),
    [
        (10, ROLLED_OUT, False),
        (10, replace(ROLLED_OUT, updated=1), False),
        (10, replace(ROLLED_OUT, paused=True), True),
        (10, replace(ROLLED_OUT, failure="exceeded quota"), True),
        (10, replace(ROLLED_OUT, seen=False), True),
        (0, ROLLED_OUT, False),
        (0, replace(ROLLED_OUT, paused=True), False),
        (0, replace(ROLLED_OUT, updated=1), True),
        (0, replace(ROLLED_OUT, terminating=1), True),
        (0, replace(ROLLED_OUT, seen=False), True),
    ],
)
def test_the_gauge_is_1_while_pods_may_serve_that_a_rollback_does_not_reach(
    percentage: int, rollout: Rollout, blocked: bool
) -> None:
    """Over 0 % where a rollback would reach no pod, at 0 % until it has reached them all."""
    assert replace(workload(percentage=percentage), rollout=rollout).rollback_blocked is blocked


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
        answer = about_canary(DENIS, look, [], PROFILES[0])
        assert (answer.standing, answer.answer) == ("bad", "Unknown")


def test_the_end_of_a_pause_is_told_in_utc_and_without_a_duration() -> None:
    """A duration would change with each second, and a screen reader would read it aloud each time."""
    answer = about_canary(
        DENIS, observed(workload()), forecasts(workload(pause=pause(20 * MINUTE)), rollback()), PROFILES[0]
    )
    assert "rollback: Paused until 2026-11-23 12:20 UTC" in answer.message


LOOKS: Mapping[str, Observation] = {"denis": observed(workload()), "denis-workers": observed(workload())}


def reflex(
    looks: Mapping[str, Observation] = LOOKS,
    *,
    of: Policy | None = None,
    alive: bool = True,
    dry_run: bool = False,
    config_problem: str = "",
    credentials_problem: str = "",
    tls: Loaded | None = None,
    refusals: Sequence[Refusal] = (),
) -> Answer:
    """The answer about the reflex."""
    return about_reflex(
        of or policy(),
        looks,
        NOW,
        alive=alive,
        dry_run=dry_run,
        config_problem=config_problem,
        credentials_problem=credentials_problem,
        tls=tls,
        refusals=refusals,
    )


def loaded(good_for: timedelta, client_ca: timedelta | None = None, problem: str = "") -> Loaded:
    """Certificates in use that expire then."""
    return Loaded(
        context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        stamp=None,
        not_after=NOW + good_for,
        client_ca_not_after=NOW + client_ca if client_ca else None,
        problem=problem,
    )


def refused(code: int | None, reason: str) -> Refusal:
    """Requests that were refused for a reason."""
    return Refusal(code=code, reason=reason, count=3, last=NOW, clients=("10.0.3.4",))


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
        (reflex(credentials_problem="token: is empty"), "attention", "Working"),
        (reflex(tls=loaded(MINUTE)), "good", "Working"),
        (reflex(tls=loaded(timedelta(0))), "bad", "Certificate expired"),
        (reflex(tls=loaded(MINUTE, -MINUTE)), "bad", "Certificate expired"),
        (reflex(tls=loaded(MINUTE, problem="no start line")), "attention", "Working"),
        (reflex(refusals=[refused(401, "no valid credentials")]), "attention", "Refusing requests"),
        (reflex(refusals=[refused(None, "TLS handshake failed")]), "attention", "Refusing requests"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_worst_of_what_is_wrong_is_the_answer(answer: Answer, standing: str, word: str) -> None:
    """One word for what a person has to look after first."""
    assert (answer.standing, answer.answer) == (standing, word)


def test_no_problem_hides_behind_a_worse_one() -> None:
    """A missing target, refused requests, a bad file and bad credentials are all in the message."""
    answer = reflex(
        {**LOOKS, "denis": observed(workload(), "no container denis")},
        config_problem="remediations.yaml:3: no",
        credentials_problem="token: is empty",
        tls=loaded(-MINUTE, -MINUTE, "no start line"),
        refusals=[refused(401, "no valid credentials"), refused(None, "TLS handshake failed")],
    )
    assert (answer.standing, answer.answer) == ("bad", "Impaired")
    for part in ("no container denis", "remediations.yaml is invalid", "token: is empty", "401 no valid credentials"):
        assert part in answer.message
    for part in ("expired: the webhook's certificate, the last client CA", "no start line"):
        assert part in answer.message
    assert ", TLS handshake failed" in answer.message


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


@pytest.mark.parametrize(
    ("ago", "delay", "expected"),
    [
        (0 * SECOND, 22 * SECOND, ("good", "They arrive")),
        (10 * MINUTE, 150 * SECOND, ("good", "They arrive")),
        (10 * MINUTE, None, ("good", "They arrive")),
        (0 * SECOND, 151 * SECOND, ("attention", "Late")),
        (601 * SECOND, 22 * SECOND, ("attention", "No longer")),
        (601 * SECOND, 999 * SECOND, ("attention", "No longer")),
    ],
)
def test_alerts_arrive_while_heartbeats_come_in_time(
    ago: timedelta, delay: timedelta | None, expected: tuple[str, str]
) -> None:
    """Ten minutes without one, or 150 seconds on the way, are the bounds, as in the alerts."""
    answer = about_alerts(Heartbeat(at=NOW - ago, delay=delay), NOW)
    assert (answer.standing, answer.answer) == expected


def test_without_a_heartbeat_nothing_is_claimed_about_alerts() -> None:
    """Not known is neither green nor red: another replica may get them."""
    answer = about_alerts(None, NOW)
    assert (answer.standing, answer.answer) == ("attention", "Not known")
