"""An act on the last read: one request at rest, and never an act, or none, that a read of its own would not lead to."""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from remediator.core.effects import Effect
from remediator.core.ledger import LEDGER, PAUSE, Entry, decode_ledger, encode_ledger
from remediator.core.policy import Budget
from remediator.core.times import format_time
from remediator.core.workload import TargetMissing
from remediator.reflex.last_reads import MAX_AGE_SECONDS, LastReads
from remediator.sandbox import EmbeddedCluster
from tests.conftest import MakeService
from tests.reflex.test_remediator import acts, env, writes
from tests.support.builders import DENIS, WORKERS, workload
from tests.support.faults import Answer, Fault, FaultyApi, First, Garble, HangUp, LoseAnswer, Then
from tests.support.kubectl import patch_deployment
from tests.support.service import NOON, Clock, Service, alert, notification

Change = Callable[[EmbeddedCluster], None]


@pytest.fixture
def embedded(embedded: EmbeddedCluster) -> EmbeddedCluster:
    """A cluster whose rollouts are over."""
    embedded.await_settled()
    return embedded


@pytest.fixture
def service(make_service: MakeService, embedded: EmbeddedCluster) -> Service:
    """One replica, which has read its targets a moment ago."""
    service = make_service()
    service.observer.look()
    return service


def annotate(cluster: EmbeddedCluster, key: str, value: str | None) -> None:
    """Write an annotation as a person would."""
    patch_deployment(cluster, {"metadata": {"annotations": {key: value}}})


def pause(cluster: EmbeddedCluster) -> None:
    """A person pauses the target until one o'clock."""
    annotate(cluster, PAUSE, json.dumps({"reason": "maintenance", "author": "ada", "until": "2026-11-23T13:00:00Z"}))


def set_flags(cluster: EmbeddedCluster, percentage: int, **metadata: Any) -> None:
    """A person sets the canary's share."""
    flags = {
        "DENIS_MATERIALIZERS_ENABLED": "true" if percentage else "false",
        "DENIS_MATERIALIZERS_PCT": str(percentage),
        "ASYNC_ENABLED": "true" if percentage else "false",
        "RUNS_ENABLED": "false",
    }
    container = {"name": "denis", "env": [{"name": name, "value": value} for name, value in flags.items()]}
    spec = {"template": {"spec": {"containers": [container]}}}
    patch_deployment(cluster, {"metadata": metadata, "spec": spec})


def step(cluster: EmbeddedCluster, now: datetime, percentage: int) -> None:
    """A person sets the canary's share with a record of it, as `canary set` does."""
    annotations = cluster.deployment()["metadata"].get("annotations", {})
    entry = Entry(
        id=f"ada-{now}",
        time=now,
        effect=Effect.SET_PERCENTAGE,
        before=0,
        after=percentage,
        operator="ada",
        reason="again",
    )
    ledger = decode_ledger(annotations.get(LEDGER)).with_entries((entry,))
    set_flags(cluster, percentage, annotations={LEDGER: encode_ledger(ledger)})


def switch_off(cluster: EmbeddedCluster) -> None:
    """A person scales the workers to 0, which is a kill switch."""
    patch_deployment(cluster, {"spec": {"replicas": 0}}, "denis-workers")


