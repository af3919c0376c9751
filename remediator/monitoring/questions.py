"""Whether Prometheus watches the canary: fresh signals, loaded alerts, and Alertmanagers to notify.

The rule of this file: no error leaves it. If Prometheus does not answer, the check has not passed, and says why.
"""

import json
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from remediator.config.coverage import WrittenRule
from remediator.core.checks import DOCS, NOT_CHECKED, Check
from remediator.core.denis_signals import SIGNALS
from remediator.core.durations import format_duration
from remediator.core.effects import AUTOMATIC
from remediator.core.routes import Labels
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import AlertRule, Prometheus
from remediator.monitoring.signals import Scope

STALE_SECONDS = 120
"""As long as the alerts' `for`: an older sample means eight missed scrapes."""

_COMPARISON = re.compile(r"\s*(?P<series>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?\s*(<|>|<=|>=)\s*[0-9.]+\s*", re.ASCII)


def check_signals(prometheus: Prometheus, scope: Scope, signals: Iterable[str] = tuple(SIGNALS)) -> list[Check]:
    """Whether each signal is a number and was scraped recently, and whether the unit of the rates is consistent."""
    asked = tuple(signals)
    try:
        found = [_signal(prometheus, scope, signal) for signal in asked]
        return [*found, *([_unit(prometheus, scope)] if any(SIGNALS[name].unit == "rate" for name in asked) else [])]
    except NoAnswer as error:
        return [Check(name="signals", passed=False, found=str(error))]


def _signal(prometheus: Prometheus, scope: Scope, signal: str) -> Check:
    """Check one signal. Raises NoAnswer."""
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
    # Other jobs may have gauges of these names; the rules know which job is DENIS.
    labels = series[0].labels
    of_denis = {label: labels[label] for label in ("job",) if label in labels}
    newest = " or ".join(f"timestamp({scope.select(metric, **of_denis)})" for metric in SIGNALS[signal].names)
    ages = prometheus.query(f"time() - max({newest})")
    if not ages:
        return missing
    # If a clock is slightly ahead, the sample is from the future.
    age = max(ages[0].value, 0.0)
    return Check(
        name=name,
        passed=age < STALE_SECONDS,
        found=f"{shown} in {len(values)} series, {format_duration(timedelta(seconds=age))} ago",
        remedy=f"{DOCS}/runbooks/DenisSignalMissing.md",
    )


def _unit(prometheus: Prometheus, scope: Scope) -> Check:
    """Whether the unit is set, and no pod contradicts it. Raises NoAnswer."""
    remedy = f"{DOCS}/runbooks/DenisSignalUnitMismatch.md"
    hundred = prometheus.query("denis:hundred_percent")
    # Rules for several canaries in one Prometheus may use different units; a single one may have any name.
    if len(hundred) > 1:
        hundred = tuple(sample for sample in hundred if sample.labels.get("canary") == scope.canary)
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
    """Whether each alert that asks for the act is loaded, evaluated without error, and not firing; shows its threshold.

    `expected` are the alerts in the files next to remediations.yaml.
    """
    found = scope.act_rules(rules)
    act, due = AUTOMATIC[scope.effect].one, AUTOMATIC[scope.effect].due
    remedy = "give Prometheus rules/denis.rules.yaml"
    for name in sorted({*expected} - {rule.name for rule in found}):
        yield Check(name=name, passed=False, found=f"it is not loaded, or does not ask for {act}", remedy=remedy)
    if not found and not [*expected]:
        yield Check(name="rules", passed=False, found=f"no alert that is loaded asks for {act}", remedy=remedy)
    for rule in found:
        yield _rule(rule, due)


def _rule(rule: AlertRule, due: str) -> Check:
    shown = f"{_shown(rule.query)}, for {_seconds(rule.duration)}"
    if rule.health != "ok":
        why = f": {rule.error[:200]}" if rule.error else ""
        found = f"its evaluation is {json.dumps(rule.health)}{why}"
        return Check(name=rule.name, passed=False, found=found, remedy="see /rules in Prometheus's UI")
    if not rule.state:
        found = f"Prometheus does not report whether it fires: {shown}"
        return Check(name=rule.name, passed=None, found=found, remedy="see /alerts in its UI")
    if rule.state != "inactive":
        found = f"it is {rule.state}, and {due}: {shown}"
        return Check(name=rule.name, passed=False, found=found, remedy=f"{DOCS}/runbooks/{rule.name}.md")
    return Check(name=rule.name, passed=True, found=shown)


