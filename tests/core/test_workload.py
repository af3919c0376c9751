"""A Deployment's JSON becomes a Workload without judgement, and an act becomes one patch."""

import json
from datetime import timedelta
from typing import Any

import pytest

from remediator.core.ledger import KILL_SWITCH, LEDGER, PAUSE, KillSwitch, Ledger, decode_ledger, encode_ledger
from remediator.core.workload import TargetInvalid, Workload, flags_patch, read_workload, write_patch
from tests.support.builders import DENIS, HOUR, MINUTE, NOW, PROFILES, SECOND, WORKERS, entry, pause, workload


def deployment(
    *,
    env: list[dict[str, Any]] | None = None,
    replicas: int | None = 4,
    annotations: dict[str, str] | None = None,
    managed_fields: list[dict[str, Any]] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    """A Deployment as the API server sends it."""
    given = [{"name": name, "value": value} for name, value in PROFILES[10].items()]
    return {
        "metadata": {
            "name": "denis",
            "uid": "uid-1",
            "resourceVersion": "41",
            "annotations": annotations or {},
            "managedFields": managed_fields or [],
            **metadata,
        },
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "template": {
                "spec": {
                    "containers": [
                        {"name": "proxy", "env": [{"name": "DENIS_MATERIALIZERS_PCT", "value": "100"}]},
                        {"name": "denis", "env": given if env is None else env},
                    ]
                }
            },
        },
    }


def read(manifest: dict[str, Any]) -> Workload:
    """The workload in a Deployment, which has to be valid."""
    found = read_workload(manifest, DENIS)
    assert isinstance(found, Workload)
    return found


def test_a_deployment_is_read() -> None:
    """Identity, version, replicas and the environment of the one container are there."""
    found = read(deployment())

    assert (found.uid, found.resource_version, found.replicas) == ("uid-1", "41", 4)
    assert found.env == tuple(PROFILES[10].items())


@pytest.mark.parametrize("version", ["", "0", None])
def test_without_a_version_no_write_could_be_safe(version: str | None) -> None:
    """A version that the API server would take for no precondition makes the target invalid."""
    found = read_workload(deployment(resourceVersion=version), DENIS)

    assert found == TargetInvalid(problem="the API server sent no resourceVersion, so no write could be safe")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], "it has no containers named denis"),
        (["proxy"], "it has no containers named denis"),
        (["denis", "denis"], "it has 2 containers named denis"),
    ],
)
def test_the_container_has_to_be_there_once(names: list[str], problem: str) -> None:
    """A container that is missing, or there twice, makes the target invalid."""
    manifest = deployment()
    manifest["spec"]["template"]["spec"]["containers"] = [{"name": name} for name in names]

    assert read_workload(manifest, DENIS) == TargetInvalid(problem=problem)


def test_a_deployment_without_containers_is_invalid() -> None:
    """What is no Deployment of ours at all is invalid rather than a fault."""
    manifest = {"metadata": {"resourceVersion": "1"}, "spec": {}}

    assert read_workload(manifest, DENIS) == TargetInvalid(problem="it has no containers named denis")
    assert isinstance(read_workload({}, DENIS), TargetInvalid)


def test_a_target_that_is_only_scaled_needs_no_container() -> None:
    """Where the target names no container, the environment is nobody's business."""
    found = read_workload({"metadata": {"resourceVersion": "1", "uid": "u"}, "spec": {"replicas": 4}}, WORKERS)

    assert isinstance(found, Workload)
    assert (found.uid, found.replicas, found.env) == ("u", 4, ())


def test_replicas_that_are_not_given_are_1() -> None:
    """The default of Kubernetes is one replica."""
    assert read(deployment(replicas=None)).replicas == 1


def test_the_environment_is_read_with_its_oddities() -> None:
    """A variable without value is empty, one from elsewhere is unknown, and the order is kept."""
    env: list[dict[str, Any]] = [
        {"name": "B"},
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]

    assert read(deployment(env=env)).env == (("B", ""), ("A", None))
    assert read(deployment(env=[])).env == ()


# The percentage.


