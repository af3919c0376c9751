"""Times as Kubernetes, Prometheus and Alertmanager write them: RFC 3339. Pure."""

from datetime import UTC, datetime


def format_time(time: datetime, timespec: str = "auto") -> str:
    """A time in UTC, to the second, to milliseconds or to microseconds."""
    return time.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def parse_time(value: object) -> datetime | None:
    """A time in UTC, or None for what is none; Go writes no time as the year 1."""
    try:
        time = datetime.fromisoformat(str(value)[:40])
        return time.astimezone(UTC) if time.tzinfo and time.year > 1 else None
    except (ValueError, OverflowError):
        return None
