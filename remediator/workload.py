"""The target as it was read: a Deployment's JSON turned into what decisions need, and an act into the patch for it.

Pure: no I/O, no clock. Nothing here judges; what cannot be believed is kept as a problem, and the decision says
which effects a problem stops.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from remediator import ledger
from remediator.durations import format_duration
from remediator.ledger import KillSwitch, Ledger, Pause
from remediator.policy import ENABLED_FLAG, PERCENTAGE_FLAG, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMissing:
    """The Deployment is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetInvalid:
    """The Deployment is there, but not of the form that the target describes."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How far the Deployment's pods are behind its specification, as the Deployment controller says."""

    seen: bool = False
    """Whether the controller has seen this specification; before that all other numbers are about the last one."""
    paused: bool = False
    updated: int = 0
    total: int = 0
    available: int = 0
    deadline_exceeded: bool = False
    failure: str = ""
    """Why pods could not even be created (a quota, an admission policy), or empty."""

    def complete(self, replicas: int) -> bool:
        """Whether all pods follow a specification with so many replicas, as `kubectl rollout status` has it."""
        return self.seen and self.updated >= replicas and self.total <= self.updated <= self.available


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A Deployment, as far as this service is concerned with it."""

    uid: str
    resource_version: str
    replicas: int
    env: tuple[tuple[str, str | None], ...] = ()
    """The container's environment in its order; None stands for a value from elsewhere (valueFrom)."""
    ledger: Ledger = field(default_factory=Ledger)
    pause: Pause | None = None
    kill_switch: KillSwitch | None = None
    autoscaler: str = ""
    """The HorizontalPodAutoscaler that owns the replicas, or the manager that last wrote them by itself, or empty."""
    rollout: Rollout = field(default_factory=Rollout)
    writers: Mapping[str, str] = field(default_factory=dict)
    """Who last wrote the percentage's flag (by its name) and the replicas (`replicas`), as `manager at time`."""
    problems: tuple[str, ...] = ()
    """What is written on the target about holds and acts, and cannot be believed."""

    def flags(self) -> Mapping[str, str | None]:
        """The environment by name; of a name that stands there twice, the last one, as the kubelet does."""
        return dict(self.env)

    def env_problem(self, names: Mapping[str, str]) -> str:
        """Why these variables cannot be set by a patch, or empty."""
        present = [name for name, _ in self.env]
        for name in names:
            if present.count(name) > 1:
                return f"env {name} is there {present.count(name)} times, and a patch would change only the first"
            if name in present and self.flags()[name] is None:
                return f"env {name} takes its value from elsewhere (valueFrom), which a patch must not replace"
        return ""

    def percentage(self) -> int | None:
        """The canary's share of traffic in percent, 0 where it is switched off, None where it cannot be told."""
        flags = self.flags()
        if flags.get(ENABLED_FLAG) == "false":
            return 0
        text = flags.get(PERCENTAGE_FLAG)
        return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 3 else None

    def at_or_below(self, percentage: int, profile: Mapping[str, str]) -> bool:
        """Whether the canary's share is no higher, and no other flag that is there differs from the profile."""
        actual, flags = self.percentage(), self.flags()
        others = (name for name in profile if name not in (ENABLED_FLAG, PERCENTAGE_FLAG))
        return (
            actual is not None
            and actual <= percentage
            and all(flags.get(name, profile[name]) == profile[name] for name in others)
        )

    def unbelievable(self, now: datetime) -> str:
        """Why what is written on the target about acts and holds cannot be believed, or empty."""
        if self.pause and self.pause.until > now + ledger.MAX_PAUSE + ledger.CLOCK_SKEW:
            return f"the pause is longer than {format_duration(ledger.MAX_PAUSE)}"
        return next(iter(self.problems), "") or self.ledger.as_of(now).problem

    def held_by(self, now: datetime) -> Pause | None:
        """The pause that holds at this moment, or None."""
        return (
            self.pause if self.pause and now < self.pause.until <= now + ledger.MAX_PAUSE + ledger.CLOCK_SKEW else None
        )


