"""The part of a timeline that Kubernetes Events give; they may duplicate lines of other sources."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.canary.timeline.findings import (
    Findings,
    kind_of,
    outcome_topic,
    short,
    verification_id,
    verification_topic,
)
from remediator.core.outcome import event_name
from remediator.core.parts import as_map
from remediator.core.policy import Policy, Target
from remediator.core.reasons import Reason
from remediator.core.text import printable
from remediator.core.timeline import Kind, Line, Source
from remediator.core.times import parse_time
from remediator.core.verification import Verdict

REPORTER = "remediator.denis.run/"
"""The prefix of the name under which Remediator reports its Events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An Event of Remediator about a target."""

    name: str
    uid: str
    time: datetime
    reason: str
    effect: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A target with the Events about it."""

    target: Target
    uid: str
    events: tuple[Event, ...]


def add_events(places: Sequence[Place], policy: Policy, found: Findings) -> None:
    """Add the Events, after all acts: an act's own Event is merged into its line."""
    names = _names(found.lines, policy, places)
    for place in places:
        found.lines += (_event_line(event, place.target, policy, names) for event in place.events)


def _names(lines: Iterable[Line], policy: Policy, places: Iterable[Place]) -> dict[str, str]:
    """The ids of lines, by the names of the Events about the same thing."""
    acts = {line.id.removeprefix("act/") for line in lines if line.id.startswith("act/")}
    found = {}
    for place in places:
        for uid in {place.uid, *(event.uid for event in place.events)}:
            for action in acts:
                for verdict in Verdict:
                    name = event_name(place.target, uid, action, verdict)
                    found[name] = verification_id(action, verdict)
                for remediation in policy.remediations:
                    found[event_name(place.target, uid, remediation.name, Reason.APPLIED, action)] = f"act/{action}"
    return found


def read_event(item: Mapping[str, Any]) -> Event | None:
    """Parse an Event; None if it is not Remediator's."""
    metadata, about = as_map(item.get("metadata")), as_map(item.get("involvedObject"))
    moment = parse_time(item.get("eventTime") or item.get("firstTimestamp"))
    reporter = str(item.get("reportingComponent") or item.get("reportingController"))
    if not reporter.startswith(REPORTER) or about.get("kind") != "Deployment" or moment is None:
        return None
    return Event(
        name=str(metadata.get("name")),
        uid=str(about.get("uid")),
        time=moment,
        reason=printable(str(item.get("reason"))),
        effect=str(item.get("action")),
        note=printable(str(item.get("message"))),
    )


def _event_line(event: Event, target: Target, policy: Policy, names: Mapping[str, str]) -> Line:
    remediation = event.note.partition(":")[0]
    known = remediation in {one.name for one in policy.remediations}
    kind = kind_of(event.reason)
    text = event.note if kind is Kind.ACT else f"{event.reason}: {event.note}"
    return Line(
        time=event.time,
        kind=kind,
        text=short(f"{target.name}: {text}"),
        sources=(Source.EVENT,),
        subject=remediation if known and kind is Kind.DECISION else target.name,
        id=names.get(event.name, f"event/{event.name}"),
        topics=frozenset(
            {outcome_topic(remediation, event.reason), verification_topic(target.name, event.effect, event.reason)}
        ),
        repeats=event.reason if kind is Kind.DECISION else "",
    )
