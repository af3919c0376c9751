"""What the API server and the audit log know of an incident: acts, decisions, rollouts, and who else wrote.

The rule of this file: what cannot be read is a sentence, and the rest is there all the same.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from remediator.canary.history import Act, list_acts
from remediator.core.actions import Effect
from remediator.core.audit_lines import AuditLine, Broken, read_audit_lines
from remediator.core.durations import format_duration
from remediator.core.field_owners import OWN_MANAGERS
from remediator.core.ledger import MAX_ENTRIES
from remediator.core.outcome import act_or_span, event_name
from remediator.core.parts import as_list, as_map
from remediator.core.policy import HEARTBEAT_ALERT, PERCENTAGE_FLAG, Policy, Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.rollout import read_time
from remediator.core.text import printable
from remediator.core.timeline import Kind, Line, Source, Window
from remediator.core.verification import Verdict
from remediator.core.workload import TargetInvalid, Workload, read_workload
from remediator.kube.connection import Connection
from remediator.kube.errors import ClusterError, NotFound
from remediator.kube.request import Request, Verb, path_of
from remediator.kube.targets import deployment_path

READ_SECONDS = 10.0
"""For one request."""

REPORTER = "remediator.denis.run/"
"""How the name begins by which Remediator reports its Events."""

MOST_BROKEN = 5
"""Broken lines of a log that are named; the others are counted."""

MOST_NAMES = 5

MAX_TEXT = 400

EVENTS_KEPT = timedelta(hours=1)
"""The API server's default (--event-ttl)."""

SAME_SECOND = timedelta(seconds=1)

_REVISION = "deployment.kubernetes.io/revision"


@dataclass(kw_only=True)
class Findings:
    """Lines from several sources, and what is not among them."""

    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was not asked, not answered, or cannot be read, in sentences."""
    workloads: dict[Target, Workload] = field(default_factory=dict)
    """The targets as they are now, those that can be read."""
    failed: bool = False
    """Whether a source that was asked gave no answer."""

    def fail(self, note: str) -> None:
        """Note that there was no answer."""
        self.notes.append(note)
        self.failed = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """An Event of Remediator about a target."""

    name: str
    uid: str
    time: datetime
    reason: str
    effect: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A target with what its API server knows of it."""

    target: Target
    uid: str
    events: tuple[_Event, ...]


def gather(
    connection: Connection,
    policy: Policy,
    logs: Sequence[tuple[str, Iterable[str]]],
    window: Window,
    found: Findings,
) -> None:
    """Add what the API server has of the targets, and what these logs have, each with the name that it goes by."""
    if connection.now() - window.start > EVENTS_KEPT:
        found.notes.append("The API server keeps Events for an hour by default: older ones may be gone.")
    places = [place for target in policy.targets if (place := _read_target(connection, target, window, found))]
    audited = [line for name, text in logs for line in _read_log(name, text, window, found)]
    known = {place.target.name: place for place in places}
    found.lines += _audited(audited, policy, known)
    names = _names(found.lines, policy, places)
    for place in places:
        found.lines += (_event_line(event, place.target, policy, names) for event in place.events)


def _read_target(connection: Connection, target: Target, window: Window, found: Findings) -> _Place | None:
    """What there is of a target, or None; what cannot be read is noted."""

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
        found.notes.append(f"The ReplicaSets of {target.name} were not read, so its rollouts are not here: {error}.")
    try:
        path = path_of("v1", namespace=target.namespace, resource="events")
        listed = ask("list", path, fieldSelector=f"involvedObject.name={target.deployment}")
        events = tuple(event for one in as_list(listed.get("items")) if (event := _read_event(as_map(one))))
    except ClusterError as error:
        found.notes.append(f"The Events of {target.name} were not read: {error}.")
        events = ()
    return _Place(target=target, uid=uid, events=events)


