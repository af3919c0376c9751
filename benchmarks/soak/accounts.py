"""Whether what clients were told, what the service counted and wrote, and what the API server has come to the same.

Whoever left or was cut off cannot know what became of it: for those there is a range. All else has to be equal.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.soak.book import LATE_SECONDS, Book, Told
from tests.acceptance.fleet import Member

_UNANSWERED_WRITE = "gave no answer when"
"""Of the message of a write that was sent and was not there when it was looked for; it may have come later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a service has counted, written and logged since it started."""

    notifications: Counter[int]
    outcomes: Counter[Told]
    dropped: Mapping[str, int]
    cuts: int
    """Connections that it closed without an answer."""
    decisions: Sequence[Mapping[str, Any]]
    """Its audit lines of decisions."""
    log: str

    @classmethod
    def of(cls, service: Member) -> "Record":
        """That of a service at which nothing is under way."""
        families = text_string_to_metric_families(service.get("/metrics")[1])
        samples = [sample for family in families for sample in family.samples]

        def of(name: str, *labels: str) -> dict[Any, int]:
            found = [one for one in samples if one.name == name and one.value]
            return {tuple(one.labels[label] for label in labels): int(one.value) for one in found}

        lines = [json.loads(line) for line in service.output.read_text().splitlines()]
        return cls(
            notifications=Counter(
                {int(code): number for (code,), number in of("remediator_notifications_total", "code").items()}
            ),
            outcomes=Counter(of("remediator_outcomes_total", "remediation", "reason")),
            dropped={kind: number for (kind,), number in of("remediator_records_dropped_total", "kind").items()},
            cuts=sum(of("remediator_connections_cut_total", "reason").values()),
            decisions=[line for line in lines if line["audit"] == "decision"],
            log=service.log.read_text(errors="replace"),
        )


def discrepancies(book: Book, record: Record, acts: Mapping[str, int]) -> Iterator[str]:
    """Everything that does not come to the same. `acts` are changes by target, as the API server has them."""
    yield from _answers(book)
    yield from _notifications(book, record)
    yield from _outcomes(book, record)
    yield from _audit(book, record)
    yield from _acts(record, acts)
    if faults := record.log.count("Traceback"):
        yield f"{faults} tracebacks in the log"


def _answers(book: Book) -> Iterator[str]:
    for kind, number in book.unanswered.items():
        yield f"{number} whole requests ({kind}) got no answer: their connections were closed"
    for what, number in book.unexpected.items():
        yield f"{number} answers with an unexpected code: {what}"
    if book.late:
        yield f"{book.late} answers came after more than {LATE_SECONDS:.0f} s, the last after {book.slowest:.1f} s"


def _notifications(book: Book, record: Record) -> Iterator[str]:
    """Equal for each code, but for those whose senders were not there to be told."""
    more = {code: record.notifications[code] - book.answered[code] for code in record.notifications | book.answered}
    whole, cut = more.pop(200, 0) + more.pop(503, 0), more.pop(400, 0)
    if whole < book.gone or cut < 0 or whole + cut > book.gone + book.unanswered.total() + book.cut:
        # One that was cut off is refused like a whole one while there are too many.
        yield (
            f"{whole} more were counted with 200 or 503 than answered, and {cut} with 400;"
            f" {book.gone} clients had left, and {book.cut} were cut off"
        )
    if record.cuts > book.cut:
        yield f"{record.cuts} connections were cut, and only {book.cut} clients had not sent all of their request"
    for code, number in more.items():
        if number:
            yield f"remediator_notifications_total counts {number} more with code {code} than were answered"


def _outcomes(book: Book, record: Record) -> Iterator[str]:
    for told in sorted(record.outcomes | book.outcomes):
        counted, answered = record.outcomes[told], book.outcomes[told]
        if told[0] != "gone" and counted != answered:
            yield f"remediator_outcomes_total counts {counted} for {told}, and {answered} alerts were answered so"
    gone = sum(number for (remediation, _), number in record.outcomes.items() if remediation == "gone")
    refused = record.notifications[503] > book.answered[503]
    if gone > book.gone_alerts or (gone < book.gone_alerts and not refused):
        yield f"clients left with {book.gone_alerts} alerts, and {gone} of them were decided"


def _audit(book: Book, record: Record) -> Iterator[str]:
    if lost := record.dropped.get("audit"):
        yield f"{lost} audit lines were dropped"
    lines = sum(line.get("remediation") != "gone" for line in record.decisions)
    if lines != book.decisions:
        yield f"{lines} audit lines of decisions, and {book.decisions} decisions were answered"
    written = Counter[Told]()
    for line in record.decisions:
        written[line.get("remediation", ""), line["reason"]] += line["alertCount"]
    for told in sorted(written | record.outcomes):
        if written[told] != record.outcomes[told]:
            yield f"audit lines tell of {written[told]} alerts with {told}, and {record.outcomes[told]} were counted"
    events, said = record.dropped.get("event", 0), record.log.count('msg="event not written"')
    if events != said:
        yield f"{events} Events were dropped, and the log tells of {said}"


def _acts(record: Record, acts: Mapping[str, int]) -> Iterator[str]:
    """Each act is one change, and each change one act; a write whose answer was lost may be either."""
    done, open_ = Counter[str](), Counter[str]()
    for line in record.decisions:
        if line["reason"] == "Applied":
            done[line["target"]] += 1
        elif "actionId" in line or _UNANSWERED_WRITE in line.get("message", ""):
            open_[line["target"]] += 1
    for target, changes in acts.items():
        if not done[target] <= changes <= done[target] + open_[target]:
            yield f"{target} was changed {changes} times, and {done[target]} acts were recorded, {open_[target]} open"