def create_again(cluster: EmbeddedCluster) -> None:
    """A person deletes the Deployment and creates it with a pause; another uid has the same name."""
    before = cluster.deployment()
    url = f"{cluster.url}/apis/apps/v1/namespaces/denis/deployments/denis"
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")) as response:
        response.read()
    kept = {key: before["metadata"][key] for key in ("name", "namespace", "labels") if key in before["metadata"]}
    cluster.add({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": kept, "spec": before["spec"]})
    pause(cluster)


def test_an_act_is_one_request(service: Service, embedded: EmbeddedCluster) -> None:
    """With the last read at rest, a rollback is its patch, and what is read next is that patch's answer."""
    before = service.requests("get")

    assert service.reasons(alert()) == ["Applied"]
    assert service.reasons(alert()) == ["CoolingDown"]
    assert (service.requests("get") - before, service.requests("patch")) == (0, 1)
    assert env(embedded)["DENIS_MATERIALIZERS_PCT"] == "0"


@pytest.mark.parametrize(("remediation", "target"), [("rollback", "denis"), ("scale", "denis-workers")])
def test_what_an_act_has_set_is_shown_at_once(service: Service, remediation: str, target: str) -> None:
    """The status and the gauges have what the patch's answer says, before the target is looked at again."""
    service.reasons(alert(remediation))

    seen = service.observer.observations[target].workload
    assert seen is not None
    assert [act.remediation.partition("-")[0] for act in seen.ledger.entries] == [remediation]
    if remediation == "rollback":
        assert seen.percentage() == 0
        assert service.value("remediator_canary_percentage", target=target) == 0
    else:
        assert seen.replicas == service.value("remediator_replicas", target=target) == 6


def test_an_act_whose_answer_was_lost_is_shown_at_once(service: Service, api: FaultyApi) -> None:
    """What was read back is shown as the answer would have been."""
    api.next("PATCH", LoseAnswer())
    service.reasons(alert())

    seen = service.observer.observations["denis"].workload
    assert seen is not None
    assert seen.percentage() == 0


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"kind": "Status"}', b'{"metadata": {"resourceVersion": "7"}, "spec": {"template": 1}}'],
    ids=["empty", "status", "of another form"],
)
def test_an_answer_that_shows_no_target_undoes_no_act(
    service: Service, api: FaultyApi, embedded: EmbeddedCluster, body: bytes
) -> None:
    """A patch that was accepted is an act whatever its answer holds, and its repeat reads the target."""
    before = service.requests("get")
    api.next("PATCH", Garble(body=body))

    assert service.reasons(alert()) == ["Applied"]
    assert service.reasons(alert()) == ["CoolingDown"]
    assert (writes(embedded), service.requests("get") - before) == (1, 1)


MOMENTS = pytest.mark.parametrize("late", [False, True], ids=["after the read", "a millisecond before the patch"])


def meanwhile(change: Callable[[], object], api: FaultyApi, *, late: bool) -> None:
    """Let this happen now, which is after the last read, or when the next patch is on its way."""
    if late:
        api.next("PATCH", First(do=change))
    else:
        change()


@MOMENTS
@pytest.mark.parametrize(
    ("remediation", "change", "expected"),
    [
        pytest.param("rollback", pause, "Paused", id="pause"),
        pytest.param("rollback", create_again, "Paused", id="deleted and created again"),
        pytest.param("rollback", lambda cluster: set_flags(cluster, 0), "AlreadySafe", id="set to 0 % by hand"),
        pytest.param("scale", switch_off, "KillSwitchOn", id="kill switch"),
    ],
)
def test_what_withholds_since_the_read_wins(
    service: Service,
    api: FaultyApi,
    embedded: EmbeddedCluster,
    remediation: str,
    change: Change,
    expected: str,
    late: bool,
) -> None:
    """Whatever people wrote after the last read, up to the moment of the patch, withholds the act."""
    meanwhile(lambda: change(embedded), api, late=late)

    assert service.reasons(alert(remediation)) == [expected]
    assert acts(embedded) == []


@MOMENTS
@pytest.mark.parametrize(
    ("change", "before"),
    [
        pytest.param(lambda cluster: set_flags(cluster, 50), 50, id="raised by hand"),
        pytest.param(lambda cluster: step(cluster, NOON, 50), 50, id="raised with a record"),
        pytest.param(lambda cluster: annotate(cluster, "team", "a"), 10, id="annotated"),
    ],
)
def test_what_was_set_since_the_read_is_what_is_taken_back(
    service: Service, api: FaultyApi, embedded: EmbeddedCluster, change: Change, before: int, late: bool
) -> None:
    """A raise up to the moment of the patch is read, recorded, and taken back as what it is; nothing of it is lost."""
    meanwhile(lambda: change(embedded), api, late=late)

    assert service.reasons(alert()) == ["Applied"]
    assert [act["from"] for act in acts(embedded) if act.get("remediation")] == [before]
    assert env(embedded)["DENIS_MATERIALIZERS_PCT"] == "0"
    assert embedded.deployment()["metadata"]["annotations"].get("team") == ("a" if before == 10 else None)


