"""The status page: /api/v1/status as HTML. Pure: the same status gives the same page.

Text from annotations, files and the API server is untrusted. The template escapes it, and control characters (such as
those that reverse the reading direction) are shown by their numbers, as in Python.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from remediator.core.checks import DOCS
from remediator.core.durations import format_duration
from remediator.core.effects import Effect

MAX_CHARACTERS = 400
"""The most characters of foreign text; /api/v1/status has all of it."""

_UNREADABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def render(status: Mapping[str, Any]) -> str:
    """Render the page for the `data` of /api/v1/status."""
    return _environment.get_template("status.html").render(status=status)


def _readable(text: object) -> str:
    """The text with its control characters as `\\u202e`, cut where it would bury what comes after it."""
    cut = str(text)[:MAX_CHARACTERS] + "…" * (len(str(text)) > MAX_CHARACTERS)
    return _UNREADABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", cut)


def _utc(time: str, now: str = "") -> str:
    """Format a time, without the date if that is today's; returns other text unchanged."""
    try:
        date, clock = f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M:%S}".split()
    except (ValueError, OverflowError):
        return _readable(time)
    return f"{clock} UTC" if now.startswith(date) else f"{date} {clock} UTC"


def _ago(time: str, now: str) -> str:
    """How long ago a moment was, in full seconds."""
    elapsed = max(datetime.fromisoformat(now) - datetime.fromisoformat(time), timedelta(0))
    return f"{format_duration(elapsed // timedelta(seconds=1) * timedelta(seconds=1))} ago"


def _left(time: str, now: str) -> str:
    """How long until a moment, seconds rounded up."""
    left = datetime.fromisoformat(time) - datetime.fromisoformat(now)
    return f"{format_duration(max(-(-left // timedelta(seconds=1)), 0) * timedelta(seconds=1))} left"


_environment = Environment(
    loader=PackageLoader("remediator.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"readable": _readable, "utc": _utc, "ago": _ago, "left": _left}
_environment.globals |= {"effect_of": Effect.of, "docs": DOCS}
