"""DENIS as the chart's tests have it on the real API server, and every write that is tried on it."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from remediator.core.effects import Effect
from remediator.core.ledger import KILL_SWITCH, LEDGER, PAUSE, Entry
from remediator.core.policy import Target
from remediator.core.workload import Workload, flags_patch, read_workload, write_patch
from tests.contract.client import STRATEGIC, Answer, Client, Object

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MANAGER = "remediator"
RESTRICTED: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def denis(flags: Mapping[str, str], name: str = "denis", **annotations: str) -> Object:
    """The Deployment with the canary; everything that a thief could want to change is there."""
    env: list[Object] = [
        {"name": "DENIS_SECONDARY_ENGINES", "value": "true"},
        *({"name": flag, "value": value} for flag, value in flags.items()),
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "GREETING", "value": "$(DENIS_SECONDARY_ENGINES)"},
    ]
    containers: list[Object] = [
        {"name": "denis", "image": "denis:1", "env": env, "securityContext": RESTRICTED},
        {"name": "sidecar", "image": "sidecar:1", "env": [{"name": "A", "value": "1"}], "securityContext": RESTRICTED},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}, "annotations": {"owner": "team", **annotations}},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}},
        },
    }


@dataclass(frozen=True, slots=True)
class Site:
    """A target on the API server, as one client sees it."""

    client: Client
    target: Target
    manager: str = MANAGER

    @property
    def path(self) -> str:
        """The target's path."""
        return f"/apis/apps/v1/namespaces/{self.target.namespace}/deployments/{self.target.deployment}"

    def read(self) -> Workload:
        """The target as the service reads it."""
        workload = read_workload(self.client.get(self.path).body, self.target)
        assert isinstance(workload, Workload)
        return workload

    def act(self, change: Mapping[str, str] | int) -> Object:
        """The patch that the service, or the promoter, would send now."""
        workload = self.read()
        scales = isinstance(change, int)
        remediation = "scale-workers" if scales else "rollback"
        by: dict[str, Any] = {"remediation": remediation, "fingerprints": ("4222804b028ca4ad",)}
        if self.manager != MANAGER:
            by = {"operator": self.manager, "reason": "promoted by itself"}
        entry = Entry(
            id=f"{len(workload.ledger.entries)}-{workload.resource_version}",
            time=NOW + timedelta(seconds=len(workload.ledger.entries)),
            effect=Effect.SCALE if scales else Effect.SET_PERCENTAGE,
            before=workload.replicas if scales else workload.percentage(),
            after=change if isinstance(change, int) else int(change[PERCENTAGE]),
            **by,
        )
        spec = {"replicas": change} if isinstance(change, int) else flags_patch(workload, self.target, change)
        return write_patch(workload, spec, workload.ledger.with_entries((entry,)))

    def send(self, body: Any, kind: str = STRATEGIC, *, path: str = "", **query: str) -> Answer:
        """Send a patch as the service does."""
        asked = {"fieldManager": self.manager, "fieldValidation": "Strict", **query}
        return self.client.patch(f"{self.path}{path}", body, kind, **asked)

    def try_act(
        self,
        change: Mapping[str, str] | int,
        edit: "Change" = lambda patch: None,
        *,
        dry_run: bool = False,
        manager: str = "",
    ) -> Answer:
        """Act as the service does, with one thing changed: who was overtaken by a controller reads again."""
        query = {"fieldManager": manager or self.manager, **({"dryRun": "All"} if dry_run else {})}
        while True:
            answer = self.send(edited(self.act(change), edit), **query)
            if answer.code != HTTPStatus.CONFLICT:
                return answer


Change = Callable[[Object], None]


def container(patch: Object) -> Object:
    """The container in a patch that sets flags."""
    one: Object = patch["spec"]["template"]["spec"]["containers"][0]
    return one


def flag(patch: Object, name: str) -> str:
    """The value of a flag in a patch that sets flags."""
    return next(str(entry["value"]) for entry in container(patch)["env"] if entry["name"] == name)