@MOMENTS
def test_an_act_of_another_replica_since_the_read_wins(
    make_service: MakeService, service: Service, api: FaultyApi, embedded: EmbeddedCluster, late: bool
) -> None:
    """Two replicas with an act in hand on the same version: one patch holds."""
    other = make_service()
    meanwhile(lambda: other.reasons(alert()), api, late=late)

    assert service.reasons(alert()) == ["CoolingDown"]
    assert (len(acts(embedded)), writes(embedded)) == (1, 1)


def test_a_dry_run_holds_for_what_was_read_too(
    make_service: MakeService, api: FaultyApi, embedded: EmbeddedCluster
) -> None:
    """A pause that comes before a dry run's patch withholds that as well; without one, it is one request."""
    service = make_service(dry_run=True)
    service.observer.look()
    before = service.requests("get")
    assert service.reasons(alert()) == ["DryRun"]
    assert service.requests("get") == before

    api.next("PATCH", First(do=lambda: pause(embedded)))
    assert service.reasons(alert()) == ["Paused"]
    assert writes(embedded) == 2  # The dry run that was accepted, and the pause.


OVER: list[Any] = [
    pytest.param(pause, lambda cluster: annotate(cluster, PAUSE, None), id="Paused"),
    pytest.param(
        lambda cluster: set_flags(cluster, 0), lambda cluster: set_flags(cluster, 10), id="AlreadySafe, and raised"
    ),
    pytest.param(
        lambda cluster: annotate(cluster, LEDGER, "{"), lambda cluster: annotate(cluster, LEDGER, None), id="bad ledger"
    ),
]


@pytest.mark.parametrize(("state", "end"), OVER)
def test_a_reason_to_withhold_that_is_over_withholds_nothing(
    service: Service, embedded: EmbeddedCluster, state: Change, end: Change
) -> None:
    """What the last read says against an act is read again before an alert is withheld."""
    state(embedded)
    embedded.await_settled()
    service.observer.look()
    end(embedded)

    assert service.reasons(alert()) == ["Applied"]


def test_a_target_that_was_missing_is_read_again(service: Service, api: FaultyApi) -> None:
    """A Deployment that was not there at the last read, and is by now, is acted on."""
    api.next("GET", Answer(status=404))
    service.observer.look()
    assert isinstance(service.observer.observations["denis"].seen, TargetMissing)

    assert service.reasons(alert()) == ["Applied"]


def test_a_mode_that_was_changed_holds_at_once(service: Service, clock: Clock) -> None:
    """The policy is that of the decision, whatever it was at the last read."""
    rollback, scale = service.policy.remediations
    service.policy = replace(service.policy, remediations=(replace(rollback, mode="observe"), scale))
    assert service.reasons(alert()) == ["Observing"]

    service.policy = replace(service.policy, remediations=(rollback, scale))
    assert service.reasons(alert()) == ["Applied"]
    service.policy = replace(
        service.policy, remediations=(replace(rollback, cooldown=timedelta(microseconds=1)), scale)
    )
    clock.move(seconds=1)
    assert service.reasons(alert()) == ["AlreadySafe"]


def test_a_rollout_that_is_not_over_is_read_first(service: Service, embedded: EmbeddedCluster) -> None:
    """A status that may change all the time would refuse the patch, so it is not tried."""
    patch_deployment(embedded, {"spec": {"paused": True}})
    set_flags(embedded, 50)
    embedded.await_settled()
    service.observer.look()
    before = service.requests("get")
    seen = service.observer.observations["denis"].workload
    assert seen is not None
    assert not seen.rollout.converged(seen.replicas)

    assert service.reasons(alert()) == ["Applied"]
    assert (service.requests("get") - before, service.requests("patch")) == (1, 1)