@pytest.mark.parametrize(
    ("flags", "percentage"),
    [
        ({}, 10),
        ({"DENIS_MATERIALIZERS_PCT": "0"}, 0),
        ({"DENIS_MATERIALIZERS_PCT": "007"}, 7),
        ({"DENIS_MATERIALIZERS_ENABLED": "false"}, 0),
        ({"DENIS_MATERIALIZERS_ENABLED": "false", "DENIS_MATERIALIZERS_PCT": "ten"}, 0),
        ({"DENIS_MATERIALIZERS_ENABLED": "False"}, 10),
        ({"DENIS_MATERIALIZERS_ENABLED": None}, 10),
        ({"DENIS_MATERIALIZERS_PCT": "ten"}, None),
        ({"DENIS_MATERIALIZERS_PCT": "-1"}, None),
        ({"DENIS_MATERIALIZERS_PCT": "²"}, None),
        ({"DENIS_MATERIALIZERS_PCT": ""}, None),
        ({"DENIS_MATERIALIZERS_PCT": "0" * 10_000}, None),
        ({"DENIS_MATERIALIZERS_PCT": None}, None),
    ],
)
def test_the_percentage_is_a_number_or_unknown(flags: dict[str, str | None], percentage: int | None) -> None:
    """The percentage is that of the flag, 0 where the canary is switched off, and unknown rather than guessed."""
    assert workload(flags=flags).percentage() == percentage


def test_the_last_of_two_equal_names_counts() -> None:
    """Of a variable that stands twice the container sees the last one."""
    env = (*PROFILES[10].items(), ("DENIS_MATERIALIZERS_PCT", "50"))

    assert workload(env=env).percentage() == 50


def test_without_flags_the_percentage_is_unknown() -> None:
    """A Deployment that carries no flag is not assumed to be at 0 %."""
    assert workload(env=()).percentage() is None


# Holds.


@pytest.mark.parametrize(
    ("left", "held"),
    [(SECOND, True), (timedelta(0), False), (24 * HOUR, True), (25 * HOUR, False)],
    ids=["one second left", "exactly over", "the longest", "too long"],
)
def test_a_pause_holds_until_its_end_and_never_over_a_day(left: timedelta, held: bool) -> None:
    """A pause holds up to its end; one that is longer than is allowed holds nothing."""
    assert (workload(pause=pause(left)).held_by(NOW) is not None) is held


def test_a_pause_that_is_too_long_is_unbelievable() -> None:
    """A pause that is longer than is allowed is a problem, and one that is over is none."""
    assert workload(pause=pause(25 * HOUR)).unbelievable(NOW) == "the pause is longer than 1d"
    assert workload(pause=pause(24 * HOUR)).unbelievable(NOW) == ""
    assert workload(pause=pause(-HOUR)).unbelievable(NOW) == ""


@pytest.mark.parametrize(
    ("replicas", "switch", "off"),
    [(4, None, False), (0, None, True), (0, KillSwitch(reason="r"), True), (4, KillSwitch(), True)],
    ids=["on", "by-hand", "latched", "latched-and-scaled"],
)
def test_what_counts_as_switched_off(replicas: int, switch: KillSwitch | None, off: bool) -> None:
    """The latch counts whatever the replicas are, and 0 replicas count without a latch."""
    assert workload(replicas=replicas, kill_switch=switch).switched_off is off


def test_annotations_are_read() -> None:
    """The ledger, the pause and the kill switch come from their annotations."""
    ledger = Ledger().with_entries((entry(HOUR),))
    found = read(
        deployment(
            annotations={
                LEDGER: encode_ledger(ledger),
                PAUSE: json.dumps({"reason": "load test", "author": "ada", "until": (NOW + HOUR).isoformat()}),
                KILL_SWITCH: '{"author": "ada"}',
            }
        )
    )

    assert found.ledger == ledger
    assert found.held_by(NOW) == pause(HOUR)
    assert found.kill_switch == KillSwitch(author="ada")
    assert found.unbelievable(NOW) == ""


def test_annotations_that_cannot_be_read_are_problems() -> None:
    """What stands in our annotations and cannot be believed is kept as problems; the switch counts as on."""
    found = read(deployment(annotations={LEDGER: "{", PAUSE: "{", KILL_SWITCH: "{"}))

    assert [problem.split(" cannot")[0] for problem in found.problems] == [
        f"the annotation {LEDGER}",
        f"the annotation {PAUSE}",
    ]
    assert found.unbelievable(NOW).startswith(f"the annotation {LEDGER} cannot be read: ")
    assert found.pause is None
    assert found.kill_switch is not None