def without_record(patch: Object) -> None:
    """Leave the ledger as it was."""
    del patch["metadata"]["annotations"]


def edited(patch: Object, edit: Change) -> Object:
    """A patch with one thing changed."""
    other = copy.deepcopy(patch)
    edit(other)
    return other


def _set(*path: str | int, to: Any) -> Change:
    def edit(patch: Object) -> None:
        place: Any = patch
        for key in path[:-1]:
            place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
        place[path[-1]] = to

    return edit


def _env(*entries: Object) -> Change:
    return lambda patch: container(patch)["env"].extend(entries)


def _without_flag(name: str) -> Change:
    def edit(patch: Object) -> None:
        container(patch)["env"] = [entry for entry in container(patch)["env"] if entry["name"] != name]

    return edit


def _instead(name: str, **entry: Any) -> Change:
    def edit(patch: Object) -> None:
        _without_flag(name)(patch)
        container(patch)["env"].append({"name": name, **entry})

    return edit


def _flip(name: str) -> Change:
    return lambda patch: _instead(name, value="false" if flag(patch, name) == "true" else "true")(patch)


def _zero_in_front(name: str) -> Change:
    return lambda patch: _instead(name, value=f"0{flag(patch, name)}")(patch)


def _containers(*entries: Object) -> Change:
    return lambda patch: patch["spec"]["template"]["spec"]["containers"].extend(entries)


POD = ("spec", "template", "spec")
METADATA = ("metadata",)
PERCENTAGE, ENABLED = "DENIS_MATERIALIZERS_PCT", "DENIS_MATERIALIZERS_ENABLED"