def check_rule_texts(prometheus: Prometheus, rules: Iterable[AlertRule], written: Sequence[WrittenRule]) -> Check:
    """Whether the loaded rules equal those in the file: all its records, and these alerts of it."""
    name = "rule text"
    try:
        recorded = prometheus.recording_rules()
        loaded = {one.name: [(rule.query, rule.duration) for rule in rules if rule.name == one.name] for one in written}
        for one in written:
            if one.held is None:
                if not (there := [(query, 0.0) for query in recorded.get(one.name, ())]):
                    found = f"{one.name}, which {one.file} records, is not loaded"
                    return Check(name=name, passed=False, found=found, remedy=f"give Prometheus {one.file}")
                loaded[one.name] = there
            if loaded[one.name] and not _is_loaded(prometheus, one, loaded[one.name]):
                query, held = loaded[one.name][0]
                theirs = _shown(query) + ("" if one.held is None else f", for {_seconds(held)}")
                found = f"{one.name} differs from {one.file}: Prometheus evaluates {theirs}"
                remedy = f"give Prometheus {one.file}, or change the file if this is intended"
                return Check(name=name, passed=True, warning=True, found=found, remedy=remedy)
    except NoAnswer as error:
        return Check(name=name, passed=None, found=str(error))
    return Check(name=name, passed=True, found=f"{len(written)} rules are loaded as in {written[0].file}")


def _is_loaded(prometheus: Prometheus, written: WrittenRule, loaded: Sequence[tuple[str, float]]) -> bool:
    """Whether a loaded rule of this name equals the written one. Raises NoAnswer."""
    wanted = written.held.total_seconds() if written.held is not None else 0.0
    queries = [query for query, held in loaded if held == wanted]
    text = "".join(written.expression.split())
    if any("".join(query.split()) == text for query in queries):
        return True
    formatted = prometheus.formatted(written.expression) if queries else ""
    return any(prometheus.formatted(query) == formatted for query in queries)


def check_external_labels(prometheus: Prometheus, rules: Iterable[AlertRule], fence: str | None) -> Check:
    """Whether alerts get the cluster label that the fence requires; `fence` is None if not known."""
    name = "external labels"
    if fence is None:
        found = f"{NOT_CHECKED}: the cluster filter (the fence) of the service is not known"
        return Check(name=name, passed=None, found=found, remedy="give --cluster, empty if it has none")
    if not fence:
        return Check(name=name, passed=True, found="no cluster filter (the fence): alerts of every cluster count")
    labels = {rule.all_labels.get("cluster") for rule in rules}
    if labels == {fence}:
        return Check(name=name, passed=True, found=f'the rules write cluster="{fence}", as the fence asks')
    try:
        cluster = prometheus.external_labels().get("cluster")
    except NoAnswer as error:
        return Check(name=name, passed=None, found=str(error))
    if cluster == fence:
        return Check(name=name, passed=True, found=f'Prometheus adds cluster="{fence}", as the fence asks')
    adds = f'cluster="{cluster}"' if cluster else "no label cluster"
    found = f'Prometheus adds {adds} and the fence asks for "{fence}": every alert would end as ForeignCluster'
    remedy = f'set external_labels: {{cluster: "{fence}"}} in Prometheus, or --cluster of Remediator'
    return Check(name=name, passed=False, found=found, remedy=remedy)


def check_alertmanagers(prometheus: Prometheus, asked: int = 0) -> Check:
    """Whether Prometheus sends to an Alertmanager, and `asked` of them cover all. Mimir and others do not report it."""
    remedy = "add it to `alerting` of Prometheus's configuration"
    try:
        known = sorted(prometheus.alertmanagers())
    except NoAnswer as error:
        return Check(name="alertmanagers", passed=None, found=str(error))
    if not known:
        return Check(name="alertmanagers", passed=False, found="Prometheus knows no Alertmanager", remedy=remedy)
    found = f"Prometheus sends to {', '.join(known[:3])}"
    if 0 < asked < len(known):
        remedy = "give --alertmanager.url for each"
        found += f"; only {asked} of {len(known)} was checked"
        return Check(name="alertmanagers", passed=True, warning=True, found=found, remedy=remedy)
    return Check(name="alertmanagers", passed=True, found=found)


def _shown(query: str) -> str:
    """An expression on one line, cut if too long."""
    return textwrap.shorten(query, 200, placeholder=" ...")


def _seconds(seconds: float) -> str:
    return format_duration(timedelta(seconds=max(seconds, 0)))


def alert_labels(prometheus: Prometheus, scope: Scope, rules: Iterable[AlertRule]) -> tuple[Labels, ...]:
    """The labels that each rule's alert has in Alertmanager, as far as known from the rule and its series."""
    return tuple({**_series_labels(prometheus, scope, rule), **rule.all_labels} for rule in rules)


def _series_labels(prometheus: Prometheus, scope: Scope, rule: AlertRule) -> Labels:
    """The labels that the alert gets from its series; if it does more than compare, only the certain ones."""
    cluster = {"cluster": scope.cluster} if scope.cluster else {}
    sure: Labels = {"job": None, "namespace": scope.target.namespace, **cluster}
    if not (compared := _COMPARISON.match(rule.query)):
        return sure
    try:
        series = prometheus.label_sets(scope.select(compared["series"]))
    except NoAnswer:
        return sure
    if not series or series[0] is None:
        return sure
    found = {name: value for name, value in series[0].items() if name != "__name__"}
    return {"namespace": scope.target.namespace, **cluster, **found}
