"""The lines that the service writes to its audit log, read again from whatever `kubectl logs` shows. Pure.

The rule of this file: a line that is broken costs itself, and is named by its number. Nothing in a line is believed
to be short, of one line, or of the type that it should have.
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
"""Characters of a line; the service writes at most a few thousand."""

MAX_TEXT = 500

_PREFIX = re.compile(r"(?:\[[^\]]{0,300}\] )?(?:\d{4}-\d\d-\d\dT[0-9:.]{8,18}(?:Z|[+-]\d\d:\d\d) )?(?=\{)")
"""What `kubectl logs --prefix` and `--timestamps` put before a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedAlert:
    """An alert that a decision was about."""

    name: str
    fingerprint: str
    value: str
    began: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """A decision (`reason`), or what became of an act (`verdict`). Texts are short, of one line, or empty."""

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
    """The line itself, without what kubectl put before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A line that is to be an audit line and cannot be read."""

    number: int
    """From 1."""
    why: str


def read_audit_lines(lines: Iterable[str]) -> Iterator[AuditLine | Broken]:
    """The audit lines of a log, and the broken ones; logs and empty lines between them are passed over."""
    for number, line in enumerate(lines, start=1):
        found = _read(line.strip())
        if isinstance(found, str):
            yield Broken(number=number, why=found)
        elif found:
            yield found


def _read(line: str) -> AuditLine | str | None:
    """An audit line, why it is none although it should be, or None for another line of the log."""
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
        return None  # A log in JSON.
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
    """A number without the digits that nobody reads; any other text as it is."""
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < 1_000_000 else 0