def _selector(manifest: Mapping[str, Any]) -> dict[str, str]:
    labels = as_map(as_map(as_map(manifest.get("spec")).get("selector")).get("matchLabels"))
    text = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return {"labelSelector": text} if text else {}


def _acts(target: Target, workload: Workload, now: datetime) -> Iterable[Line]:
    """The acts in the ledger, and the last change by hand."""
    for act in list_acts({target.name: workload}, now):
        entry = act.entry
        topics = {value_topic(target, entry.effect.field, entry.after)} if entry.effect.field else set()
        if act.manager:
            line_id, kind, source = _write_id(target, act.manager, entry.time), Kind.WRITE, Source.MANAGED_FIELDS
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
            text=_short(text),
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
    return _short(f"{act.target}: {act.change} by {act.by}{why}{overrode}{ended}")


def _standing(target: Target, workload: Workload, now: datetime, window: Window) -> Iterable[str]:
    """What of the record cannot be believed or is there no more, and what holds now."""
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
    """The last write of each program that is not Remediator's, as managedFields have it."""
    for entry in map(as_map, managed):
        manager, moment = printable(str(entry.get("manager"))), read_time(entry.get("time"))
        if manager in OWN_MANAGERS or moment is None or entry.get("subresource") == "status":
            continue
        topics, now = set(), []
        if isinstance(workload, Workload):
            for effect in (Effect.SET_PERCENTAGE, Effect.SCALE):
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
            text=_short(f"{target.name}: last write of {manager}, which has {fields}{values}"),
            sources=(Source.MANAGED_FIELDS,),
            subject=target.name,
            to_second=True,
            id=_write_id(target, manager, moment),
            topics=frozenset(topics),
        )


def _fields(fields: object) -> Iterable[str]:
    """What a program has of a Deployment, in the words of a manifest."""
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
    """When each ReplicaSet of the Deployment was made, and what its template has that the one before had not."""
    owned = [(_revisions(one), one) for one in map(as_map, sets) if _controller(one) == uid]
    owned.sort(key=lambda pair: pair[0])
    before: Mapping[str, str] | None = None
    for (first, *again), one in owned:
        template = _template(one, target)
        made = read_time(as_map(one.get("metadata")).get("creationTimestamp"))
        if made:
            # When it was returned to is nowhere.
            later = f"; later again, as revision {again[-1]}" if again else ""
            text = f"{target.name}: rollout of revision {first} begins{_changes(before, template)}{later}"
            yield Line(
                time=made,
                kind=Kind.ROLLOUT,
                text=_short(text),
                sources=(Source.REPLICA_SET,),
                subject=target.name,
                to_second=True,
            )
        before = template


def _controller(item: Mapping[str, Any]) -> str:
    owners = map(as_map, as_list(as_map(item.get("metadata")).get("ownerReferences")))
    return next((str(owner.get("uid")) for owner in owners if owner.get("controller")), "")


def _revisions(item: Mapping[str, Any]) -> list[int]:
    """The revisions that a ReplicaSet was, in their order; [0] where that is not known."""
    annotations = as_map(as_map(item.get("metadata")).get("annotations"))
    texts = [*str(annotations.get(f"{_REVISION}-history", "")).split(","), str(annotations.get(_REVISION, ""))]
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 10] or [0]


def _template(item: Mapping[str, Any], target: Target) -> dict[str, str]:
    """What a template has that people change: images and environment, by what they are."""
    found: dict[str, str] = {}
    pods = as_map(as_map(as_map(item.get("spec")).get("template")).get("spec"))
    for container in map(as_map, as_list(pods.get("containers"))):
        name = str(container.get("name"))
        found[f"image of {name}"] = str(container.get("image"))
        for variable in map(as_map, as_list(container.get("env"))):
            found[f"env {variable.get('name')}"] = str(variable.get("value"))
    return found


def _changes(before: Mapping[str, str] | None, after: Mapping[str, str]) -> str:
    """What differs, with values of images and of the percentage only: others may be secret."""
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


