"""The part of a timeline that the Deployments give: acts, writes of others, and rollouts."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from remediator.canary.history import Act, list_acts
from remediator.canary.timeline.events import Place, read_event
from remediator.canary.timeline.findings import (
    SAME_SECOND,
    Findings,
    act_topic,
    outcome_topic,
    short,
    value_topic,
    write_id,
)
from remediator.core.durations import format_duration
from remediator.core.effects import AUTOMATIC, Effect
from remediator.core.field_owners import OWN_MANAGERS
from remediator.core.ledger import MAX_ENTRIES
from remediator.core.parts import as_list, as_map
from remediator.core.policy import PERCENTAGE_FLAG, Policy, Target
from remediator.core.reasons import Reason
from remediator.core.text import printable
from remediator.core.timeline import Kind, Line, Source, Window
from remediator.core.times import parse_time
from remediator.core.workload import TargetInvalid, Workload, read_workload
from remediator.kube.connection import Connection
from remediator.kube.errors import ClusterError, NotFound
from remediator.kube.request import Request, Verb, path_of
from remediator.kube.targets import deployment_path

READ_SECONDS = 10.0
"""Timeout of one request."""

MOST_NAMES = 5

EVENTS_KEPT = timedelta(hours=1)
"""The API server's default (--event-ttl)."""

_REVISION = "deployment.kubernetes.io/revision"


def add_targets(connection: Connection, policy: Policy, window: Window, found: Findings) -> list[Place]:
    """Add what the targets show, and return the Events of each target that can be read."""
    if connection.now() - window.start > EVENTS_KEPT:
        found.notes.append("The API server keeps Events for an hour by default: older ones may be gone.")
    return [place for target in policy.targets if (place := _read_target(connection, target, window, found))]


def _read_target(connection: Connection, target: Target, window: Window, found: Findings) -> Place | None:
    """What the API server has about a target, or None; failures are noted."""

    def ask(verb: Verb, path: str, **query: str) -> Any:
        ends = time.monotonic() + READ_SECONDS
        return connection.request(Request(verb=verb, path=path, query=query, ends=ends))

    try:
        manifest = ask("get", deployment_path(target))
    except NotFound:
        found.fail(f"Deployment {target.namespace}/{target.deployment} is not there, so neither is its ledger.")
        return None
    except ClusterError as error:
        found.fail(f"Deployment {target.namespace}/{target.deployment} was not read: {error}.")
        return None
    now = connection.now()
    workload = read_workload(manifest, target)
    if isinstance(workload, TargetInvalid):
        problem = workload.problem
        found.fail(f"Deployment {target.namespace}/{target.deployment} cannot be used: {problem}.")
    else:
        found.workloads[target] = workload
        found.lines += _acts(target, workload, now)
        found.notes += _standing(target, workload, now, window)
    metadata = as_map(manifest.get("metadata"))
    found.lines += _writes(target, as_list(metadata.get("managedFields")), workload)
    uid, selector = str(metadata.get("uid")), _selector(manifest)
    try:
        sets = ask("list", path_of("apps/v1", namespace=target.namespace, resource="replicasets"), **selector)
        found.lines += _rollouts(target, uid, as_list(sets.get("items")))
    except ClusterError as error:
        found.notes.append(f"The ReplicaSets of {target.name} were not read, so its rollouts are missing: {error}.")
    try:
        path = path_of("v1", namespace=target.namespace, resource="events")
        listed = ask("list", path, fieldSelector=f"involvedObject.name={target.deployment}")
        events = tuple(event for one in as_list(listed.get("items")) if (event := read_event(as_map(one))))
    except ClusterError as error:
        found.notes.append(f"The Events of {target.name} were not read: {error}.")
        events = ()
    return Place(target=target, uid=uid, events=events)


def _selector(manifest: Mapping[str, Any]) -> dict[str, str]:
    labels = as_map(as_map(as_map(manifest.get("spec")).get("selector")).get("matchLabels"))
    text = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return {"labelSelector": text} if text else {}


