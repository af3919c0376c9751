"""Confirms an alert that is active in Prometheus, or refutes one whose condition was not met for the rule's `for`.

The rule of this file: nothing from an alert is sent. Prometheus is asked for all its rules, and for the values that one
of them compares; the alert's labels only select among the answers. No error leaves it: an unknown has a message.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from threading import Thread
from typing import TypeVar

from remediator.core.alerts import Alert, Alerts
from remediator.core.confirmation import (
    Confirmation,
    format_age,
    format_comparison,
    format_since,
    unknown,
)
from remediator.core.durations import format_duration
from remediator.core.policy import Remediation
from remediator.core.routes import Labels
from remediator.core.text import printable
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import ActiveAlert, AlertRule, Prometheus
from remediator.monitoring.promql import Comparison, split_comparison

QUESTION_SECONDS = 2.5
"""Timeout of one request. Callers may wait for less, and for workers longer, because one of a pair may hang."""

GOOD = 0.9
"""The share of evaluations in a rule's `for` that must have good values to refute; none may be bad."""

_LONGEST_NAME = 60

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stated:
    """The rules of one Prometheus, with their states."""

    prometheus: Prometheus
    by_name: Mapping[str, list[AlertRule]]
    """Its rules by name, because a notification can have many alerts."""
    answered: float
    """When it answered, by time.monotonic()."""
    now: datetime | None
    """The same by its own clock, from the `Date` of its response, to the second; None if it has none."""
    problem: str = ""
    """Why it did not answer, or empty."""

    @property
    def rules(self) -> Iterator[AlertRule]:
        """All of them."""
        return chain.from_iterable(self.by_name.values())

    def at(self) -> datetime | None:
        """The current time by its clock."""
        return self.now and self.now + timedelta(seconds=time.monotonic() - self.answered)


class RuleStates:
    """The rule states of each Prometheus, at one moment."""

    def __init__(self, stated: Sequence[_Stated], cluster: str) -> None:
        self._stated = stated
        self._cluster = cluster

    @property
    def problem(self) -> str:
        """Why none of them answered, or empty."""
        return next((one.problem for one in self._stated), "") if all(one.problem for one in self._stated) else ""

    def lacks(self, remediation: Remediation) -> str:
        """A message if none has a rule whose alerts could ask for this, or empty. One without an answer may have it."""
        if any(one.problem or any(_may_ask(rule, remediation) for rule in one.rules) for one in self._stated):
            return ""
        return f"Prometheus has no rule that asks for {remediation.name}"

    def confirm(self, alerts: Alerts) -> Confirmation | None:
        """The confirmation, if any Prometheus has one of these alerts active."""
        found = (_active(one, alerts) for one in self._stated)
        return next((one for one in found if one and one.answer == "confirmed"), None)

    def examine(self, alerts: Alerts) -> Confirmation:
        """Confirm or refute these alerts. If none is active, this queries whether their condition was met.

        One Prometheus is enough to confirm; all have to refute.
        """
        if confirmed := self.confirm(alerts):
            return confirmed
        found = _each(self._stated, lambda one: _active(one, alerts) or _refuted(one, alerts, self._cluster))
        return next((one for one in found if one.answer == "unknown"), found[0])


def ask(prometheis: Sequence[Prometheus], *, cluster: str = "") -> RuleStates:
    """The current rule states of each; `cluster` is the one whose alerts count, empty for any."""
    return RuleStates(_each(prometheis, _state), cluster)


def _state(prometheus: Prometheus) -> _Stated:
    rules: dict[str, list[AlertRule]] = {}
    problem, now = "", None
    try:
        for rule in prometheus.alert_rules(active=True):
            rules.setdefault(rule.name, []).append(rule)
    except NoAnswer as error:
        problem = error.problem
    if not problem and (skew := prometheus.api.skew) is not None:
        now = datetime.now(UTC) + skew
    return _Stated(prometheus=prometheus, by_name=rules, answered=time.monotonic(), now=now, problem=problem)


def _each(given: Sequence[T], call: Callable[[T], R]) -> list[R]:
    """The results in order; all but the first are computed in threads of their own."""
    results: list[Future[R]] = [Future() for _ in given]

    def run(value: T, result: Future[R]) -> None:
        try:
            result.set_result(call(value))
        except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
            result.set_exception(error)

    for value, result in list(zip(given, results, strict=True))[1:]:
        Thread(target=run, args=(value, result), name="rule states", daemon=True).start()
    run(given[0], results[0])
    return [result.result() for result in results]


