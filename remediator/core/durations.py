"""Durations as Prometheus writes them: `30s`, `1h30m`, `2w`; a day has 24 h and a year 365 days."""

import re
from datetime import timedelta
from functools import lru_cache

_UNITS = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
MAX = 100 * _UNITS["y"]
"""Keeps dates computed from durations within the calendar."""

_DURATION = re.compile("".join(rf"(?:(\d+){unit})?" for unit in _UNITS), re.ASCII)


@lru_cache(maxsize=128)
def parse_duration(text: str) -> timedelta:
    """Parse a duration: units from the largest to the smallest, each at most once.

    Raises ValueError, with an example of what is allowed.
    """
    found = _DURATION.fullmatch(text)
    if text == "0":
        return timedelta(0)
    if not text or found is None:
        raise ValueError(f"{text!r} is not a duration; write it as in Prometheus: 30s, 10m, 1h30m, 2d")
    pairs = zip(found.groups(), _UNITS.values(), strict=True)
    # Over 18 digits any unit is too long, and int() rejects over 4300 digits with a message of its own.
    milliseconds = sum(int(number) * size if len(number) <= 18 else MAX + 1 for number, size in pairs if number)
    if milliseconds > MAX:
        raise ValueError(f"{text[:40]!r} is longer than any duration can be, which is 100 years")
    return timedelta(milliseconds=milliseconds)


def format_duration(duration: timedelta) -> str:
    """Format a non-negative duration in its two largest units, seconds rounded up: `29m58s`, `1d2h`, `0s`."""
    milliseconds = -(-duration // timedelta(milliseconds=1))
    if 0 < milliseconds < 1_000:
        return f"{milliseconds}ms"
    rest = -(-max(milliseconds, 0) // 1_000) * 1_000
    parts: list[str] = []
    for unit, size in _UNITS.items():
        if unit in ("y", "w", "ms"):
            continue
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"