ILLEGAL_ON_CANARY: Mapping[str, Change] = {
    # Each is a legal step of the canary, to 0 % or to the next, with one thing more or one thing else.
    "raise the percentage": _instead(PERCENTAGE, value="100"),
    "raise the percentage a little": _instead(PERCENTAGE, value="1"),
    "leave the canary as enabled as it was, or disable it": _flip(ENABLED),
    "switch async on, or off": _flip("ASYNC_ENABLED"),
    "switch runs on, or off": _flip("RUNS_ENABLED"),
    "write another spelling of the percentage": _zero_in_front(PERCENTAGE),
    "write only some of the flags": _without_flag(PERCENTAGE),
    "take a flag's value from elsewhere": _instead(
        PERCENTAGE, valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}, value=None
    ),
    "remove a flag": _instead(PERCENTAGE, **{"$patch": "delete"}),
    "touch the secondary engines": _env({"name": "DENIS_SECONDARY_ENGINES", "value": "false"}),
    "add a variable": _env({"name": "LD_PRELOAD", "value": "/tmp/evil.so"}),  # noqa: S108
    "change a variable": _env({"name": "GREETING", "value": "hello"}),
    "remove a variable": _env({"name": "GREETING", "$patch": "delete"}),
    "reorder the variables": lambda patch: container(patch).update(
        {
            "$setElementOrder/env": [
                *({"name": name} for name in ("GREETING", "DENIS_SECONDARY_ENGINES")),
                *({"name": entry["name"]} for entry in container(patch)["env"]),
            ]
        }
    ),
    "change the image": lambda patch: container(patch).update(image="evil:1"),
    "change the command": lambda patch: container(patch).update(command=["sh", "-c", "exit"]),
    "change the arguments": lambda patch: container(patch).update(args=["--evil"]),
    "load an environment": lambda patch: container(patch).update(envFrom=[{"secretRef": {"name": "s"}}]),
    "become privileged": lambda patch: container(patch).update(
        securityContext={"privileged": True, "allowPrivilegeEscalation": True}
    ),
    "change the resources": lambda patch: container(patch).update(resources={"limits": {"cpu": "1m"}}),
    "add a probe": lambda patch: container(patch).update(livenessProbe={"exec": {"command": ["false"]}}),
    "add a hook": lambda patch: container(patch).update(lifecycle={"preStop": {"exec": {"command": ["sh"]}}}),
    "open a port": lambda patch: container(patch).update(ports=[{"containerPort": 1}]),
    "set a variable of the sidecar": _containers({"name": "sidecar", "env": [{"name": "A", "value": "2"}]}),
    "set the flags of the sidecar": _containers({"name": "sidecar", "env": [{"name": PERCENTAGE, "value": "0"}]}),
    "change the sidecar's image": _containers({"name": "sidecar", "image": "evil:1"}),
    "remove the sidecar": _containers({"name": "sidecar", "$patch": "delete"}),
    "add a container": _containers({"name": "evil", "image": "evil:1"}),
    "add an init container": _set(*POD, "initContainers", to=[{"name": "evil", "image": "evil:1"}]),
    "mount a volume": _set(*POD, "volumes", to=[{"name": "v", "secret": {"secretName": "s"}}]),
    "change the service account": _set(*POD, "serviceAccountName", to="admin"),
    "use the host's network": _set(*POD, "hostNetwork", to=True),
    "use the host's processes": _set(*POD, "hostPID", to=True),
    "choose a node": _set(*POD, "nodeName", to="node-1"),
    "select nodes": _set(*POD, "nodeSelector", to={"a": "b"}),
    "change the Pod's security": _set(*POD, "securityContext", to={"runAsUser": 0}),
    "change the grace period": _set(*POD, "terminationGracePeriodSeconds", to=0),
    "annotate the Pods (a restart)": _set("spec", "template", "metadata", "annotations", to={"a": "b"}),
    "label the Pods": _set("spec", "template", "metadata", "labels", to={"a": "b"}),
    "pause the rollout": _set("spec", "paused", to=True),
    "change the strategy": _set("spec", "strategy", to={"type": "Recreate", "rollingUpdate": None}),
    "change the history limit": _set("spec", "revisionHistoryLimit", to=0),
    "change the progress deadline": _set("spec", "progressDeadlineSeconds", to=5),
    "wait to be ready": _set("spec", "minReadySeconds", to=5),
    "scale the canary up": _set("spec", "replicas", to=5),
    "scale the canary down": _set("spec", "replicas", to=1),
    "scale the canary to 0": _set("spec", "replicas", to=0),
    "lift the pause": _set(*METADATA, "annotations", PAUSE, to=None),
    "lift the kill switch": _set(*METADATA, "annotations", KILL_SWITCH, to=None),
    "change the pause": _set(*METADATA, "annotations", PAUSE, to="{}"),
    "change the kill switch": _set(*METADATA, "annotations", KILL_SWITCH, to="{}"),
    "change another annotation": _set(*METADATA, "annotations", "owner", to="me"),
    "remove another annotation": _set(*METADATA, "annotations", "owner", to=None),
    "add another annotation": _set(*METADATA, "annotations", "remediator.denis.run/ledger2", to="{}"),
    "remove the ledger": _set(*METADATA, "annotations", LEDGER, to=None),
    "leave the ledger as it was": without_record,
    "hoard data in the ledger": _set(*METADATA, "annotations", LEDGER, to="x" * 40_000),
    "change the labels": _set(*METADATA, "labels", to={"app": "other"}),
    "add an owner": _set(
        *METADATA,
        "ownerReferences",
        to=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}],
    ),
    "add a finalizer": _set(*METADATA, "finalizers", to=["example.org/never"]),
    "wipe managedFields": _set(*METADATA, "managedFields", to=[{}]),
    "forge managedFields": _set(
        *METADATA,
        "managedFields",
        to=[
            {
                "manager": "kube-controller-manager",
                "operation": "Update",
                "subresource": "scale",
                "apiVersion": "apps/v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            }
        ],
    ),
}

ILLEGAL_REPLICAS: Mapping[str, tuple[int, int]] = {
    # From how many to how many.
    "above the maximum": (19, 21),
    "far above the maximum": (4, 1000),
    "by more than a step": (4, 8),
    "down": (4, 2),
    "down to 1": (4, 1),
    "to 0": (4, 0),
    "up from 0": (0, 2),
    "up from above the maximum": (30, 32),
}
