"""The target: turns a Deployment's JSON into what decisions need, and an act into its patch.

Pure: no I/O, no clock. Nothing is decided here; a record that cannot be trusted is kept as a problem, and the ladder
decides which acts it stops.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from remediator.core import ledger
from remediator.core.durations import format_duration
from remediator.core.field_owners import Write, last_scaler, last_writes
from remediator.core.ledger import KillSwitch, Ledger, Pause
from remediator.core.policy import ENABLED_FLAG, PERCENTAGE_FLAG, Target
from remediator.core.rollout import Rollout, read_rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMissing:
    """The Deployment does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetInvalid:
    """The Deployment exists, but does not match the target's description."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The parts of a Deployment that matter to this service."""

    uid: str
    resource_version: str
    replicas: int
    env: tuple[tuple[str, str | None], ...] = ()
    """The container's environment in order; None means a value from elsewhere (valueFrom)."""
    ledger: Ledger = field(default_factory=Ledger)
    pause: Pause | None = None
    kill_switch: KillSwitch | None = None
    autoscaler: str = ""
    """The HorizontalPodAutoscaler that owns the replicas, or another autoscaler that last wrote them, or empty."""
    rollout: Rollout = field(default_factory=Rollout)
    writers: Mapping[str, Write] = field(default_factory=dict)
    """The last write of each variable of the container, by name, and of the replicas (`replicas`)."""
    problems: tuple[str, ...] = ()
    """Problems of the ledger, pause and kill switch on the target."""

    def as_of(self, now: datetime) -> "Workload":
        """The workload as of this moment: without acts in the ledger that are later."""
        past = self.ledger.as_of(now)
        return self if past is self.ledger else replace(self, ledger=past)

    def holds(self, action_id: str) -> bool:
        """Whether the act of this id is in the ledger."""
        return self.ledger.holds(action_id)

    @property
    def switched_off(self) -> bool:
        """Whether the kill switch is on: latched, or implied by a scale to 0 replicas by hand."""
        return self.kill_switch is not None or self.replicas == 0

    def flags(self) -> Mapping[str, str | None]:
        """The environment by name; if a name is duplicated, the last one, as for the kubelet."""
        return dict(self.env)

    def env_problem(self, names: Mapping[str, str]) -> str:
        """Why these variables cannot be set by a patch, or empty."""
        present = [name for name, _ in self.env]
        for name in names:
            if present.count(name) > 1:
                return f"env {name} is defined {present.count(name)} times, and a patch would change only the first"
            if name in present and self.flags()[name] is None:
                return f"env {name} takes its value from elsewhere (valueFrom), which a patch must not replace"
        return ""

    def percentage(self) -> int | None:
        """The canary's percentage of traffic: 0 if it is switched off, None if not known."""
        flags = self.flags()
        if flags.get(ENABLED_FLAG) == "false":
            return 0
        text = flags.get(PERCENTAGE_FLAG)
        return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 3 else None

    def at_or_below(self, percentage: int, profile: Mapping[str, str]) -> bool:
        """Whether the percentage is at most this one, and every other flag that is set has the profile's value."""
        actual = self.percentage()
        return actual is not None and actual <= percentage and not self.others_than(profile)

    @property
    def rollback_blocked(self) -> bool:
        """Whether pods may serve more than 0 % because a rollback has not reached them, or would not reach them now."""
        if self.percentage() == 0:
            return not self.rollout.reached(self.replicas) or bool(self.rollout.terminating)
        return bool(self.rollout.stuck) or not self.rollout.seen

    def others_than(self, profile: Mapping[str, str]) -> tuple[str, ...]:
        """The flags that are set to another value than the profile's, except those of the percentage."""
        flags = self.flags()
        others = (name for name in profile if name not in (ENABLED_FLAG, PERCENTAGE_FLAG))
        return tuple(name for name in others if flags.get(name, profile[name]) != profile[name])

    def unbelievable(self, now: datetime) -> str:
        """Why the ledger, pause or kill switch on the target cannot be trusted, or empty."""
        if self.pause and self.pause.until > now + ledger.MAX_PAUSE + ledger.CLOCK_SKEW:
            return f"the pause is longer than {format_duration(ledger.MAX_PAUSE)}"
        return next(iter(self.problems), "") or self.ledger.as_of(now).problem

    def held_by(self, now: datetime) -> Pause | None:
        """The pause in force at this time, or None."""
        return (
            self.pause if self.pause and now < self.pause.until <= now + ledger.MAX_PAUSE + ledger.CLOCK_SKEW else None
        )


def read_workload(manifest: Mapping[str, Any], target: Target) -> Workload | TargetInvalid:
    """Parse the JSON of a Deployment from the API server."""
    metadata, spec = manifest.get("metadata") or {}, manifest.get("spec") or {}
    version = metadata.get("resourceVersion") or ""
    if version in ("", "0"):
        # With these values the API server would treat a patch as one without a precondition.
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
    annotations, managed = metadata.get("annotations") or {}, metadata.get("managedFields") or []
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
        autoscaler=last_scaler(managed),
        rollout=read_rollout(manifest),
        writers=last_writes(managed, target),
        problems=tuple(problems),
    )


def flags_patch(workload: Workload, target: Target, flags: Mapping[str, str]) -> dict[str, Any]:
    """The part of the spec that sets these flags; empty without flags."""
    if not flags:
        return {}
    # A merge puts variables into the patch's order; keeping the present order avoids a diff in GitOps tools.
    present = [name for name, _ in workload.env]
    names = sorted(flags, key=lambda name: present.index(name) if name in present else len(present))
    env = [{"name": name, "value": flags[name]} for name in names]
    return {"template": {"spec": {"containers": [{"name": target.container, "env": env}]}}}


def patched(workload: Workload, spec: Mapping[str, Any]) -> Workload:
    """The workload after a patch of this part of its spec."""
    pods = spec.get("template", {}).get("spec", {})
    env = {one["name"]: one["value"] for container in pods.get("containers", ()) for one in container["env"]}
    flags = {**workload.flags(), **env}
    return replace(workload, replicas=spec.get("replicas", workload.replicas), env=tuple(flags.items()))


def write_patch(
    workload: Workload,
    spec: Mapping[str, Any],
    acts: Ledger | None,
    annotations: Mapping[str, str | None] | None = None,
    *,
    resume: bool = False,
) -> dict[str, Any]:
    """The strategic-merge patch of a part of the spec and the record, valid only for the version that was read.

    If `acts` is None, the ledger is left unchanged. `annotations` are set too, or removed if None. `resume` also
    resumes a paused rollout, as `kubectl rollout resume` does.
    """
    record = {} if acts is None else {ledger.LEDGER: ledger.encode_ledger(acts)}
    patch: dict[str, Any] = {
        "metadata": {
            "uid": workload.uid,
            "resourceVersion": workload.resource_version,
            "annotations": {**record, **(annotations or {})},
        }
    }
    if spec or resume:
        patch["spec"] = {**spec, **({"paused": None} if resume else {})}
    return patch
