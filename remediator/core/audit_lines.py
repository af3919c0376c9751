"""Parses the service's audit lines from the output of `kubectl logs`. Pure.

The rule of this file: a broken line is skipped and reported by its number. Nothing in a line is trusted to be short, a
single line, or of the right type.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.core.parts import as_list, as_map
from remediator.core.text import printable
from remediator.core.times import parse_time

MAX_LINE = 1_048_576
"""The longest line in characters; the service writes at most a few thousand."""

MAX_TEXT = 500

_PREFIX = re.compile(r"(?:\[[^\]]{0,300}\] )?(?:\d{4}-\d\d-\d\dT[0-9:.]{8,18}(?:Z|[+-]\d\d:\d\d) )?(?=\{)")
"""The prefixes that `kubectl logs --prefix` and `--timestamps` add to a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedAlert:
    """An alert that a decision was about."""

    name: str
    fingerprint: str
    value: str
    began: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """A decision (`reason`), or the verification of an act (`verdict`). Texts are short, single lines, or empty."""

    time: datetime
    audit: str
    reason: str
    verdict: str
    message: str
    remediation: str
    target: str
    effect: str
    action_id: str
    cluster: str
    alert_count: int
    alerts: tuple[AuditedAlert, ...]
    text: str
    """The line without kubectl's prefixes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A line that should be an audit line but cannot be parsed."""

    number: int
    """From 1."""
    why: str


def read_audit_lines(lines: Iterable[str]) -> Iterator[AuditLine | Broken]:
    """The audit lines of a log, and the broken ones; other log lines and empty lines are skipped."""
    for number, line in enumerate(lines, start=1):
        found = _read(line.strip())
        if isinstance(found, str):
            yield Broken(number=number, why=found)
        elif found:
            yield found


def _read(line: str) -> AuditLine | str | None:
    """Parse a line: an audit line, the problem of a broken one, or None for any other log line."""
    prefix = _PREFIX.match(line)
    if not prefix:
        return None
    text = line[prefix.end() :]
    if len(text) > MAX_LINE:
        return f"is longer than {MAX_LINE} characters"
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return "is no complete JSON object"
    if not isinstance(fields, Mapping) or "audit" not in fields:
        return None  # A JSON log line that is not an audit line.
    time = parse_time(fields.get("time"))
    if time is None:
        return "has no time that can be read"
    if fields["audit"] not in ("decision", "verification"):
        return f"is of a kind that this version does not know: {_text(fields['audit'])[:40]}"
    return AuditLine(
        time=time,
        audit=fields["audit"],
        text=text,
        alert_count=_count(fields.get("alertCount")),
        alerts=tuple(_alert(as_map(one)) for one in as_list(fields.get("alerts"))[:100]),
        action_id=_text(fields.get("actionId")),
        **{
            name: _text(fields.get(name))
            for name in ("reason", "verdict", "message", "remediation", "target", "effect", "cluster")
        },
    )


def _alert(fields: Mapping[str, Any]) -> AuditedAlert:
    return AuditedAlert(
        name=_text(fields.get("alertname")),
        fingerprint=_text(fields.get("fingerprint")),
        value=_number(_text(fields.get("value"))),
        began=parse_time(fields.get("startsAt")),
    )


def _text(value: object) -> str:
    return "" if value is None else printable(str(value)[:MAX_TEXT]).strip()


def _number(text: str) -> str:
    """A number rounded for people; any other text unchanged."""
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < 1_000_000 else 0