def _acts(target: Target, workload: Workload, now: datetime) -> Iterable[Line]:
    """The acts of the ledger, and the last change by hand."""
    for act in list_acts({target.name: workload}, now):
        entry = act.entry
        topics = {value_topic(target, entry.effect.field, entry.after)} if entry.effect.field else set()
        if act.manager:
            line_id, kind, source = write_id(target, act.manager, entry.time), Kind.WRITE, Source.MANAGED_FIELDS
        else:
            line_id, source = f"act/{entry.id}", Source.LEDGER
            kind = Kind.ACT if entry.remediation else Kind.PERSON
            topics.add(act_topic(target, entry.effect_name))
            if entry.remediation:
                topics.add(outcome_topic(entry.remediation, Reason.APPLIED))
        yield Line(
            time=entry.time,
            kind=kind,
            text=_describe(act),
            sources=(source,),
            subject=target.name,
            to_second=bool(act.manager),
            id=line_id,
            topics=frozenset(topics),
        )
        if act.ended_by == "its end":
            text = f"{target.name}: the pause of {entry.by} is over"
            yield Line(
                time=entry.time + act.held,
                kind=Kind.STATE,
                text=text,
                sources=(Source.LEDGER,),
                subject=target.name,
            )
    if (switch := workload.kill_switch) and switch.since:
        text = f"{target.name}: kill switch on by {switch.author or 'unknown'}: {switch.reason}"
        yield Line(
            time=switch.since,
            kind=Kind.PERSON,
            text=short(text),
            sources=(Source.ANNOTATION,),
            subject=target.name,
            topics=frozenset({act_topic(target, Effect.KILL_SWITCH)}),
            within=SAME_SECOND,
        )


def _describe(act: Act) -> str:
    """An act in words."""
    entry = act.entry
    overrode = f" (overrode {', '.join(entry.overrode)})" if entry.overrode else ""
    words = "; ".join(filter(None, (entry.reason, entry.because)))
    why = f": {words}" if words else ""
    held = format_duration(act.held)
    ended = f"; held {held}, ended by {act.ended_by}" if act.ended_by else "; holds"
    if entry.effect in (Effect.PAUSE, Effect.UNKNOWN):
        ended = ""
    return short(f"{act.target}: {act.change} by {act.by}{why}{overrode}{ended}")


def _standing(target: Target, workload: Workload, now: datetime, window: Window) -> Iterable[str]:
    """Notes about records that cannot be trusted or are gone, and about a pause or kill switch that is on now."""
    for problem in workload.problems:
        yield f"{target.name}: {problem}; acts may be missing here."
    kinds: dict[str, list[datetime]] = {}
    for entry in workload.ledger.entries:
        kinds.setdefault(entry.effect_name if entry.remediation else "", []).append(entry.time)
    for kind, times in kinds.items():
        if len(times) >= MAX_ENTRIES and times[0] > window.start:
            acts = f"{kind} by remediations" if kind else "people's"
            yield (
                f"The ledger of {target.name} keeps {MAX_ENTRIES} acts of a kind: those before "
                f"{times[0]:%d %b %H:%M:%S} ({acts}) may be missing."
            )
    if pause := workload.held_by(now):
        yield f"{target.name} is paused by {pause.author} until {pause.until:%d %b %H:%M:%S}: {pause.reason}"
    if workload.kill_switch:
        switch = workload.kill_switch
        since = f" since {switch.since:%d %b %H:%M:%S}" if switch.since else ""
        yield f"{target.name}: the kill switch is on{since}, by {switch.author or 'unknown'}: {switch.reason}"


def _writes(target: Target, managed: Sequence[Any], workload: object) -> Iterable[Line]:
    """The last write of each other program, from managedFields."""
    for entry in map(as_map, managed):
        manager, moment = printable(str(entry.get("manager"))), parse_time(entry.get("time"))
        if manager in OWN_MANAGERS or moment is None or entry.get("subresource") == "status":
            continue
        topics, now = set(), []
        if isinstance(workload, Workload):
            for effect in AUTOMATIC:
                write = workload.writers.get(effect.field)
                value = effect.read(workload)
                if write and value is not None and (write.manager, write.time) == (manager, moment):
                    topics.add(value_topic(target, effect.field, value))
                    now.append(effect.format_value(value))
        fields = _some([*_fields(entry.get("fieldsV1"))], ", ") or "nothing that is known here"
        values = f"; now {', '.join(now)}" if now else ""
        yield Line(
            time=moment,
            kind=Kind.WRITE,
            text=short(f"{target.name}: last write of {manager}, which has {fields}{values}"),
            sources=(Source.MANAGED_FIELDS,),
            subject=target.name,
            to_second=True,
            id=write_id(target, manager, moment),
            topics=frozenset(topics),
        )


