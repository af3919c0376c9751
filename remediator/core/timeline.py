"""What happened, from several sources in one order: what they say of the same thing is one line. Pure.

The rule of this file: nothing is dropped. A line goes into another one only where both have the same identity, or
where one is known only to within some time and the other is about the same in that time; the source stays named.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

TOGETHER = timedelta(hours=1)
"""Repetitions further apart are of two incidents."""


class Source(StrEnum):
    """Who says so. Of several who say the same, the first one's words and time count."""

    LEDGER = "ledger"
    AUDIT = "audit log"
    EVENT = "Event"
    MANAGED_FIELDS = "managedFields"
    ANNOTATION = "annotation"
    REPLICA_SET = "ReplicaSet"
    PROMETHEUS = "Prometheus"
    REVIEW = "review"


class Kind(StrEnum):
    """What a line is about. Of the same moment, the order is that of cause and effect."""

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
"""How far two clocks may differ unnoticed: a Date header has no fractions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened."""

    time: datetime
    kind: Kind
    text: str
    sources: tuple[Source, ...]
    subject: str = ""
    """The alert, remediation or target; only lines of one subject are repetitions of each other."""
    id: str = ""
    """Lines with the same id are one thing; empty where nothing else can be the same."""
    topics: frozenset[str] = frozenset()
    """What it is about, in the words that a less exact source has for it."""
    to_second: bool = False
    """Whether the time has no fraction: then it comes after what happened in the same second."""
    within: timedelta = timedelta(0)
    """Where not 0, it happened at most so long before `time`, and is looked for among the exact lines."""
    alerts: int = 0
    """How many alerts it is about, 0 where that is not known or does not matter."""
    repeats: str = ""
    """Lines of a subject that follow each other with the same word here are shown as one."""
    times: int = 1
    until: datetime | None = None
    """When the last of several was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time that is asked for."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment <= self.end


def arrange(lines: Iterable[Line], window: Window, slack: timedelta = SLACK) -> list[Line]:
    """The lines of a time, each thing once, by time. `slack` is how far the sources' clocks may differ."""
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
    """Lines about the same thing as one: the words of the best source, and all that any of them knows."""
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
    """The lines, without those of which a more exact one knows better when they were.

    A number of alerts is absorbed by as many: what is more than the exact lines have stays as a line.
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
    """Those from one moment to another, of some that are in order."""
    first = bisect_left(moments, earliest, key=lambda moment: moment[0])
    return moments[first : bisect_right(moments, latest, key=lambda moment: moment[0])]


def _collapse(lines: Sequence[Line]) -> list[Line]:
    """Ordered lines, with each run of repetitions of a subject as its first one."""
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
    """Whether a later line only says the same again."""
    return line.repeats == other.repeats and other.time - (line.until or line.time) <= TOGETHER