def test_workers_are_read_with_their_autoscalers_first(service: Service, embedded: EmbeddedCluster) -> None:
    """An autoscaler is not on the Deployment, so its version does not tell of one that has come since the last read."""
    before = service.requests("get")
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "denis-workers"},
        "minReplicas": 2,
        "maxReplicas": 10,
        "metrics": [],
    }
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    embedded.add({**kind, "metadata": {"name": "workers", "namespace": "denis"}, "spec": spec})

    assert service.reasons(alert("scale")) == ["AutoscalerOwned"]
    assert (service.requests("get") - before, service.requests("list")) == (1, 1)


def test_an_old_read_is_read_again(service: Service, clock: Clock) -> None:
    """After a restore of etcd versions return with other content, so no read serves for more than ten seconds."""
    before = service.requests("get")
    clock.move(seconds=MAX_AGE_SECONDS + 1)

    assert service.reasons(alert()) == ["Applied"]
    assert service.requests("get") - before == 1
    clock.move(seconds=MAX_AGE_SECONDS + 1)
    assert service.reasons(alert()) == ["CoolingDown"]
    assert service.requests("get") - before == 2


def test_a_look_that_was_under_way_during_the_act_changes_nothing(
    service: Service, api: FaultyApi, embedded: EmbeddedCluster
) -> None:
    """A read from before the act that comes after it is neither shown nor decided on."""
    reasons: list[str] = []
    api.next("GET", Then(do=lambda: reasons.extend(service.reasons(alert()))))
    service.observer.look()
    seen = service.observer.observations["denis"].workload

    assert reasons == ["Applied"]
    assert seen is not None
    assert seen.percentage() == 0
    assert service.reasons(alert()) == ["CoolingDown"]
    assert writes(embedded) == 1


@pytest.mark.parametrize("fault", [LoseAnswer(), Answer(status=503), HangUp()], ids=["lost", "503", "hung up"])
def test_a_look_that_was_under_way_during_a_lost_write_doubles_no_act(
    service: Service, api: FaultyApi, embedded: EmbeddedCluster, fault: Fault
) -> None:
    """The write's answer is lost, reading back fails, and a read from before comes in: the redelivery acts once."""
    reasons: list[str] = []

    def act() -> None:
        api.next("PATCH", fault)
        api.always("GET", Answer(status=503))
        reasons.extend(service.reasons(alert()))
        api.always("GET", None)

    api.next("GET", Then(do=act))
    service.observer.look()
    assert reasons == ["Unavailable"]

    reasons += service.reasons(alert())
    assert reasons[1:] == (["CoolingDown"] if isinstance(fault, LoseAnswer) else ["Applied"])
    assert (len(acts(embedded)), writes(embedded)) == (1, 1)


def test_an_undo_since_the_read_ends_no_cooldown(
    make_service: MakeService, service: Service, embedded: EmbeddedCluster
) -> None:
    """A rewound ledger is completed by memory, on the last read as on a new one, at each replica that saw the act."""
    other = make_service()
    service.reasons(alert())
    other.observer.look()
    set_flags(embedded, 10, annotations={LEDGER: None})

    for look in (False, True):
        for replica in (service, other):
            if look:
                replica.observer.look()
            assert replica.reasons(alert()) == ["CoolingDown"]
    assert len([served for served in embedded.requests if served.verb == "patch"]) == 2


def test_the_cooldown_ends_when_it_is_over(service: Service, embedded: EmbeddedCluster, clock: Clock) -> None:
    """Time is that of the decision: a last read from within the cooldown does not lengthen it."""
    service.reasons(alert())
    set_flags(embedded, 10)
    embedded.await_settled()
    clock.move(minutes=29, seconds=55)
    service.observer.look()
    assert service.reasons(alert()) == ["CoolingDown"]
    clock.move(seconds=6)

    assert service.reasons(alert()) == ["Applied"]


