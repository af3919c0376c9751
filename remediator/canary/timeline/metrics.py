"""The part of a timeline that Prometheus gives: alerts, and Remediator's counters and gauges.

The rule of this file: a change between two samples becomes a line, exact to within a scrape; missing samples are noted,
and never taken for a change.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from remediator.canary.timeline.findings import (
    Findings,
    act_topic,
    firing_topic,
    outcome_topic,
    value_topic,
    verification_topic,
)
from remediator.core.durations import format_duration
from remediator.core.effects import AUTOMATIC
from remediator.core.matchers import Matcher
from remediator.core.policy import HEARTBEAT, HEARTBEAT_ALERT, Policy
from remediator.core.reasons import Reason
from remediator.core.sampled_series import Grid, SampledSeries, Span, spans
from remediator.core.text import printable
from remediator.core.timeline import Kind, Line, Source, Window
from remediator.core.verification import LAST_LOOKS, WATCHED
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.promql import LOOKBACK, Inlined
from remediator.monitoring.ranges import MAX_POINTS, Ranges

STEPS = (1, 5, 15)
"""Candidates for the step of queries in seconds: the first that covers the window in one query, else the last."""

SCRAPED_EVERY = timedelta(minutes=1)
"""Assumed if Prometheus does not report how often it scrapes Remediator."""

OBSERVED_EVERY = timedelta(seconds=10)
"""How late gauges may follow the Deployment: 5 s, and more if the API server is slow."""

SERVICE = 'last_over_time({__name__=~"remediator_(build_info|canary_percentage|replicas)"}[2m])'
"""Has no samples for times at which Prometheus recorded nothing of Remediator."""

ANYTHING = f'count(last_over_time({{__name__=~"up|denis:signal"}}[2m]) or {SERVICE})'
"""Has no samples for times at which Prometheus recorded nothing at all. Not every long-term store has `up`."""

NO_HEARTBEAT = timedelta(minutes=5)
"""A longer gap is shown: regular heartbeats come every minute or two."""

_CLASSIC = re.compile("[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


Fetch = Callable[[Inlined], Sequence[SampledSeries]]


class Recording:
    """What was recorded, at the moments of a grid.

    `fetch` returns the series of an expression, `scrape_interval` that of a job; both raise NoAnswer.
    """

    def __init__(
        self,
        grid: Grid,
        fetch: Fetch,
        policy: Policy,
        *,
        cluster: str = "",
        scrape_interval: Callable[[str], timedelta | None] = lambda job: None,
    ) -> None:
        self.grid, self._policy, self._cluster = grid, policy, cluster
        self._ask, self._ask_scrape_interval = fetch, scrape_interval
        self._scraped_every = SCRAPED_EVERY
        self._absent = bytearray(grid.count)
        self._up = self._absent

    @staticmethod
    def of(prometheus: Prometheus, policy: Policy, cluster: str, window: Window) -> "Recording":
        """The history of a Prometheus. Raises ValueError if the period is too short."""
        seconds = (window.end - window.start).total_seconds()
        step = next((step for step in STEPS if seconds / step < MAX_POINTS), STEPS[-1])
        grid = Grid.between(window.start, window.end, step)
        fetch, scrape_interval = Ranges(prometheus, grid).fetch, prometheus.scrape_interval
        return Recording(grid, fetch, policy, cluster=cluster, scrape_interval=scrape_interval)

    def add_to(self, found: Findings) -> None:
        """Add what was recorded; an error stops it, and becomes a note."""
        try:
            self._up = _any(self._fetch(ANYTHING)) or self._absent
            service = self._ours(self._fetch(SERVICE))
            self._scraped_every = self._longest_interval({series.labels.get("job", "") for series in service})
            found.notes += self._gaps("any target", self._up)
            if any(self._up):
                found.notes += self._service_notes(service)
            for lines in (
                self._alerts(),
                self._outcomes(),
                self._refused(),
                self._verifications(),
                self._values(),
                self._last_acts(),
                self._heartbeats(found.notes),
                self._armed(),
            ):
                found.lines += lines
        except NoAnswer as error:
            found.fail(f"Prometheus gave no full answer, so some of what it recorded is missing: {error}.")

    def _fetch(self, expression: str) -> Sequence[SampledSeries]:
        return self._ask(Inlined(text=expression, parts=(), lookback=LOOKBACK))

    def _ours(self, series: Iterable[SampledSeries]) -> list[SampledSeries]:
        """The series of this cluster, and those without a cluster label."""
        return [one for one in series if not self._cluster or one.labels.get("cluster", "") in ("", self._cluster)]

    def _longest_interval(self, jobs: Iterable[str]) -> timedelta:
        try:
            found = [self._ask_scrape_interval(job) for job in sorted(jobs)]
        except NoAnswer:
            return SCRAPED_EVERY
        return max((one for one in found if one), default=SCRAPED_EVERY)

    def _gaps(self, what: str, present: bytearray) -> Iterator[str]:
        """Note the gaps in which nothing was recorded."""
        if not any(present):
            yield f"Prometheus has no sample of {what} in the whole period."
            return
        for hole in spans(present, 0):
            first, last = self.grid.moment(hole.first), self.grid.moment(min(hole.after, self.grid.count - 1))
            if hole.moments * self.grid.step > 2 * self._scraped_every.total_seconds():
                yield (
                    f"Prometheus has no sample of {what} from {first:%d %b %H:%M:%S} to {_until(first, last)} "
                    f"({format_duration(last - first)}): anything it would have shown is missing."
                )

    def _service_notes(self, service: Sequence[SampledSeries]) -> Iterator[str]:
        either = map(max, _any(service) or self._absent, (1 - up for up in self._up))
        yield from self._gaps("Remediator", bytearray(either))
        whose = sorted({(one.labels.get("namespace", ""), one.labels.get("job", "")) for one in service})
        if len(whose) > 1:
            which = ", ".join("/".join(filter(None, one)) for one in whose)
            yield f"Prometheus has several Remediators ({which}); the counts of all of them are shown."

    def _line(self, index: int, kind: Kind, text: str, subject: str, within: timedelta, *topics: str) -> Line:
        return Line(
            time=self.grid.moment(index),
            kind=kind,
            text=printable(text),
            sources=(Source.PROMETHEUS,),
            subject=subject,
            topics=frozenset(topics),
            within=within + self.grid.length(1),
        )

    def _alerts(self) -> Iterator[Line]:
        """When alerts became pending, fired and ended; alerts of one rule at the same moment are one line."""
        states: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, bytearray]] = defaultdict(dict)
        for series in self._ours(self._fetch(_alerts_of(self._policy))):
            labels = {name: text for name, text in series.labels.items() if name not in ("__name__", "alertstate")}
            if self._is_elsewhere(labels):
                continue
            key = labels.get("alertname", ""), tuple(sorted(labels.items()))
            states[key][series.labels.get("alertstate", "")] = series.present
        moments: dict[tuple[int, str, str], int] = defaultdict(int)
        for (name, _), found in states.items():
            for index, word in self._changes(found):
                moments[index, name, word] += 1
        for (index, name, word), count in moments.items():
            several = f" ({count} series)" if count > 1 else ""
            topics = (firing_topic(name),) if word == "fires" else ()
            yield self._line(index, Kind.ALERT, f"{name} {word}{several}", name, timedelta(0), *topics)

    def _is_elsewhere(self, labels: dict[str, str]) -> bool:
        """Whether an alert is about a namespace without a target; Remediator's own does not count as one."""
        namespaces = {"", *(target.namespace for target in self._policy.targets)}
        own = labels.get("alertname", "").startswith("Remediator")
        return not own and self._policy.match(labels) is None and labels.get("namespace", "") not in namespaces

    def _changes(self, states: dict[str, bytearray]) -> Iterator[tuple[int, str]]:
        """The moments at which an alert changed, in words."""
        pending, firing = states.get("pending", self._absent), states.get("firing", self._absent)
        for span in spans(pending):
            if not span.first:
                yield 0, "is pending, since before this period"
            else:
                yield span.first, "is pending"
            if span.after < self.grid.count and not firing[span.after]:
                yield span.after, self._ended(span, "ends without firing")
        for span in spans(firing):
            yield span.first, "fires" if span.first else "fires, since before this period"
            if span.after < self.grid.count:
                lasted = format_duration(self.grid.length(span.moments))
                since = f"after {lasted}" if span.first else "which began before this period"
                yield span.after, self._ended(span, f"is resolved, {since}")

    def _ended(self, span: Span, words: str) -> str:
        """How a state ended; not known where Prometheus recorded nothing at all."""
        return words if self._up[span.after] else "is no longer known: Prometheus has no samples from here on"

    def _increases(self, series: SampledSeries) -> Iterator[tuple[int, int]]:
        """By how much a counter grew, and when; a first sample does not count if Prometheus's data begins there."""
        began = self._up.find(1) if 1 in self._up else self.grid.count
        last: float | None = None
        for index, value in enumerate(series.values):
            if value != value:
                continue
            first = 0.0 if index > began else value
            known = first if last is None else last
            grown = value - known if value >= known else value
            last = value
            if grown >= 1:
                yield index, round(grown)

    def _counted(self, expression: str, *labels: str) -> Iterator[tuple[int, tuple[str, ...], int]]:
        """The growth of counters by their labels, of all replicas together."""
        grown: dict[tuple[int, tuple[str, ...]], int] = defaultdict(int)
        for series in self._ours(self._fetch(expression)):
            key = tuple(series.labels.get(name, "") for name in labels)
            for index, count in self._increases(series):
                grown[index, key] += count
        for (index, key), count in sorted(grown.items()):
            yield index, key, count

    def _outcomes(self) -> Iterator[Line]:
        names = {"", *(remediation.name for remediation in self._policy.remediations)}
        counter = f'remediator_outcomes_total{{reason!="{Reason.HEARTBEAT}"}} > 0'
        for index, (remediation, reason), count in self._counted(counter, "remediation", "reason"):
            if remediation not in names:
                continue
            kind = Kind.ACT if reason == Reason.APPLIED else Kind.DECISION
            text = f"{remediation}: {reason}" if remediation else reason
            line = self._line(index, kind, text, remediation, self._scraped_every, outcome_topic(remediation, reason))
            yield replace(line, alerts=count, repeats="" if kind is Kind.ACT else reason)

    def _refused(self) -> Iterator[Line]:
        """Notifications that were not accepted, and alerts that were lost."""
        counter = 'remediator_notifications_total{code!="200"} > 0'
        for index, (code,), count in self._counted(counter, "code"):
            notifications = f"{count} notification{'s were' if count > 1 else ' was'}"
            then = ", so Alertmanager delivers again" if code == "503" else ""
            text = f"{notifications} answered with {code}{then}"
            yield self._line(index, Kind.NOTIFICATION, text, "notifications", self._scraped_every)
        for index, _, count in self._counted("remediator_truncated_alerts_total > 0"):
            text = f"{count} alerts were cut off by max_alerts, and never arrived"
            yield self._line(index, Kind.NOTIFICATION, text, "notifications", self._scraped_every)

    def _verifications(self) -> Iterator[Line]:
        """Verdicts of each replica; the exact line may be another replica's, from long before."""
        targets = {target.name for target in self._policy.targets}
        counter = "remediator_verifications_total > 0"
        for index, (target, effect, verdict), _ in self._counted(counter, "target", "effect", "verdict"):
            if target in targets:
                text = f"{target}: {verdict}"
                topic = verification_topic(target, effect, verdict)
                yield self._line(index, Kind.VERIFICATION, text, target, WATCHED + LAST_LOOKS, topic)

    def _values(self) -> Iterator[Line]:
        """Changes of the percentage and of the replicas, by anyone."""
        targets = {target.name: target for target in self._policy.targets}
        for effect, wording in AUTOMATIC.items():
            for series in self._ours(self._fetch(f"max by (cluster, target) ({wording.gauge})")):
                target = targets.get(series.labels.get("target", ""))
                last: int | None = None
                for index in range(self.grid.count) if target else ():
                    value = series.value(index)
                    if value is None or target is None:
                        continue
                    if last is not None and int(value) != last:
                        change = effect.format_change(last, int(value))
                        text = f"{target.name}: {change}; by whom is not recorded"
                        topic = value_topic(target, effect.field, int(value))
                        within = self._scraped_every + OBSERVED_EVERY
                        yield self._line(index, Kind.WRITE, text, target.name, within, topic)
                    last = int(value)

    def _last_acts(self) -> Iterator[Line]:
        """When remediations acted, by the ledger's time, including acts that are no longer in the ledger."""
        targets = {target.name: target for target in self._policy.targets}
        gauge = "max by (cluster, target, effect) (remediator_last_action_timestamp_seconds)"
        for series in self._ours(self._fetch(gauge)):
            target, effect = targets.get(series.labels.get("target", "")), series.labels.get("effect", "")
            for seconds in sorted({value for value in series.values if value == value and value > 0}):
                if target:
                    applied = (
                        outcome_topic(one.name, Reason.APPLIED)
                        for one in self._policy.remediations
                        if (one.target, one.action.effect) == (target, effect)
                    )
                    yield Line(
                        time=self._moment(seconds),
                        kind=Kind.ACT,
                        text=f"{target.name}: a remediation acted ({printable(effect)}); its record is gone",
                        sources=(Source.PROMETHEUS,),
                        subject=target.name,
                        topics=frozenset({act_topic(target, effect), *applied}),
                        within=timedelta(seconds=1),
                    )

    def _heartbeats(self, notes: list[str]) -> Iterator[Line]:
        """Periods without a heartbeat, where samples show that there was none."""
        oldest: dict[float, timedelta] = {}
        for series in self._ours(self._fetch("max by (cluster) (remediator_heartbeat_timestamp_seconds)")):
            for index, seconds in enumerate(series.values):
                if seconds == seconds:
                    oldest[seconds] = timedelta(seconds=self.grid.seconds(index) - seconds)
        if oldest and not any(oldest):
            notes.append("No heartbeat was ever received: whether alerts could arrive is not known.")
        beats = sorted(seconds for seconds in oldest if seconds > 0)
        for before, after in zip(beats, [*beats[1:], math.nan], strict=False):
            if oldest[before] <= NO_HEARTBEAT:
                continue
            if after != after:
                yield self._beat(before, "the last heartbeat; none since then, so alerts may not have arrived")
                continue
            silent = format_duration(timedelta(seconds=after - before))
            yield self._beat(before, f"the last heartbeat for {silent}: alerts may not have arrived")
            yield self._beat(after, f"a heartbeat arrives again, after {silent}")

    def _moment(self, seconds: float) -> datetime:
        return self.grid.moment(0) + timedelta(seconds=seconds - self.grid.start)

    def _beat(self, seconds: float, text: str) -> Line:
        return Line(
            time=self._moment(seconds),
            kind=Kind.NOTIFICATION,
            text=text,
            sources=(Source.PROMETHEUS,),
            subject="heartbeat",
        )

    def _armed(self) -> Iterator[Line]:
        """When a remediation was disarmed, and when it was armed again."""
        reasons = self._ours(self._fetch("max by (cluster, remediation, reason) (remediator_armed_info)"))
        for series in self._ours(self._fetch("max by (cluster, remediation) (remediator_armed)")):
            name, last = series.labels.get("remediation", ""), None
            for index in range(self.grid.count):
                value = series.value(index)
                if value is None:
                    continue
                if last is not None and value != last:
                    words = sorted(
                        printable(one.labels.get("reason", ""))
                        for one in reasons
                        if one.labels.get("remediation") == name and one.present[index]
                    )
                    text = f"{name} is {'armed again' if value else 'not armed any more'}: {', '.join(words)}"
                    yield self._line(index, Kind.STATE, text, "armed", self._scraped_every)
                last = value