def _read_event(item: Mapping[str, Any]) -> _Event | None:
    """An Event of Remediator, or None for those of others."""
    metadata, about = as_map(item.get("metadata")), as_map(item.get("involvedObject"))
    moment = read_time(item.get("eventTime") or item.get("firstTimestamp"))
    reporter = str(item.get("reportingComponent") or item.get("reportingController"))
    if not reporter.startswith(REPORTER) or about.get("kind") != "Deployment" or moment is None:
        return None
    return _Event(
        name=str(metadata.get("name")),
        uid=str(about.get("uid")),
        time=moment,
        reason=printable(str(item.get("reason"))),
        effect=str(item.get("action")),
        note=printable(str(item.get("message"))),
    )


def _event_line(event: _Event, target: Target, policy: Policy, names: Mapping[str, str]) -> Line:
    remediation = event.note.partition(":")[0]
    known = remediation in {one.name for one in policy.remediations}
    kind = _kind(event.reason)
    text = event.note if kind is Kind.ACT else f"{event.reason}: {event.note}"
    return Line(
        time=event.time,
        kind=kind,
        text=_short(f"{target.name}: {text}"),
        sources=(Source.EVENT,),
        subject=remediation if known and kind is Kind.DECISION else target.name,
        id=names.get(event.name, f"event/{event.name}"),
        topics=frozenset(
            {outcome_topic(remediation, event.reason), verification_topic(target.name, event.effect, event.reason)}
        ),
        repeats=event.reason if kind is Kind.DECISION else "",
    )


def _kind(word: str) -> Kind:
    """What a reason or a verdict is about."""
    if word in set(Verdict):
        return Kind.VERIFICATION
    return Kind.ACT if word in (Reason.APPLIED, Reason.DRY_RUN) else Kind.DECISION


def _names(lines: Iterable[Line], policy: Policy, places: Iterable[_Place]) -> dict[str, str]:
    """The ids of lines by the names of the Events that say the same."""
    acts = {line.id.removeprefix("act/") for line in lines if line.id.startswith("act/")}
    found = {}
    for place in places:
        for uid in {place.uid, *(event.uid for event in place.events)}:
            for action in acts:
                for verdict in Verdict:
                    name = event_name(place.target, uid, action, verdict)
                    found[name] = _verification_id(action, verdict)
                for remediation in policy.remediations:
                    found[event_name(place.target, uid, remediation.name, Reason.APPLIED, action)] = f"act/{action}"
    return found


def _read_log(name: str, text: Iterable[str], window: Window, found: Findings) -> Iterable[AuditLine]:
    """The audit lines of a log in the window; broken ones, and a log that does not reach as far back, are noted."""
    lines, broken, first, last, number = [], list[Broken](), None, None, 0
    for one in read_audit_lines(text):
        if isinstance(one, Broken):
            broken.append(one)
            continue
        number += 1
        first, last = min(first or one.time, one.time), max(last or one.time, one.time)
        if one.time in window:
            lines.append(one)
    for one in broken[:MOST_BROKEN]:
        found.notes.append(f"{name}, line {one.number}: {one.why}; it is left out.")
    if len(broken) > MOST_BROKEN:
        found.notes.append(f"{name}: {len(broken) - MOST_BROKEN} more lines cannot be read; they are left out.")
    if first is None or last is None:
        found.notes.append(f"{name} has no audit line at all.")
    elif not lines:
        found.notes.append(
            f"{name} has {number} audit lines, none of this time: from {first:%d %b %H:%M:%S} to {last:%d %b %H:%M:%S}."
        )
    elif first > window.start:
        found.notes.append(f"{name} begins {first:%d %b %H:%M:%S}: decisions before that may be missing.")
    return lines


