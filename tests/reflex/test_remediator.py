"""The loop against a real HTTP API: exactly one act, whatever the API server and the others do."""

import contextlib
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from remediator.core.actions.set_percentage import SetPercentage
from remediator.core.alerts import parse_notification
from remediator.core.ladder import Act
from remediator.core.ledger import LEDGER, PAUSE
from remediator.core.policy import Budget, Target
from remediator.core.workload import Workload
from remediator.sandbox import EmbeddedCluster
from tests.conftest import MakeService
from tests.support.faults import Answer, BlackHole, Fault, FaultyApi, First, HangUp, LoseAnswer
from tests.support.kubectl import patch_deployment
from tests.support.service import Clock, Service, alert, body, notification, shipped_policy

LONG = "x" * 100_000

SENSELESS = {"metadata": {"resourceVersion": "1"}, "spec": {"template": {"spec": {"containers": "none"}}}}
"""JSON in which a list is a word."""


def env(cluster: EmbeddedCluster) -> dict[str, str]:
    """The canary's environment."""
    (container,) = cluster.deployment()["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


def acts(cluster: EmbeddedCluster, name: str = "denis") -> list[dict[str, Any]]:
    """The ledger on a Deployment."""
    annotations = cluster.deployment(name)["metadata"].get("annotations", {})
    recorded: list[dict[str, Any]] = json.loads(annotations.get(LEDGER, '{"acts": []}'))["acts"]
    return recorded


def writes(cluster: EmbeddedCluster) -> int:
    """How many patches the API server has accepted."""
    return sum(served.verb == "patch" and served.code == 200 for served in cluster.requests)


def test_an_act_costs_one_read_and_one_write(service: Service, embedded: EmbeddedCluster) -> None:
    """A rollback writes all four flags and its record in one patch, and leaves other variables alone."""
    assert service.reasons(alert()) == ["Applied"]

    assert (service.requests("get"), service.requests("patch")) == (1, 1)
    assert env(embedded) == {
        "DENIS_MATERIALIZERS_ENABLED": "false",
        "DENIS_MATERIALIZERS_PCT": "0",
        "ASYNC_ENABLED": "false",
        "RUNS_ENABLED": "false",
        "DENIS_SECONDARY_ENGINES": "true",
        "LOG_LEVEL": "info",
    }
    (act,) = acts(embedded)
    assert (act["remediation"], act["from"], act["to"]) == ("rollback", 10, 0)


def test_a_repeat_costs_one_read_and_no_write(service: Service, clock: Clock) -> None:
    """A repeat within the cooldown is answered from what was read, and says how long is left."""
    service.reasons(alert())
    clock.move(minutes=10)
    (outcome,) = service.handle(notification(alert()))

    assert (outcome.reason, service.requests("get"), service.requests("patch")) == ("CoolingDown", 2, 1)
    assert "another 20m" in outcome.message


def test_two_alerts_of_one_incident_are_one_act(service: Service, embedded: EmbeddedCluster) -> None:
    """Alerts that the same remediation answers share one decision and one write."""
    first, second = alert(), alert(alertname="DenisMaterializerSuccessRateLow")

    assert service.reasons(first, second) == ["Applied", "Applied"]
    assert (len(acts(embedded)), writes(embedded)) == (1, 1)


def test_two_remediations_in_one_notification_are_both_done(service: Service, embedded: EmbeddedCluster) -> None:
    """A notification that mixes alerts gets an outcome for each, in the order received."""
    reasons = service.reasons(alert("scale"), alert("nothing"), alert(), alert(status="resolved"))

    assert reasons == ["Applied", "NoRemediation", "Applied", "NotFiring"]
    assert embedded.deployment("denis-workers")["spec"]["replicas"] == 6


def test_what_caused_an_act_can_be_read_afterwards(
    service: Service, embedded: EmbeddedCluster, events: Callable[[], list[dict[str, Any]]]
) -> None:
    """The alerts' names, values and beginnings are in the ledger, in the audit line and in the Event."""
    service.reasons(alert(), alert(alertname="DenisMaterializerSuccessRateLow", pod="denis-1"))
    (act,) = acts(embedded)
    (line,) = service.audit_lines()
    service.recorder.close(5)
    (event,) = events()

    assert act["reason"] == "DenisErrorRateHigh 0.061, DenisMaterializerSuccessRateLow 0.061"
    assert act["startsAt"] == "2026-11-23T11:59:00Z"
    assert [(told["alertname"], told["value"], told["startsAt"]) for told in line["alerts"]] == [
        ("DenisErrorRateHigh", "0.061", "2026-11-23T11:59:00.123456Z"),
        ("DenisMaterializerSuccessRateLow", "0.061", "2026-11-23T11:59:00.123456Z"),
    ]
    assert f"(alerts: {act['reason']} since 2026-11-23T11:59:00Z)" in event["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"alertname": "\x1b]0;\x07\u202e" * 5000, "remediation": "rollback"}},
        {"labels": {"alertname": '"}{"id":"x"' * 500, "remediation": "rollback"}},
        {"annotations": {"value": "9" * 100_000}},
        {"annotations": None, "startsAt": "yesterday"},
    ],
    ids=["control characters", "JSON", "long value", "nothing known"],
)
def test_hostile_names_and_values_stay_short_on_the_target(
    service: Service, embedded: EmbeddedCluster, fields: dict[str, Any]
) -> None:
    """Whatever an alert is called, the act is done, and its record is short, printable and readable."""
    assert service.reasons({**alert(), **fields}) == ["Applied"]
    (act,) = acts(embedded)

    assert len(act["reason"]) <= 100
    assert act["reason"].isprintable()
    assert service.reasons(alert()) == ["CoolingDown"]


