"""Merges what several sources report into one ordered list, with one line for each event. Pure.

The rule of this file: nothing is dropped. A line is merged into another only if both have the same identity, or if one
is inexact in time and the other is about the same thing within that time; its source stays named.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

TOGETHER = timedelta(hours=1)
"""Repetitions further apart than this belong to different incidents."""


class Source(StrEnum):
    """The source of a line, best first: if several report the same event, the first one's text and time are used."""

    LEDGER = "ledger"
    AUDIT = "audit log"
    EVENT = "Event"
    MANAGED_FIELDS = "managedFields"
    ANNOTATION = "annotation"
    REPLICA_SET = "ReplicaSet"
    PROMETHEUS = "Prometheus"
    REVIEW = "review"


class Kind(StrEnum):
    """The kind of a line. At the same moment, lines are ordered as cause and effect."""

    ALERT = "alert"
    NOTIFICATION = "notification"
    DECISION = "decision"
    ACT = "act"
    PERSON = "person"
    WRITE = "write"
    ROLLOUT = "rollout"
    STATE = "state"
    VERIFICATION = "verification"
    VERDICT = "verdict"


_RANK = {kind: number for number, kind in enumerate(Kind)}
_PRECEDENCE = {source: number for number, source in enumerate(Source)}

SLACK = timedelta(seconds=2)
"""How far two clocks may differ unnoticed: a Date header has whole seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event."""

    time: datetime
    kind: Kind
    text: str
    sources: tuple[Source, ...]
    subject: str = ""
    """The alert, remediation or target; only lines of one subject are repetitions of each other."""
    id: str = ""
    """Lines with the same id are one event; empty if no other line can be the same event."""
    topics: frozenset[str] = frozenset()
    """Identifies the event for a less exact source."""
    to_second: bool = False
    """Whether the time is in whole seconds: it then sorts after everything in the same second."""
    within: timedelta = timedelta(0)
    """If not 0, it happened at most this long before `time`, and is matched with the exact lines."""
    alerts: int = 0
    """How many alerts it is about, or 0 if not known or irrelevant."""
    repeats: str = ""
    """Consecutive lines of a subject with the same value here are shown as one."""
    times: int = 1
    until: datetime | None = None
    """The time of the last repetition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The period of the timeline."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment <= self.end


def arrange(lines: Iterable[Line], window: Window, slack: timedelta = SLACK) -> list[Line]:
    """The lines of a window in order, each event once. `slack` is how far the sources' clocks may differ."""
    known = _by_identity(lines)
    exact, vague = [line for line in known if not line.within], [line for line in known if line.within]
    together = _absorb(exact, vague, slack)
    return _collapse(sorted((line for line in together if line.time in window), key=_order))


def _order(line: Line) -> tuple[datetime, int, str, str, str]:
    latest = line.time.replace(microsecond=999_999) if line.to_second else line.time
    return latest, _RANK[line.kind], line.subject, line.text, line.id


def _by_identity(lines: Iterable[Line]) -> list[Line]:
    found: dict[str, list[Line]] = {}
    for number, line in enumerate(lines):
        found.setdefault(line.id or f"line {number}", []).append(line)
    return [same[0] if len(same) == 1 else _merge(same) for same in found.values()]


def _merge(lines: Sequence[Line]) -> Line:
    """Merge lines about the same event: the best source's text, with everything that any source knows."""
    ranked = sorted(lines, key=lambda line: (_PRECEDENCE[line.sources[0]], line.time))
    return replace(
        ranked[0],
        sources=_sources(ranked),
        topics=frozenset[str]().union(*(line.topics for line in ranked)),
        alerts=max(line.alerts for line in ranked),
    )


def _sources(lines: Iterable[Line]) -> tuple[Source, ...]:
    return tuple(sorted({source for line in lines for source in line.sources}, key=_PRECEDENCE.__getitem__))


def _absorb(exact: Sequence[Line], vague: Sequence[Line], slack: timedelta) -> list[Line]:
    """The lines, without those that a more exact line replaces.

    A line about several alerts is replaced by as many exact ones; if there are fewer, the rest stays as a line.
    """
    known, left = [*exact], [line.alerts for line in exact]
    by_topic: dict[str, list[tuple[datetime, int]]] = {}
    for index, line in enumerate(known):
        for topic in line.topics:
            by_topic.setdefault(topic, []).append((line.time, index))
    for moments in by_topic.values():
        moments.sort()
    for line in sorted(vague, key=lambda line: (line.within, _order(line))):
        earliest, latest = line.time - line.within - slack, line.time + slack
        near = sorted(
            {
                (moment, index)
                for topic in line.topics
                for moment, index in _between(by_topic.get(topic, []), earliest, latest)
                if known[index].within < line.within
            }
        )
        missing = line.alerts
        for _, index in near:
            if line.alerts and known[index].alerts:
                taken = min(missing, left[index])
                if not taken:
                    continue
                missing, left[index] = missing - taken, left[index] - taken
            else:
                missing = 0
            known[index] = replace(known[index], sources=_sources((known[index], line)))
        if not near or missing:
            for topic in line.topics:
                insort(by_topic.setdefault(topic, []), (line.time, len(known)))
            known.append(replace(line, alerts=missing))
            left.append(missing)
    return known


def _between(
    moments: Sequence[tuple[datetime, int]], earliest: datetime, latest: datetime
) -> Sequence[tuple[datetime, int]]:
    """The lines between two times, from a sorted sequence."""
    first = bisect_left(moments, earliest, key=lambda moment: moment[0])
    return moments[first : bisect_right(moments, latest, key=lambda moment: moment[0])]


def _collapse(lines: Sequence[Line]) -> list[Line]:
    """Collapse each run of repetitions of a subject, in sorted lines, into its first line."""
    found: list[Line] = []
    last: dict[str, int] = {}
    for line in lines:
        index = last.get(line.subject)
        if index is not None and line.repeats and _repeats(found[index], line):
            first = found[index]
            found[index] = replace(
                first,
                times=first.times + line.times,
                until=line.time,
                alerts=first.alerts + line.alerts,
                sources=_sources((first, line)),
            )
            continue
        last[line.subject] = len(found)
        found.append(line)
    return found


def _repeats(line: Line, other: Line) -> bool:
    """Whether a later line is a repetition."""
    return line.repeats == other.repeats and other.time - (line.until or line.time) <= TOGETHER