def _fields(fields: object) -> Iterable[str]:
    """The fields of a Deployment that a program owns, named as in a manifest."""
    metadata, spec = (as_map(as_map(fields).get(name)) for name in ("f:metadata", "f:spec"))
    for name in ("annotations", "labels"):
        if own := [key for key in as_map(metadata.get(f"f:{name}")) if key != "."]:
            yield f"{len(own)} {name}"
    for key in spec:
        if key not in ("f:template", "f:selector", "."):
            yield printable(str(key).removeprefix("f:"))
    pods = as_map(as_map(as_map(spec.get("f:template")).get("f:spec")).get("f:containers"))
    for container in map(as_map, pods.values()):
        for key in container:
            if key == "f:env":
                found = (re.match(r'k:\{"name":"([^"]+)"\}$', str(one)) for one in as_map(container[key]))
                yield f"env {_some([printable(one[1]) for one in found if one], ' ')}"
            elif key in ("f:image", "f:command", "f:args", "f:resources"):
                yield str(key).removeprefix("f:")


def _rollouts(target: Target, uid: str, sets: Iterable[Any]) -> Iterable[Line]:
    """When each ReplicaSet of the Deployment was created, and how its template differs from the previous one."""
    owned = [(_revisions(one), one) for one in map(as_map, sets) if _controller(one) == uid]
    owned.sort(key=lambda pair: pair[0])
    before: Mapping[str, str] | None = None
    for (first, *again), one in owned:
        template = _template(one, target)
        made = parse_time(as_map(one.get("metadata")).get("creationTimestamp"))
        if made:
            # When a rollback returned to it is not recorded anywhere.
            later = f"; later again, as revision {again[-1]}" if again else ""
            text = f"{target.name}: rollout of revision {first} begins{_changes(before, template)}{later}"
            yield Line(
                time=made,
                kind=Kind.ROLLOUT,
                text=short(text),
                sources=(Source.REPLICA_SET,),
                subject=target.name,
                to_second=True,
            )
        before = template


def _controller(item: Mapping[str, Any]) -> str:
    owners = map(as_map, as_list(as_map(item.get("metadata")).get("ownerReferences")))
    return next((str(owner.get("uid")) for owner in owners if owner.get("controller")), "")


def _revisions(item: Mapping[str, Any]) -> list[int]:
    """The revisions of a ReplicaSet in order; [0] if not known."""
    annotations = as_map(as_map(item.get("metadata")).get("annotations"))
    texts = [*str(annotations.get(f"{_REVISION}-history", "")).split(","), str(annotations.get(_REVISION, ""))]
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 10] or [0]


def _template(item: Mapping[str, Any], target: Target) -> dict[str, str]:
    """The parts of a template that people change (images and environment), by name."""
    found: dict[str, str] = {}
    pods = as_map(as_map(as_map(item.get("spec")).get("template")).get("spec"))
    for container in map(as_map, as_list(pods.get("containers"))):
        name = str(container.get("name"))
        found[f"image of {name}"] = str(container.get("image"))
        for variable in map(as_map, as_list(container.get("env"))):
            found[f"env {variable.get('name')}"] = str(variable.get("value"))
    return found


def _changes(before: Mapping[str, str] | None, after: Mapping[str, str]) -> str:
    """The differences; only images and the percentage are shown with values, others may be secret."""
    if before is None:
        return ""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    shown = [
        f"{name} {before.get(name, '-')} -> {after.get(name, '-')}"
        if name.startswith("image of ") or name == f"env {PERCENTAGE_FLAG}"
        else name
        for name in changed
    ]
    return f": {_some(shown, ', ')}" if shown else ""


def _some(names: Sequence[str], separator: str) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return separator.join(names[:MOST_NAMES]) + more
