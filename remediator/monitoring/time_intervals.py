"""Alertmanager's time intervals: when a route is muted, or is not active.

Pure; time is an argument. The rule of this file: an interval that cannot be parsed, or has an unknown location, is
Unreadable; it never counts as "not muted".
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from remediator.core.parts import as_list, as_map

DAY = 24 * 60
AHEAD = 366
"""How many days ahead to search for the next muted time."""

_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


class Unreadable(ValueError):
    """The interval cannot be parsed; the error says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Muting:
    """A period in which a route sends nothing."""

    now: bool
    day: date
    """The day on which it is, or comes next, in the time zone of the first interval."""


def find_muting(intervals: Sequence[Mapping[str, Any]], *, active: bool, now: datetime) -> Muting | None:
    """When a route with these intervals is next muted within a year, if ever.

    `intervals` are the items of all time intervals that the route names: it is muted in any of them, or with `active`
    outside of all of them. Raises Unreadable.
    """
    zones = {str(one.get("location") or "UTC") for one in intervals}
    if len(zones) > 1:
        raise Unreadable(f"they are in several time zones: {', '.join(sorted(zones))}")
    local = now.astimezone(_zone(next(iter(zones), "UTC")))
    for ahead in range(AHEAD):
        day = local.date() + timedelta(days=ahead)
        minutes = [span for one in intervals for span in _minutes(one, day)]
        from_minute = local.hour * 60 + local.minute if ahead == 0 else 0
        muted = _first(minutes, from_minute, active)
        if muted is not None:
            return Muting(now=ahead == 0 and muted == from_minute, day=day)
    return None


def _first(spans: list[tuple[int, int]], start: int, active: bool) -> int | None:
    """The first minute in the rest of a day that is in one of the spans, or with `active` in none."""
    for minute in range(start, DAY):
        inside = any(begin <= minute < end for begin, end in spans)
        if inside is not active:
            return minute
    return None


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if name == "Local":
        raise Unreadable("its location is Alertmanager's own")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Unreadable(f"the location {name[:60]!r} is not known here") from error


def _minutes(interval: Mapping[str, Any], day: date) -> Iterator[tuple[int, int]]:
    """The minutes of a day that are in the interval."""
    unknown = set(interval) - {"times", "weekdays", "days_of_month", "months", "years", "location"}
    if unknown:
        raise Unreadable(f"{', '.join(sorted(map(str, unknown)))[:100]} is not known here")
    last = monthrange(day.year, day.month)[1]
    weekday = (day.weekday() + 1) % 7
    fits = (
        _in(interval.get("weekdays"), weekday, lambda text: _place(_WEEKDAYS, text)),
        _in(interval.get("days_of_month"), day.day, lambda text: _day_of_month(text, last), most=last),
        _in(
            interval.get("months"),
            day.month,
            lambda text: _number(text) if text.isdigit() else _place(_MONTHS, text) + 1,
        ),
        _in(interval.get("years"), day.year, _number),
    )
    if not all(fits):
        return
    times = interval.get("times")
    if not times:
        yield 0, DAY
    for one in as_list(times):
        span = as_map(one)
        yield _minute(span.get("start_time")), _minute(span.get("end_time"))


def _in(ranges: Any, value: int, read: Any, *, most: int | None = None) -> bool:
    """Whether a value is in one of the ranges, ends included; true if there are no ranges."""
    if ranges is None or ranges == []:
        return True
    if not isinstance(ranges, list):
        raise Unreadable(f"{str(ranges)[:60]!r} is not a list")
    # All are parsed, so that an invalid one is never skipped.
    found = [_within(str(one), value, read, most) for one in ranges]
    return any(found)


def _within(text: str, value: int, read: Any, most: int | None) -> bool:
    first, _, last = text.strip().lower().partition(":")
    begin, end = read(first), read(last or first)
    if most is not None:
        # A range that starts after the end of a short month does not apply to it.
        if begin > most:
            return False
        begin, end = max(begin, 1), min(end, most)
    return bool(begin <= value <= end)


def _place(names: Sequence[str], text: str) -> int:
    if text not in names:
        raise Unreadable(f"{text[:40]!r} is not known here")
    return names.index(text)


def _number(text: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 6):
        raise Unreadable(f"{text[:40]!r} is no number")
    return int(text)


def _day_of_month(text: str, last: int) -> int:
    number = _number(text)
    # Days from the end count backwards: -1 is the last.
    return number if number >= 0 else last + 1 + number


def _minute(text: Any) -> int:
    # YAML 1.1 parses an unquoted 09:30 as a base-60 number.
    if isinstance(text, int) and not isinstance(text, bool) and 0 <= text <= DAY:
        return text
    hour, colon, minute = str(text).partition(":")
    found = _number(hour) * 60 + _number(minute) if colon else -1
    if not 0 <= found <= DAY:
        raise Unreadable(f"{str(text)[:40]!r} is no time of the day")
    return found