def test_a_typo_in_a_label_can_be_found_in_the_log(service: Service) -> None:
    """The audit line of an alert that nothing answers says what its label is."""
    service.reasons(alert("rolback"))
    (line,) = service.audit_lines()

    assert (line["reason"], "remediation is 'rolback'" in line["message"]) == ("NoRemediation", True)


def test_many_different_labels_make_few_audit_lines(service: Service) -> None:
    """Each alert gets its reason, and of a storm of labels that nothing answers only the first are told apart."""
    reasons = service.reasons(*(alert(f"typo-{number}") for number in range(1000)), alert())

    assert reasons == ["NoRemediation"] * 1000 + ["Applied"]
    assert len(service.audit_lines()) < 30
    assert service.value("remediator_outcomes_total", remediation="", reason="NoRemediation") == 1000


def test_a_status_that_is_not_known_is_counted_and_costs_no_sibling(service: Service) -> None:
    """An alert with a status of another program is malformed, alone or beside one that acts."""
    assert service.reasons(alert(status="alerting")) == ["MalformedAlert"]
    assert service.reasons(alert(status="alerting"), alert()) == ["MalformedAlert", "Applied"]
    assert service.value("remediator_outcomes_total", remediation="", reason="MalformedAlert") == 2


def test_the_rollback_goes_first(service: Service, api: FaultyApi, embedded: EmbeddedCluster) -> None:
    """When the API server fails after one write, that write was the rollback, wherever its alert stood."""
    api.next("PATCH", First(do=lambda: api.always("PATCH", Answer(status=503))))

    assert service.reasons(alert("scale"), alert()) == ["Unavailable", "Applied"]


def test_a_change_by_others_is_decided_anew(service: Service, api: FaultyApi, embedded: EmbeddedCluster) -> None:
    """When someone changes the Deployment between the read and the write, the loop reads and decides again."""
    api.next("PATCH", First(do=lambda: patch_deployment(embedded, {"metadata": {"labels": {"who": "someone"}}})))

    assert service.reasons(alert()) == ["Applied"]
    assert service.requests("get") == 2
    assert embedded.deployment()["metadata"]["labels"]["who"] == "someone"
    assert len(acts(embedded)) == 1


def test_a_replica_that_was_faster_is_respected(
    make_service: MakeService, api: FaultyApi, embedded: EmbeddedCluster
) -> None:
    """When another replica acts between the read and the write, this one finds the cooldown running."""
    slow, fast = make_service(), make_service()
    api.next("PATCH", First(do=lambda: fast.reasons(alert())))

    assert slow.reasons(alert()) == ["CoolingDown"]
    assert writes(embedded) == 1


