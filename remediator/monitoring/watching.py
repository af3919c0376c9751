"""Whether Prometheus watches the canary: signals that are fresh, alerts that are loaded, somebody who is told.

The rule of this file: no error leaves it. What Prometheus does not answer has not passed, in its words.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from remediator.checks import DOCS, Check
from remediator.durations import format_duration
from remediator.monitoring.json_api import NoAnswer
from remediator.monitoring.prometheus import AlertRule, Prometheus
from remediator.monitoring.signals import Scope

STALE_SECONDS = 120
"""As long as the alerts' `for`: a sample older than this was not scraped eight times."""

SIGNALS: Mapping[str, tuple[str, ...]] = {
    "materializer_success_rate": ("materializer_success_rate",),
    "error_rate": ("error_rate",),
    "async_queue_depth": ("async_queue_depth", "queue_depth"),
    "materializer_latency_p99": ("materializer_latency_p99",),
}
"""By the label `signal` of denis:signal, which the shipped rules record: what DENIS may call it."""


def check_signals(prometheus: Prometheus, scope: Scope) -> list[Check]:
    """Whether each signal is a number and was scraped a moment ago, and whether the unit of the rates is believed."""
    try:
        return [*(_signal(prometheus, scope, signal) for signal in SIGNALS), _unit(prometheus, scope)]
    except NoAnswer as error:
        return [Check(name="signals", passed=False, found=str(error))]


def _signal(prometheus: Prometheus, scope: Scope, signal: str) -> Check:
    """One signal. Raises NoAnswer."""
    name = f"signal {signal}"
    series = prometheus.query(scope.select("denis:signal", signal=signal))
    missing = Check(
        name=name,
        passed=False,
        found="Prometheus has no series of it",
        remedy=f"{DOCS}/runbooks/DenisSignalMissing.md",
    )
    if not series:
        return missing
    values = [sample.value for sample in series if math.isfinite(sample.value)]
    if not values:
        remedy = f"{DOCS}/runbooks/DenisSignalNotANumber.md"
        return Check(name=name, passed=False, found=f"its {len(series)} series are no numbers", remedy=remedy)
    low, high = min(values), max(values)
    shown = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    # Others may have gauges of these names; the rules know which job is DENIS.
    of_denis = {label: series[0].labels[label] for label in ("job",) if label in series[0].labels}
    newest = " or ".join(f"timestamp({scope.select(metric, **of_denis)})" for metric in SIGNALS[signal])
    ages = prometheus.query(f"time() - max({newest})")
    if not ages:
        return missing
    # A clock that is a little ahead makes a sample of the future.
    age = max(ages[0].value, 0.0)
    return Check(
        name=name,
        passed=age < STALE_SECONDS,
        found=f"{shown} in {len(values)} series, {format_duration(timedelta(seconds=age))} ago",
        remedy=f"{DOCS}/runbooks/DenisSignalMissing.md",
    )


def _unit(prometheus: Prometheus, scope: Scope) -> Check:
    """Whether a unit is set, and no pod contradicts it. Raises NoAnswer."""
    remedy = f"{DOCS}/runbooks/DenisSignalUnitMismatch.md"
    hundred = prometheus.query("denis:hundred_percent")
    if [sample.value for sample in hundred] not in ([1.0], [100.0]):
        found = "denis:hundred_percent is not 1 or 100, so no rate can be read"
        return Check(name="unit", passed=False, found=found, remedy=remedy)
    unit = "ratios" if hundred[0].value == 1 else "percentages"
    if wrong := prometheus.query(scope.select("denis:unit_contradicted")):
        where = sorted({sample.labels.get("instance", "?")[:100] for sample in wrong})
        found = f"the rules read {unit}, and {', '.join(where[:3])} exports something else"
        return Check(name="unit", passed=False, found=found, remedy=remedy)
    return Check(name="unit", passed=True, found=f"the rates are {unit}, and no pod contradicts it")


def check_rules(rules: Iterable[AlertRule], expected: Iterable[str], scope: Scope) -> Iterator[Check]:
    """Whether each alert that takes the canary back is loaded, evaluated and quiet, with its threshold.

    `expected` are the alerts that the files beside remediations.yaml have.
    """
    found = scope.rollback_rules(rules)
    remedy = "give Prometheus rules/denis.rules.yaml"
    for name in sorted({*expected} - {rule.name for rule in found}):
        yield Check(name=name, passed=False, found="it is not loaded, or does not ask for a rollback", remedy=remedy)
    if not found and not [*expected]:
        yield Check(name="rules", passed=False, found="no alert that is loaded asks for a rollback", remedy=remedy)
    for rule in found:
        yield _rule(rule)


def _rule(rule: AlertRule) -> Check:
    shown = f"{' '.join(rule.query.split())[:200]}, for {format_duration(timedelta(seconds=max(rule.duration, 0)))}"
    if rule.health != "ok":
        why = f": {rule.error[:200]}" if rule.error else ""
        found = f"its evaluation is {json.dumps(rule.health)}{why}"
        return Check(name=rule.name, passed=False, found=found, remedy="see Prometheus's page /rules")
    if rule.state != "inactive":
        found = f"it is {rule.state}, and would take the canary back: {shown}"
        return Check(name=rule.name, passed=False, found=found, remedy=f"{DOCS}/runbooks/{rule.name}.md")
    return Check(name=rule.name, passed=True, found=shown)


def check_alertmanagers(urls: Iterable[str]) -> Check:
    """Whether Prometheus has an Alertmanager to tell."""
    known = sorted(urls)
    if not known:
        remedy = "add it to `alerting` of Prometheus's configuration"
        return Check(name="alertmanagers", passed=False, found="Prometheus knows no Alertmanager", remedy=remedy)
    return Check(name="alertmanagers", passed=True, found=f"Prometheus tells {', '.join(known[:3])}")