def _until(first: datetime, last: datetime) -> str:
    """The end of a gap, with its day if that is not the first day."""
    return f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%d %b %H:%M:%S}"


def _any(series: Iterable[SampledSeries]) -> bytearray:
    """1 at each moment at which any series has a sample."""
    found = [one.present for one in series]
    return bytearray(map(max, zip(*found, strict=True))) if found else bytearray()


def _alerts_of(policy: Policy) -> str:
    """The alerts that ask for an act, by their label or by a remediation's matchers, and those about the service."""
    selections = [
        f'ALERTS{{remediation!="", remediation!="{HEARTBEAT}"}}',
        f'ALERTS{{alertname=~"(Remediator|Denis).+", alertname!="{HEARTBEAT_ALERT}"}}',
    ]
    for remediation in policy.remediations:
        # The cluster label is usually an external label, so it is on no stored series.
        known = [one for one in remediation.matchers if _CLASSIC.fullmatch(one.name) and one.name != "cluster"]
        if known:
            selections.append(f"ALERTS{{{', '.join(map(_selector, known))}}}")
    return " or ".join(dict.fromkeys(selections))


def _selector(matcher: Matcher) -> str:
    return f"{matcher.name}{matcher.operator}{json.dumps(matcher.value, ensure_ascii=False)}"