def _may_ask(rule: AlertRule, remediation: Remediation) -> bool:
    """Whether an alert of this rule can be one of the remediation's, whatever labels its series and Prometheus add.

    Only rules write the label `remediation`.
    """
    if rule.labels is None:
        return True
    labels = {"remediation": "", **rule.all_labels}
    return all(
        matcher.matches({matcher.name: value})
        for matcher in remediation.matchers
        if (value := labels.get(matcher.name)) is not None
    )


def _active(stated: _Stated, alerts: Alerts) -> Confirmation | None:
    """The answer by the states alone; None if the rules of these alerts are all inactive."""
    if stated.problem:
        return unknown(f"Prometheus: {stated.problem}")
    known = [alert for alert in alerts if isinstance(alert, Alert)]
    asked = [(alert, _rules_of(stated, alert)) for alert in known]
    active = [(rule, one, alert) for alert, rules in asked for rule in rules for one in rule.active]
    if ours := [(rule, one) for rule, one, alert in active if _agree(one.labels, alert.labels)]:
        rule, one = min(ours, key=_rank)
        if why := _unfit(stated, rule):
            return unknown(why, rule.name)
        return _confirmed(stated, rule, one)
    if alert := next((alert for alert, rules in asked if not rules), None):
        return unknown(f"Prometheus has no rule {printable(alert.name[:_LONGEST_NAME])}")
    if active:
        return unknown(f"{_name(active[0][0])} is active only for other labels", active[0][0].name)
    if other := _sibling(stated, known):
        return unknown(f"{_name(other)}, which asks for the same, is active", other.name)
    return None if asked else unknown("none of these alerts could be parsed")


def _rank(pair: tuple[AlertRule, ActiveAlert]) -> tuple[bool, datetime]:
    """Firing ones first, then those active for longest."""
    return pair[1].state != "firing", pair[1].since or datetime.max.replace(tzinfo=UTC)


def _rules_of(stated: _Stated, alert: Alert) -> list[AlertRule]:
    """The rules that the alert may come from: those of its name, if possible only those that set no other labels.

    Relabeling may have changed labels on the way, and a forged label must not lead to another rule.
    """
    named = stated.by_name.get(alert.name, [])
    return (len(named) > 1 and [rule for rule in named if _agree(rule.static_labels, alert.labels)]) or named


def _sibling(stated: _Stated, alerts: Sequence[Alert]) -> AlertRule | None:
    """An active rule with the `remediation` label of one of these alerts, possibly for the same series."""
    active = {
        (asks, tuple(sorted(_without(one.labels, rule).items()))): rule
        for rules in stated.by_name.values()
        for rule in rules
        if rule.active and (asks := rule.static_labels.get("remediation"))
        for one in rule.active
    }
    for (asks, labels), rule in active.items():
        if any(alert.labels.get("remediation") == asks and _agree(dict(labels), alert.labels) for alert in alerts):
            return rule
    return None


def _without(labels: Labels, rule: AlertRule) -> Labels:
    """The labels, except those that the rule sets."""
    its = rule.all_labels
    return {name: value for name, value in labels.items() if name not in its}


def _agree(one: Labels, other: Mapping[str, str]) -> bool:
    """Whether no common label differs. Alertmanager's alerts have more labels, and relabeling may have removed some."""
    return all(name not in other or value is None or other[name] == value for name, value in one.items())


def _unfit(stated: _Stated, rule: AlertRule) -> str:
    """Why a rule's state proves nothing, or empty."""
    if rule.health == "err":
        return f"the evaluation of {_name(rule)} fails: {printable(rule.error)[:200]}"
    now = stated.at()
    if now and rule.evaluated and rule.interval and now - rule.evaluated > _intervals(rule):
        return f"{_name(rule)} was last evaluated {format_age(now - rule.evaluated)} ago"
    return ""


def _intervals(rule: AlertRule) -> timedelta:
    return timedelta(seconds=2 * rule.interval)


def _confirmed(stated: _Stated, rule: AlertRule, active: ActiveAlert) -> Confirmation:
    comparison, value, now = _comparison(rule), active.value, stated.at()
    if comparison and value is not None:
        name, shown, threshold = format_comparison(_name(rule), comparison.left, comparison.threshold, value)
        found = f"{name} {shown} {comparison.operator} {threshold}"
    else:
        found = _name(rule) + ("" if value is None else f" at {value:.6g}")
    since = f" {format_since(active.since, now)}" if active.since and now else ""
    return Confirmation(
        answer="confirmed",
        message=f"{found}{since}",
        rule=rule.name,
        value=value,
        threshold=comparison.threshold if comparison else None,
        since=active.since,
        evaluated=rule.evaluated,
        age=now - rule.evaluated if now and rule.evaluated else None,
    )


