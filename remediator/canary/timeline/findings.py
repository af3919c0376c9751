"""The parts of a timeline: lines from several sources, with the ids and topics by which they are merged.

Lines with the same id are about the same event. Lines with the same topic may be: for example, the increase of a
counter and a line of a log.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from remediator.core.policy import Target
from remediator.core.reasons import Reason
from remediator.core.text import printable
from remediator.core.timeline import Kind, Line
from remediator.core.verification import Verdict
from remediator.core.workload import Workload

MAX_TEXT = 400

SAME_SECOND = timedelta(seconds=1)


@dataclass(kw_only=True)
class Findings:
    """Lines from several sources, and notes about what is missing."""

    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Notes about sources that were not asked, did not answer, or cannot be read."""
    workloads: dict[Target, Workload] = field(default_factory=dict)
    """The current targets, as far as they can be read."""
    failed: bool = False
    """Whether a source that was asked did not answer."""

    def fail(self, note: str) -> None:
        """Add a note about a source that did not answer."""
        self.notes.append(note)
        self.failed = True


def kind_of(word: str) -> Kind:
    """The kind of line for a reason or a verdict."""
    if word in set(Verdict):
        return Kind.VERIFICATION
    return Kind.ACT if word in (Reason.APPLIED, Reason.DRY_RUN) else Kind.DECISION


def short(text: str) -> str:
    """A text from any source, made printable and cut to one line."""
    text = printable(text).strip()
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def write_id(target: Target, manager: str, moment: datetime) -> str:
    """The id of a program's last write."""
    return f"write/{target.name}/{manager}/{moment.isoformat()}"


def verification_id(action_id: str, verdict: str) -> str:
    """The id of a verdict on an act."""
    return f"verification/{action_id}/{verdict}"


def outcome_topic(remediation: str, reason: str) -> str:
    """The topic of the counter of outcomes."""
    return f"outcome/{remediation}/{reason}"


def verification_topic(target: str, effect: str, verdict: str) -> str:
    """The topic of the counter of verifications."""
    return f"verification/{target}/{effect}/{verdict}"


def value_topic(target: Target, name: str, value: int) -> str:
    """The topic of the gauges of the percentage and the replicas."""
    return f"value/{target.name}/{name}/{value}"


def act_topic(target: Target, effect: str) -> str:
    """The topic of the gauge of the last act."""
    return f"act/{target.name}/{effect}"


def firing_topic(alert: str) -> str:
    """The topic of the series ALERTS."""
    return f"firing/{alert}"