def read_workload(manifest: Mapping[str, Any], target: Target) -> Workload | TargetInvalid:
    """What a Deployment's JSON, as the API server sent it, says about the target."""
    metadata, spec = manifest.get("metadata") or {}, manifest.get("spec") or {}
    version = metadata.get("resourceVersion") or ""
    if version in ("", "0"):
        # The API server takes a patch with these for one without a precondition.
        return TargetInvalid(problem="the API server sent no resourceVersion, so no write could be safe")
    env: tuple[tuple[str, str | None], ...] = ()
    if target.container:
        containers = [
            container
            for container in spec.get("template", {}).get("spec", {}).get("containers") or []
            if container.get("name") == target.container
        ]
        if len(containers) != 1:
            return TargetInvalid(problem=f"it has {len(containers) or 'no'} containers named {target.container}")
        env = tuple(
            (variable["name"], None if variable.get("valueFrom") else variable.get("value", ""))
            for variable in containers[0].get("env") or []
        )
    annotations = metadata.get("annotations") or {}
    acts = ledger.decode_ledger(annotations.get(ledger.LEDGER))
    problems = [acts.problem] if acts.problem else []
    pause = None
    if (text := annotations.get(ledger.PAUSE)) is not None:
        try:
            pause = ledger.decode_pause(text)
        except ValueError as error:
            problems.append(str(error))
    switch = annotations.get(ledger.KILL_SWITCH)
    return Workload(
        uid=metadata.get("uid", ""),
        resource_version=version,
        replicas=spec.get("replicas", 1),
        env=env,
        ledger=acts,
        pause=pause,
        kill_switch=None if switch is None else ledger.decode_kill_switch(switch),
        autoscaler=_autoscaler(metadata.get("managedFields") or []),
        rollout=_rollout(manifest),
        writers=_writers(metadata.get("managedFields") or [], target),
        problems=tuple(problems),
    )


def _autoscaler(managed_fields: list[Mapping[str, Any]]) -> str:
    """Who scales the Deployment by itself: horizontal pod autoscalers, KEDA's too, write through /scale."""
    for entry in managed_fields:
        through_scale = entry.get("subresource") == "scale" and entry.get("manager") in _AUTOSCALERS
        if through_scale and _owns(entry, "f:spec", "f:replicas"):
            return str(entry["manager"])
    return ""


def autoscaler_of(target: Target, listing: Mapping[str, Any]) -> str:
    """The HorizontalPodAutoscaler that names the target, of a list as the API server sends it; KEDA makes one too."""
    for item in listing.get("items") or []:
        scaled = (item.get("spec") or {}).get("scaleTargetRef") or {}
        if (scaled.get("kind"), scaled.get("name")) == ("Deployment", target.deployment):
            owners = [owner.get("kind") for owner in item["metadata"].get("ownerReferences") or []]
            by = " of KEDA" if "ScaledObject" in owners else ""
            return f"HorizontalPodAutoscaler {item['metadata'].get('name')}{by}"
    return ""


KEDA = "keda-operator"
_AUTOSCALERS = frozenset({"kube-controller-manager", KEDA})


def _writers(managed_fields: list[Mapping[str, Any]], target: Target) -> dict[str, str]:
    container = ("f:spec", "f:template", "f:spec", "f:containers", f'k:{{"name":"{target.container}"}}')
    places = {
        PERCENTAGE_FLAG: (*container, "f:env", f'k:{{"name":"{PERCENTAGE_FLAG}"}}', "f:value"),
        "replicas": ("f:spec", "f:replicas"),
    }
    return {
        field: f"{entry.get('manager')} at {entry.get('time')}"
        for entry in sorted(managed_fields, key=lambda entry: str(entry.get("time")))
        for field, place in places.items()
        if _owns(entry, *place)
    }


def _owns(entry: Mapping[str, Any], *place: str) -> bool:
    node: Any = entry.get("fieldsV1")
    for key in place:
        if not isinstance(node, Mapping) or key not in node:
            return False
        node = node[key]
    return True


def _rollout(manifest: Mapping[str, Any]) -> Rollout:
    metadata, spec, status = manifest.get("metadata") or {}, manifest.get("spec") or {}, manifest.get("status") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    failure = conditions.get("ReplicaFailure", {})
    return Rollout(
        seen=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        paused=bool(spec.get("paused")),
        updated=status.get("updatedReplicas", 0),
        total=status.get("replicas", 0),
        available=status.get("availableReplicas", 0),
        deadline_exceeded=conditions.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded",
        failure=str(failure.get("message", "")) if failure.get("status") == "True" else "",
    )


def write_patch(workload: Workload, target: Target, change: Mapping[str, str] | int, acts: Ledger) -> dict[str, Any]:
    """The strategic-merge patch that sets flags or replicas, records the act, and holds only for what was read."""
    spec: dict[str, Any]
    if isinstance(change, int):
        spec = {"replicas": change}
    else:
        # A merge puts the variables into the patch's order; in their own, nothing moves that GitOps tools would see.
        present = [name for name, _ in workload.env]
        names = sorted(change, key=lambda name: present.index(name) if name in present else len(present))
        env = [{"name": name, "value": change[name]} for name in names]
        spec = {"template": {"spec": {"containers": [{"name": target.container, "env": env}]}}}
    return {
        "metadata": {
            "uid": workload.uid,
            "resourceVersion": workload.resource_version,
            "annotations": {ledger.LEDGER: ledger.encode_ledger(acts)},
        },
        "spec": spec,
    }