def _audited(lines: Sequence[AuditLine], policy: Policy, places: Mapping[str, _Place]) -> Iterable[Line]:
    remediations = {one.name: one for one in policy.remediations}
    shown = set[str]()
    # Logs may overlap.
    for line in {line.text: line for line in lines}.values():
        if line.audit == "verification":
            yield _verified(line)
            continue
        if line.reason == Reason.HEARTBEAT and all(alert.name == HEARTBEAT_ALERT for alert in line.alerts):
            continue
        refusal = _refusal_id(line, remediations.get(line.remediation), places.get(line.target))
        # One Event stands for all refusals of its span, and was written with the first.
        yield _decided(line, "" if refusal in shown else refusal)
        shown.add(refusal)
        for alert in line.alerts:
            if alert.began and alert.name:
                value = f", value {alert.value}" if alert.value else ""
                yield Line(
                    time=alert.began,
                    kind=Kind.ALERT,
                    text=_short(f"{alert.name} fires{value}"),
                    sources=(Source.AUDIT,),
                    subject=alert.name,
                    id=f"alert/{alert.name}/{alert.began.isoformat()}",
                    topics=frozenset({firing_topic(alert.name)}),
                )


def _verified(line: AuditLine) -> Line:
    return Line(
        time=line.time,
        kind=Kind.VERIFICATION,
        text=_short(f"{line.target}: {line.verdict}: {line.message}"),
        sources=(Source.AUDIT,),
        subject=line.target,
        id=_verification_id(line.action_id, line.verdict) if line.action_id else "",
        topics=frozenset({verification_topic(line.target, line.effect, line.verdict)}),
    )


def _decided(line: AuditLine, refusal: str) -> Line:
    kind = _kind(line.reason)
    seen = dict.fromkeys(f"{alert.name} {alert.value}".strip() for alert in line.alerts)
    alerts = f" ({', '.join([*seen][:4])})" if seen else ""
    if applied := line.reason == Reason.APPLIED and bool(line.action_id):
        text = f"{line.target}: {line.message} by {line.remediation}{alerts}"
    else:
        who = ": ".join(filter(None, (line.target, line.remediation, line.reason)))
        text = f"{who}: {line.message}{alerts}"
    return Line(
        time=line.time,
        kind=kind,
        text=_short(text),
        sources=(Source.AUDIT,),
        subject=line.target if applied else line.remediation,
        id=f"act/{line.action_id}" if applied else refusal,
        topics=frozenset({outcome_topic(line.remediation, line.reason)}),
        alerts=line.alert_count,
        repeats="" if kind is Kind.ACT else line.reason,
    )


def _refusal_id(line: AuditLine, remediation: Remediation | None, place: _Place | None) -> str:
    """The id of the Event that was written with this line, or empty where there is none."""
    if not remediation or not place:
        return ""
    span = act_or_span(line.action_id, remediation.cooldown, line.time)
    name = event_name(place.target, place.uid, remediation.name, line.reason, span)
    same = any(event.name == name and abs(event.time - line.time) < SAME_SECOND for event in place.events)
    return f"event/{name}" if same else ""


def _write_id(target: Target, manager: str, moment: datetime) -> str:
    return f"write/{target.name}/{manager}/{moment.isoformat()}"


def _verification_id(action_id: str, verdict: str) -> str:
    return f"verification/{action_id}/{verdict}"


def _short(text: str) -> str:
    text = printable(text).strip()
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def outcome_topic(remediation: str, reason: str) -> str:
    """What the counter of outcomes counts."""
    return f"outcome/{remediation}/{reason}"


def verification_topic(target: str, effect: str, verdict: str) -> str:
    """What the counter of verifications counts."""
    return f"verification/{target}/{effect}/{verdict}"


def value_topic(target: Target, name: str, value: int) -> str:
    """What the gauges of the percentage and the replicas show."""
    return f"value/{target.name}/{name}/{value}"


def act_topic(target: Target, effect: str) -> str:
    """What the gauge of the last act shows."""
    return f"act/{target.name}/{effect}"


def firing_topic(alert: str) -> str:
    """What ALERTS shows."""
    return f"firing/{alert}"