def test_the_budget_is_counted_on_the_last_read(service: Service, embedded: EmbeddedCluster, clock: Clock) -> None:
    """A budget that is spent withholds without another read, for acts are not undone."""
    rollback, scale = service.policy.remediations
    tight = replace(rollback, cooldown=timedelta(seconds=1), budget=Budget(acts=1, window=timedelta(hours=1)))
    service.policy = replace(service.policy, remediations=(tight, scale))
    service.reasons(alert())
    set_flags(embedded, 10)
    clock.move(seconds=5)
    service.observer.look()
    before = service.requests("get")

    assert service.reasons(alert()) == ["BudgetSpent"]
    assert service.requests("get") == before


def test_a_cooldown_is_told_while_the_api_server_is_away(service: Service, api: FaultyApi) -> None:
    """What was acted on needs no second delivery, whether the API server answers or not."""
    service.reasons(alert())
    api.always("GET", Answer(status=503))
    assert service.reasons(alert()) == ["CoolingDown"]


def at(began: datetime) -> dict[str, Any]:
    """An alert that began at this time."""
    return {**alert(), "startsAt": began.isoformat()}


@pytest.mark.parametrize("looked", [0, 1, 3], ids=["as the act left it", "right after the act", "a while later"])
@pytest.mark.parametrize("hand", [False, True], ids=["canary set", "kubectl"])
def test_a_new_incident_is_never_withheld_on_an_old_read(
    service: Service, embedded: EmbeddedCluster, clock: Clock, looked: int, hand: bool
) -> None:
    """A person raises the canary after the last read, and an alert begins: it is rolled back, not cooled down."""
    service.reasons(alert())
    clock.move(seconds=looked)
    if looked:
        service.observer.look()
    clock.move(seconds=1)
    if hand:
        # The embedded cluster stamps managedFields by the machine's clock.
        patched = {**alert(), "startsAt": format_time(clock.now, "seconds")}
        step(embedded, clock.now - timedelta(seconds=1), 10)
        annotate(embedded, "by", "hand")
    else:
        patched = at(clock.now + timedelta(milliseconds=500))
        step(embedded, clock.now, 10)
    clock.move(seconds=1)

    assert service.reasons(patched) == ["Applied"]
    assert [act["to"] for act in acts(embedded)] == [0, 10, 0]


def test_a_repeat_of_the_old_incident_needs_no_read(service: Service, embedded: EmbeddedCluster, clock: Clock) -> None:
    """An alert that began before the act is withheld after a raise, so it is withheld at once, seen or not."""
    service.reasons(alert())
    before = service.requests("get")
    step(embedded, clock.now, 10)
    assert service.reasons(alert()) == ["CoolingDown"]
    assert service.requests("get") == before
    service.observer.look()
    assert service.reasons(alert()) == ["CoolingDown"]


def test_both_kinds_in_one_notification_act(service: Service, embedded: EmbeddedCluster, clock: Clock) -> None:
    """Beside a repeat of the old incident, a new one is read and acted on: the newest decides."""
    service.reasons(alert())
    clock.move(seconds=1)
    step(embedded, clock.now, 10)
    clock.move(seconds=1)
    (first, second) = service.handle(notification(alert(), at(clock.now)))

    assert (first.reason, second.reason) == ("Applied", "Applied")


def test_what_began_later_is_kept() -> None:
    """A read that ends later and began earlier takes no place of another's, nor of a write's answer."""
    reads = LastReads(lambda: 0.0)
    old, new, written = workload(percentage=10), workload(percentage=1), workload(percentage=0)

    def begin_another() -> Any:
        reads.read(DENIS, lambda: new)
        return old

    read = reads.read(DENIS, begin_another)
    last = reads.last(DENIS)
    assert last is not None
    assert (read.snapshot, last.snapshot) == (old, new)

    reads.writing(DENIS)
    assert reads.last(DENIS) is None
    assert reads.overtaken(DENIS, read)
    assert not reads.overtaken(WORKERS, read)
    reads.written(DENIS, written)
    last = reads.last(DENIS)
    assert last is not None
    assert (last.snapshot, reads.last(WORKERS)) == (written, None)