def test_no_annotations_at_all_are_no_problem() -> None:
    """A Deployment without annotations, or with those of others, is believed."""
    for annotations in (None, {"deployment.kubernetes.io/revision": "3"}):
        manifest = deployment()
        manifest["metadata"]["annotations"] = annotations
        assert read(manifest).unbelievable(NOW) == ""


# Autoscalers.


def owner(manager: str, *, subresource: str = "scale", fields: Any = None) -> dict[str, Any]:
    """A manager of the replicas."""
    fields = {"f:spec": {"f:replicas": {}}} if fields is None else fields
    return {"manager": manager, "subresource": subresource, "fieldsV1": fields}


@pytest.mark.parametrize(
    ("managers", "autoscaler"),
    [
        pytest.param([owner("kube-controller-manager")], "kube-controller-manager", id="HPA"),
        pytest.param([owner("kubectl", subresource=""), owner("keda-operator")], "keda-operator", id="KEDA"),
        pytest.param([owner("kubectl")], "", id="kubectl scale"),
        pytest.param([owner("kube-controller-manager", subresource="")], "", id="revision"),
        pytest.param([owner("kube-controller-manager", subresource="status")], "", id="status"),
        pytest.param([owner("kube-controller-manager", fields={"f:spec": {}})], "", id="other fields"),
        pytest.param([owner("kube-controller-manager", fields={})], "", id="no fields"),
        pytest.param([{"manager": "kube-controller-manager", "subresource": "scale"}], "", id="fields left out"),
        pytest.param([], "", id="nobody"),
    ],
)
def test_an_autoscaler_is_who_writes_replicas_through_scale(managers: list[dict[str, Any]], autoscaler: str) -> None:
    """Horizontal pod autoscalers and KEDA are known by the field and the subresource that they write."""
    assert read(deployment(managed_fields=managers)).autoscaler == autoscaler


def test_the_last_writer_of_the_replicas_is_known() -> None:
    """The newest of several managers is named with its time; a write through /scale has none and is the newest."""
    earlier = owner("argocd-controller", subresource="") | {"time": "2026-11-23T11:58:00Z"}
    later = owner("remediator", subresource="") | {"time": "2026-11-23T11:59:00Z"}
    scale = owner("kubectl")

    by_version = read(deployment(managed_fields=[later, earlier])).writers
    assert str(by_version["replicas"]) == "remediator at 2026-11-23T11:59:00Z"
    by_scale = read(deployment(managed_fields=[scale, later])).writers
    assert str(by_scale["replicas"]) == "kubectl"


# The patch.


def test_a_patch_sets_flags_and_records_the_act() -> None:
    """The change, its record and the precondition are one patch, and it touches nothing else."""
    acts = Ledger().with_entries((entry(MINUTE),))

    assert write_patch(workload(), flags_patch(workload(), DENIS, PROFILES[0]), acts) == {
        "metadata": {
            "uid": "uid-1",
            "resourceVersion": "41",
            "annotations": {"remediator.denis.run/ledger": encode_ledger(acts)},
        },
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "denis",
                            "env": [
                                {"name": "DENIS_MATERIALIZERS_ENABLED", "value": "false"},
                                {"name": "DENIS_MATERIALIZERS_PCT", "value": "0"},
                                {"name": "ASYNC_ENABLED", "value": "false"},
                                {"name": "RUNS_ENABLED", "value": "false"},
                            ],
                        }
                    ]
                }
            }
        },
    }


def test_a_patch_sets_replicas_and_records_the_act() -> None:
    """A scale-up changes the replicas and starts no rollout."""
    acts = Ledger().with_entries((entry(MINUTE),))
    patch = write_patch(workload(), {"replicas": 6}, acts)

    assert patch["spec"] == {"replicas": 6}
    assert decode_ledger(patch["metadata"]["annotations"][LEDGER]) == acts
    assert (patch["metadata"]["uid"], patch["metadata"]["resourceVersion"]) == ("uid-1", "41")