def test_a_pause_that_comes_in_between_is_obeyed(service: Service, api: FaultyApi, embedded: EmbeddedCluster) -> None:
    """A pause set between the read and the write withholds the act."""
    pause = json.dumps({"reason": "maintenance", "author": "ada", "until": "2026-11-23T13:00:00Z"})
    api.next("PATCH", First(do=lambda: patch_deployment(embedded, {"metadata": {"annotations": {PAUSE: pause}}})))

    (outcome,) = service.handle(notification(alert()))
    assert outcome.reason == "Paused"
    assert "ada" in outcome.message
    assert "maintenance" in outcome.message


def test_someone_who_never_stops_writing_ends_in_conflict(service: Service, api: FaultyApi) -> None:
    """A race that is lost five times is given back to Alertmanager."""
    api.always("PATCH", Answer(status=409, message="the object has been modified"))

    assert service.reasons(alert()) == ["Conflict"]
    assert service.requests("patch") == 5


@pytest.mark.parametrize("fault", [LoseAnswer(), Answer(status=504), HangUp()], ids=["lost", "504", "hung-up"])
def test_a_write_without_an_answer_is_read_back(
    service: Service, api: FaultyApi, embedded: EmbeddedCluster, fault: Fault
) -> None:
    """Whether a write holds is read from the ledger; it is never sent again, and the redelivery settles the rest."""
    api.next("PATCH", fault)

    first = service.reasons(alert())
    assert first == (["Applied"] if isinstance(fault, LoseAnswer) else ["Unavailable"])
    assert service.requests("patch") == 1
    assert service.reasons(alert()) == (["CoolingDown"] if isinstance(fault, LoseAnswer) else ["Applied"])
    assert len(acts(embedded)) == 1


def test_a_write_that_may_hold_is_said_to(service: Service, api: FaultyApi, embedded: EmbeddedCluster) -> None:
    """Where neither the answer nor a look comes back, the outcome has the action's id, and the redelivery finds it."""
    api.next("PATCH", LoseAnswer())
    api.next("GET", First(do=lambda: None), Answer(status=503))
    (outcome,) = service.handle(notification(alert()))

    assert outcome.reason == "Unavailable"
    assert "was sent but is unconfirmed" in outcome.message
    assert [act["id"] for act in acts(embedded)] == [outcome.action_id]
    assert service.reasons(alert()) == ["CoolingDown"]