def _refuted(stated: _Stated, alerts: Alerts, cluster: str) -> Confirmation:
    """Whether the condition of all these alerts was not met for their `for`; their rules are inactive."""
    rules: dict[int, tuple[AlertRule, list[Alert]]] = {}
    for alert in (one for one in alerts if isinstance(one, Alert)):
        for rule in _rules_of(stated, alert):
            rules.setdefault(id(rule), (rule, []))[1].append(alert)
    found: Confirmation | None = None
    try:
        started = stated.prometheus.started()
        for rule, of_rule in rules.values():
            found = _refutation(stated, rule, of_rule, started, cluster)
            if found.answer == "unknown":
                return found
    except NoAnswer as error:
        return unknown(f"Prometheus: {error.problem}")
    return found or unknown("none of these alerts could be parsed")


def _refutation(
    stated: _Stated, rule: AlertRule, alerts: Sequence[Alert], started: datetime, cluster: str
) -> Confirmation:
    """Raises NoAnswer."""
    name, now, comparison = _name(rule), stated.at(), _comparison(rule)
    window = max(timedelta(seconds=rule.duration), _intervals(rule))
    if why := _unfit(stated, rule):
        return unknown(why, rule.name)
    if not (now and rule.evaluated and rule.interval):
        return unknown(f"{name} is inactive, and when it was evaluated is not known", rule.name)
    if now - started < window + _intervals(rule):
        return unknown(f"{name} is inactive, and Prometheus was started {format_age(now - started)} ago", rule.name)
    if comparison is None:
        return unknown(f"{name} is inactive, and compares no value with a number", rule.name)
    values = stated.prometheus.recent(comparison.value, window.total_seconds(), rule.interval)
    expected = window.total_seconds() / rule.interval
    shares = [sum(_is_good(value, comparison) for _, value in one.values) / expected for one in values]
    if not shares or min(shares) < GOOD:
        share = f"{100 * min(shares):.0f} %" if shares else "none"
        why = f"{name} is inactive, and {share} of its values were good for {format_duration(window)}"
        return unknown(why, rule.name)
    if any(comparison.holds(value) for one in values for _, value in one.values):
        return unknown(
            f"{name} is inactive, and not all of its values were good for {format_duration(window)}", rule.name
        )
    series = [_without(one.labels, rule) for one in values]
    ours = [[one for one in series if _agree(one, alert.labels)] for alert in alerts]
    if not all(ours):
        return unknown(f"{name} is inactive, and has values only for other labels", rule.name)
    if cluster and (why := _foreign(stated, rule, [one for found in ours for one in found], cluster)):
        return unknown(f"{name} is inactive, and {why}", rule.name)
    good = [value for one in values for _, value in one.values if _is_good(value, comparison)]
    worst = (max if comparison.operator.startswith(">") else min)(good)
    signal, shown, threshold = format_comparison(name, comparison.left, comparison.threshold, worst)
    found = f"{signal} was at worst {shown} for {format_duration(window)}"
    message = f"{name} is inactive in Prometheus: {found}, and {comparison.operator} {threshold} is bad"
    return Confirmation(
        answer="refuted",
        message=message,
        rule=rule.name,
        value=worst,
        threshold=comparison.threshold,
        evaluated=rule.evaluated,
    )


def _foreign(stated: _Stated, rule: AlertRule, series: Sequence[Labels], cluster: str) -> str:
    """Why alerts of these series would not be of this cluster, or empty: each has the label, or Prometheus adds it.

    Raises NoAnswer.
    """
    if rule.labels is None or rule.all_labels.get("cluster", "") is None:
        return "the label cluster of its alerts is not known"
    written = {rule.all_labels.get("cluster") or one.get("cluster") for one in series}
    added = stated.prometheus.external_labels().get("cluster") if None in written else None
    if others := {one or added for one in written} - {cluster}:
        other = next((one for one in others if one), "")
        its = f"are of cluster {printable(other[:_LONGEST_NAME])}" if other else "have no label cluster"
        return f"the alerts of this Prometheus {its}"
    return ""


def _is_good(value: float, comparison: Comparison) -> bool:
    return math.isfinite(value) and not comparison.holds(value)


def _comparison(rule: AlertRule) -> Comparison | None:
    try:
        return split_comparison(rule.query)
    except ValueError:
        return None


def _name(rule: AlertRule) -> str:
    return printable(rule.name[:_LONGEST_NAME])
