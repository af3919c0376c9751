"""What must be equal: each change of a target is one recorded act, and each whole request has an expected answer."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.fleet import Member

LATE_SECONDS = 10.0
"""Alertmanager's shortest group_interval."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the clients sent and received."""

    sent: Counter[str] = field(default_factory=Counter)
    """Requests by kind."""
    answered: Counter[int] = field(default_factory=Counter)
    """Answers by code."""
    faults: Counter[str] = field(default_factory=Counter)
    """Whole requests that were answered late, not at all, or with an unexpected code."""

    def enter(self, kind: str, expected: frozenset[int], code: int, seconds: float) -> None:
        """Count an answer."""
        self.answered[code] += 1
        if code not in expected:
            self.faults[f"{kind}: answered {code}"] += 1
        if seconds > LATE_SECONDS:
            self.faults[f"{kind}: answered after more than {LATE_SECONDS:.0f} s"] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a service wrote and counted since it started."""

    decisions: Sequence[Mapping[str, Any]]
    """Its audit lines of decisions."""
    dropped_lines: int
    log: str

    @classmethod
    def of(cls, service: Member) -> "Record":
        """The record of a service that is at rest."""
        lines = [json.loads(line) for line in service.output.read_text().splitlines()]
        return cls(
            decisions=[line for line in lines if line["audit"] == "decision"],
            dropped_lines=int(service.counted("remediator_records_dropped_total", kind="audit")),
            log=service.log.read_text(errors="replace"),
        )


def discrepancies(tally: Tally, record: Record, changes: Mapping[str, int]) -> Iterator[str]:
    """Everything that is wrong. `changes` are those of each target, as the API server counts them."""
    yield from (f"{number} × {what}" for what, number in tally.faults.items())
    if record.dropped_lines:
        yield f"{record.dropped_lines} audit lines were dropped"
    if tracebacks := record.log.count("Traceback"):
        yield f"{tracebacks} tracebacks in the log"
    acts, unconfirmed = Counter[str](), Counter[str]()
    for line in record.decisions:
        if line["reason"] == "Applied":
            acts[line["target"]] += 1
        elif line["reason"] == "Unavailable" and ("actionId" in line or "record is not there" in line["message"]):
            unconfirmed[line["target"]] += 1
    for target, number in changes.items():
        # A write without an answer may have been done.
        if not acts[target] <= number <= acts[target] + unconfirmed[target]:
            yield f"{target} changed {number} times; {acts[target]} acts recorded, {unconfirmed[target]} unconfirmed"