def test_an_unanswered_last_try_is_read_back(service: Service, api: FaultyApi, embedded: EmbeddedCluster) -> None:
    """A write that is applied at the fifth try, and whose answer is lost, is known to be applied."""
    conflict = Answer(status=409, message="the object has been modified")
    api.next("PATCH", conflict, conflict, conflict, conflict, LoseAnswer())

    assert service.reasons(alert()) == ["Applied"]
    assert len(acts(embedded)) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "Rejected"),
        (401, "Forbidden"),
        (403, "Forbidden"),
        (422, "Rejected"),
        (429, "Unavailable"),
        (500, "Unavailable"),
        (503, "Unavailable"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_api_server_that_refuses_is_said_and_tried_again(
    service: Service, api: FaultyApi, embedded: EmbeddedCluster, method: str, status: int, reason: str
) -> None:
    """Every refusal has its reason, carries the API server's words, and is made good by the redelivery."""
    api.always(method, Answer(status=status, message="the words of the API server"))
    (outcome,) = service.handle(notification(alert()))
    api.always(method, None)

    assert outcome.reason == reason
    assert outcome.reason.failed
    if (method, status) != ("PATCH", 500):
        assert "the words of the API server" in outcome.message
    assert service.reasons(alert()) == ["Applied"]
    assert writes(embedded) == 1


def test_a_black_hole_is_given_up_in_time(service: Service, api: FaultyApi) -> None:
    """An API server that takes requests and never answers costs one timeout, and the reason says so."""
    api.always("GET", BlackHole())
    (outcome,) = service.handle(notification(alert()))

    assert outcome.reason == "Unavailable"
    assert "did not answer in time" in outcome.message


def test_an_api_server_that_is_down_is_said(service: Service, api: FaultyApi, embedded: EmbeddedCluster) -> None:
    """While nothing listens, the outcome is Unavailable; once something does, the redelivery acts."""
    api.always("GET", HangUp())
    assert service.reasons(alert()) == ["Unavailable"]
    api.always("GET", None)
    assert service.reasons(alert()) == ["Applied"]


def test_a_missing_deployment_is_said(service: Service, api: FaultyApi) -> None:
    """A Deployment that is gone is TargetNotFound with its name, and its siblings are still handled."""
    api.next("GET", Answer(status=404))
    first, second = service.handle(notification(alert(), alert("scale")))

    assert (first.reason, second.reason) == ("TargetNotFound", "Applied")
    assert "denis in namespace denis" in first.message


def test_a_deployment_deleted_before_the_write_is_said(service: Service, api: FaultyApi) -> None:
    """A Deployment that goes between the read and the write is read again and found missing."""
    api.next("PATCH", Answer(status=404))
    api.next("GET", First(do=lambda: None), Answer(status=404))

    assert service.reasons(alert()) == ["TargetNotFound"]


def test_an_answer_that_makes_no_sense_costs_one_decision(
    service: Service, api: FaultyApi, caplog: pytest.LogCaptureFixture
) -> None:
    """It is Unavailable, which Alertmanager delivers again; the next remediation is still done."""
    api.next("GET", Answer(status=200, body=json.dumps(SENSELESS).encode()))

    assert service.reasons(alert(), alert("scale")) == ["Unavailable", "Applied"]
    assert "Traceback" not in caplog.text
    assert service.reasons(alert()) == ["Applied"]


def test_an_answer_that_makes_no_sense_does_not_end_the_observer(service: Service, api: FaultyApi) -> None:
    """The target is shown as not readable, until the API server makes sense again."""
    api.next("GET", Answer(status=200, body=json.dumps(SENSELESS).encode()))
    service.observer.look()
    assert "not a Deployment" in service.observer.observations["denis"].problem
    service.observer.look()
    assert service.observer.observations["denis"].problem == ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty(SetPercentage):
    """An action with a fault in it."""

    def plan(self, workload: Workload, target: Target) -> Act:
        """Fails."""
        raise RuntimeError("nobody thought of it")


def test_a_fault_of_our_own_costs_one_decision(make_service: MakeService, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody thought of is an InternalError with a traceback, and the next remediation is still done."""
    shipped = shipped_policy()
    faulty = [
        replace(one, action=Faulty(percentage=one.action.percentage, profile=one.action.profile))
        if isinstance(one.action, SetPercentage)
        else one
        for one in shipped.remediations
    ]
    service = make_service(policy=replace(shipped, remediations=tuple(faulty)))

    assert service.reasons(alert(), alert("scale")) == ["InternalError", "Applied"]
    assert "Traceback" in caplog.text


def test_an_answer_that_is_not_json_is_unavailable(service: Service, api: FaultyApi) -> None:
    """A proxy's HTML page with status 200 is not taken for a Deployment."""
    api.next("GET", Answer(status=200, body=b"<html>hello</html>"))
    assert service.reasons(alert()) == ["Unavailable"]


def test_what_is_only_written_down_comes_after_the_acts(service: Service) -> None:
    """The audit line of a resolved alert waits for the rollback in the same notification."""
    service.reasons(alert(status="resolved"), alert())
    assert [line["reason"] for line in service.audit_lines()] == ["Applied", "NotFiring"]


@pytest.mark.parametrize("looked", [False, True], ids=["without a read", "with the last read in hand"])
def test_a_storm_is_one_act_and_few_reads(make_service: MakeService, embedded: EmbeddedCluster, looked: bool) -> None:
    """240 concurrent notifications at three replicas: one act, all others cool down, and hardly one reads."""
    embedded.await_settled()
    replicas = [make_service() for _ in range(3)]
    for replica in replicas if looked else ():
        replica.observer.look()
    barrier = threading.Barrier(240)

    def deliver(number: int) -> str:
        barrier.wait()
        return replicas[number % 3].reasons(alert())[0]

    with ThreadPoolExecutor(240) as pool:
        reasons = list(pool.map(deliver, range(240)))

    assert sorted(set(reasons)) == ["Applied", "CoolingDown"]
    assert reasons.count("Applied") == 1
    assert (len(acts(embedded)), writes(embedded)) == (1, 1)
    assert sum(replica.requests("patch") for replica in replicas) <= 12
    assert sum(replica.requests("get") for replica in replicas) < 60


def test_a_restart_does_not_end_the_cooldown(make_service: MakeService, clock: Clock) -> None:
    """A replica that was started a moment ago finds the cooldown on the target."""
    make_service().reasons(alert())
    clock.move(minutes=29)
    assert make_service().reasons(alert()) == ["CoolingDown"]


def test_a_rewound_ledger_is_remembered(service: Service, embedded: EmbeddedCluster, clock: Clock) -> None:
    """Annotations rewound by `kubectl rollout undo` do not end the cooldown, and the next act restores them."""
    service.reasons(alert())
    flags = [
        {"name": "DENIS_MATERIALIZERS_ENABLED", "value": "true"},
        {"name": "DENIS_MATERIALIZERS_PCT", "value": "10"},
    ]
    undo = {
        "metadata": {"annotations": {LEDGER: None}},
        "spec": {"template": {"spec": {"containers": [{"name": "denis", "env": flags}]}}},
    }
    patch_deployment(embedded, undo)
    service.observer.look()

    (outcome,) = service.handle(notification(alert()))
    assert outcome.reason == "CoolingDown"
    assert "someone has set 10 % since" in outcome.message
    clock.move(minutes=30)
    assert service.reasons(alert()) == ["Applied"]
    assert len(acts(embedded)) == 2


UNDATED = {**alert("scale"), "startsAt": "0001-01-01T00:00:00Z"}
"""Of a sender that does not say since when it fires, so that it is never given up."""


def test_the_budget_ends_a_series(make_service: MakeService, embedded: EmbeddedCluster, clock: Clock) -> None:
    """Six steps in six hours are the workers' budget; the seventh waits until the first has left the window."""
    service = make_service()
    for replicas in (6, 8, 10, 12, 14, 16):
        assert service.reasons(UNDATED) == ["Applied"]
        assert embedded.deployment("denis-workers")["spec"]["replicas"] == replicas
        clock.move(minutes=10)
    assert service.reasons(UNDATED) == ["BudgetSpent"]
    clock.move(hours=5)
    assert service.reasons(UNDATED) == ["Applied"]


def test_steps_end_at_the_maximum(make_service: MakeService, embedded: EmbeddedCluster, clock: Clock) -> None:
    """One step per cooldown up to 20 replicas, then AtLimit."""
    service = make_service()
    rollback, scale = service.policy.remediations
    roomy = replace(scale, budget=Budget(acts=20, window=timedelta(hours=24)))
    service.policy = replace(service.policy, remediations=(rollback, roomy))
    for replicas in range(6, 21, 2):
        assert service.reasons(UNDATED) == ["Applied"]
        assert embedded.deployment("denis-workers")["spec"]["replicas"] == replicas
        clock.move(minutes=10)
    assert service.reasons(UNDATED) == ["AtLimit"]
    assert embedded.deployment("denis-workers")["spec"]["replicas"] == 20


@pytest.mark.parametrize(
    "given",
    [
        {"alertname": LONG},
        {"remediation": "rollback", "pod": LONG},
        {"remediation": LONG, "cluster": LONG},
        {LONG: 5},
    ],
    ids=["name", "label", "values", "malformed"],
)
def test_no_sender_makes_an_audit_line_long(service: Service, given: dict[str, Any]) -> None:
    """Thousands of lines can wait in memory for a standard output that nobody reads, so each is cut."""
    bad = {**alert(), "labels": {**alert()["labels"], **given}, "fingerprint": LONG}
    bad["annotations"] = {"value": LONG}
    service.handle(parse_notification(body(*[bad] * 30, alert(), receiver=LONG, groupKey=LONG)))
    lengths = [len(json.dumps(line)) for line in service.audit_lines()]

    assert lengths
    assert max(lengths) < 15_000


def test_a_dry_run_writes_nothing(make_service: MakeService, embedded: EmbeddedCluster) -> None:
    """--dry-run asks the API server to validate, and leaves flags and ledger as they are."""
    before = embedded.deployment()["metadata"]["resourceVersion"]
    assert make_service(dry_run=True).reasons(alert()) == ["DryRun"]
    assert embedded.deployment()["metadata"]["resourceVersion"] == before


def test_the_fence_keeps_other_clusters_out(make_service: MakeService) -> None:
    """With a fence, only alerts that carry its name act; the others cost no request."""
    service = make_service(fence="eu-1")
    assert service.reasons(alert(cluster="eu-2"), alert()) == ["ForeignCluster", "ForeignCluster"]
    assert service.requests("get") == 0
    assert service.reasons(alert(cluster="eu-1")) == ["Applied"]


def test_an_act_has_one_event_however_many_replicas(
    make_service: MakeService, embedded: EmbeddedCluster, events: Callable[[], list[dict[str, Any]]]
) -> None:
    """An act has its Event on the Deployment, and its repeats have none."""
    replicas = [make_service(), make_service()]
    for replica in (*replicas, *replicas):
        replica.reasons(alert())
    for replica in replicas:
        replica.recorder.close(5)

    (event,) = events()
    assert event["reason"] == "Applied"
    assert event["message"] == "rollback: set 10 % -> 0 % (alerts: DenisErrorRateHigh 0.061 since 2026-11-23T11:59:00Z)"


def test_a_refusal_has_one_event_per_cooldown(
    make_service: MakeService, embedded: EmbeddedCluster, events: Callable[[], list[dict[str, Any]]]
) -> None:
    """The same reason to withhold is one Event, written once by all replicas together."""
    patch_deployment(embedded, {"spec": {"replicas": 0}}, "denis-workers")
    replicas = [make_service(), make_service()]
    for replica in (*replicas, *replicas):
        assert replica.reasons(alert("scale")) == ["KillSwitchOn"]
    for replica in replicas:
        replica.recorder.close(5)

    (event,) = events()
    assert (event["reason"], event["type"]) == ("KillSwitchOn", "Warning")


def test_an_event_that_cannot_be_written_is_counted(
    service: Service, api: FaultyApi, embedded: EmbeddedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the right to write Events the act is done all the same, and a metric and a log line say so."""
    api.always("POST", Answer(status=403, message="events is forbidden"))
    assert service.reasons(alert()) == ["Applied"]
    service.recorder.close(5)

    assert service.value("remediator_records_dropped_total", kind="event") == 1
    assert "event not written" in caplog.text


def test_an_audit_line_that_cannot_be_written_is_counted(
    make_service: MakeService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With standard output gone, the act is done and answered, and a metric and a log line with the text say so."""
    reading, writing = os.pipe()
    os.close(reading)
    with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "w") as closed:
        service = make_service(audit=closed)
        assert service.reasons(alert()) == ["Applied"]
        service.recorder.flush()

    assert service.value("remediator_records_dropped_total", kind="audit") == 1
    assert "audit line not written" in caplog.text


def test_an_outcome_is_counted_and_audited(service: Service) -> None:
    """Each alert counts once under its reason, and each decision is one audit line with all that it rests on."""
    service.reasons(alert(), alert(alertname="DenisMaterializerSuccessRateLow"), alert(status="resolved"))

    assert service.value("remediator_outcomes_total", remediation="rollback", reason="Applied") == 2
    assert service.value("remediator_outcomes_total", remediation="", reason="NotFiring") == 1
    assert service.value("remediator_action_duration_seconds_count", effect="SetPercentage") == 1
    assert service.value("remediator_last_action_timestamp_seconds", target="denis", effect="SetPercentage") == (
        Clock().now.timestamp()
    )
    applied, not_firing = service.audit_lines()
    assert not_firing["reason"] == "NotFiring"
    assert (applied["audit"], applied["reason"], applied["alertCount"]) == ("decision", "Applied", 2)
    assert (applied["target"], applied["effect"], applied["from"], applied["to"]) == ("denis", "SetPercentage", 10, 0)
    assert [named["alertname"] for named in applied["alerts"]] == [
        "DenisErrorRateHigh",
        "DenisMaterializerSuccessRateLow",
    ]


class RunningClock(Clock):
    """A clock that is a second further at every look."""

    def __call__(self) -> datetime:
        self.move(seconds=1)
        return self.now


@pytest.mark.parametrize("fault", [None, LoseAnswer()], ids=["answered", "answer lost"])
def test_an_act_has_one_time(
    api: FaultyApi, make_service: MakeService, embedded: EmbeddedCluster, fault: Fault | None
) -> None:
    """The gauge of the last act is the time in the ledger from the beginning, as every replica reads it later."""
    service = make_service(clock=RunningClock())
    if fault:
        api.next("PATCH", fault)
    assert service.reasons(alert()) == ["Applied"]
    (act,) = acts(embedded)
    shown = service.value("remediator_last_action_timestamp_seconds", target="denis", effect="SetPercentage")
    assert shown == datetime.fromisoformat(act["time"]).timestamp()
