"""The part of a timeline that the audit log gives: every decision, its alerts, and the verification of acts."""

from collections.abc import Iterable, Mapping, Sequence

from remediator.canary.timeline.events import Place
from remediator.canary.timeline.findings import (
    SAME_SECOND,
    Findings,
    firing_topic,
    kind_of,
    outcome_topic,
    short,
    verification_id,
    verification_topic,
)
from remediator.core.audit_lines import AuditLine, Broken, read_audit_lines
from remediator.core.outcome import act_or_span, event_name
from remediator.core.policy import HEARTBEAT_ALERT, Policy, Remediation
from remediator.core.reasons import Reason
from remediator.core.timeline import Kind, Line, Source, Window

MOST_BROKEN = 5
"""How many broken lines of a log are named; the others are only counted."""


def add_logs(
    logs: Sequence[tuple[str, Iterable[str]]],
    policy: Policy,
    places: Sequence[Place],
    window: Window,
    found: Findings,
) -> None:
    """Add the lines of these logs, given as pairs of name and text."""
    audited = [line for name, text in logs for line in _read_log(name, text, window, found)]
    found.lines += _audited(audited, policy, {place.target.name: place for place in places})


def _read_log(name: str, text: Iterable[str], window: Window, found: Findings) -> Iterable[AuditLine]:
    """The audit lines of a log in the window; notes report broken lines, and a log that starts too late."""
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
            f"{name} has {number} audit lines, none in this period:"
            f" they are from {first:%d %b %H:%M:%S} to {last:%d %b %H:%M:%S}."
        )
    elif first > window.start:
        found.notes.append(f"{name} begins {first:%d %b %H:%M:%S}: decisions before that may be missing.")
    return lines


def _audited(lines: Sequence[AuditLine], policy: Policy, places: Mapping[str, Place]) -> Iterable[Line]:
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
        # One Event represents all refusals of its period, and was written with the first.
        yield _decided(line, "" if refusal in shown else refusal)
        shown.add(refusal)
        for alert in line.alerts:
            if alert.began and alert.name:
                value = f", value {alert.value}" if alert.value else ""
                yield Line(
                    time=alert.began,
                    kind=Kind.ALERT,
                    text=short(f"{alert.name} fires{value}"),
                    sources=(Source.AUDIT,),
                    subject=alert.name,
                    id=f"alert/{alert.name}/{alert.began.isoformat()}",
                    topics=frozenset({firing_topic(alert.name)}),
                )


def _verified(line: AuditLine) -> Line:
    return Line(
        time=line.time,
        kind=Kind.VERIFICATION,
        text=short(f"{line.target}: {line.verdict}: {line.message}"),
        sources=(Source.AUDIT,),
        subject=line.target,
        id=verification_id(line.action_id, line.verdict) if line.action_id else "",
        topics=frozenset({verification_topic(line.target, line.effect, line.verdict)}),
    )


def _decided(line: AuditLine, refusal: str) -> Line:
    kind = kind_of(line.reason)
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
        text=short(text),
        sources=(Source.AUDIT,),
        subject=line.target if applied else line.remediation,
        id=f"act/{line.action_id}" if applied else refusal,
        topics=frozenset({outcome_topic(line.remediation, line.reason)}),
        alerts=line.alert_count,
        repeats="" if kind is Kind.ACT else line.reason,
    )


def _refusal_id(line: AuditLine, remediation: Remediation | None, place: Place | None) -> str:
    """The id of the Event that was written with this line, or empty if there is none."""
    if not remediation or not place:
        return ""
    span = act_or_span(line.action_id, remediation.cooldown, line.time)
    name = event_name(place.target, place.uid, remediation.name, line.reason, span)
    same = any(event.name == name and abs(event.time - line.time) < SAME_SECOND for event in place.events)
    return f"event/{name}" if same else ""
