"""Gathers the evidence about the canary from Prometheus and Alertmanager.

The rule of this file: no error leaves it. A failed query, or an answer with no value, several values or no ratio, is
Unknown with a reason.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from remediator.core.denis_signals import ERROR_RATE, LATENCY, QUEUE_DEPTH, SUCCESS_RATE, Signal
from remediator.core.effects import Effect
from remediator.core.policy import Policy, Target, is_heartbeat
from remediator.core.routes import Labels, known_labels
from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.evidence import Evidence, FoundAlerts, Rate, Unknown, Value, unknown_rate
from remediator.monitoring.expressions import SECOND, rate_expressions, select, spell, whole
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import AlertRule, Prometheus, Sample

FIRING = 'ALERTS{alertstate="firing"}'

THREADS = 8
"""Parallel queries: all together take about twice as long as the slowest. Prometheus runs 20 at a time."""

_CANARY = re.compile(r'canary="([^"]*)"')

NOT_ASKED = "no Prometheus was asked; give --prometheus.url"

Found = TypeVar("Found")

Answer = tuple[Sample, ...] | Unknown

LabelSets = tuple[Labels | None, ...] | Unknown
"""The received labels of alerts: None for an alert, or a value, that cannot be parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which series and alerts count."""

    policy: Policy
    target: Target
    """The canary, or another target."""
    cluster: str = ""
    """The fence, or empty."""
    effect: Effect = Effect.SET_PERCENTAGE
    """The effect that an alert has to ask for."""

    @property
    def judges_latency(self) -> bool:
        """Whether a phase bounds the latency."""
        return any(phase.max_latency_p99 is not None for phase in self.policy.phases)

    @property
    def canary(self) -> str:
        """The label `canary` that the shipped rules give to records about the target."""
        return f"{self.target.namespace}/{self.target.deployment}"

    def select(self, name: str, **labels: str) -> str:
        """A selector of our series of this name, judging by their labels."""
        return select(name, labels, {"namespace": self.target.namespace, "cluster": self.cluster})

    def asks_for_act(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels leads to this effect on the target.

        An alert without the label `cluster` counts as ours: it gets the label when it is sent to Alertmanager.
        """
        cluster = {"cluster": self.cluster} if self.cluster else {}
        if self.cluster and labels.get("cluster", self.cluster) != self.cluster:
            return False
        answer = self.policy.match({**cluster, **labels})
        return answer is not None and answer.target == self.target and answer.action.effect is self.effect

    def may_ask_for_act(self, labels: Labels | None) -> bool:
        """Whether an alert could ask for the act, judging by its labels that can be parsed."""
        if labels is None:
            return True
        unread = {name for name, value in labels.items() if value is None}
        if self.cluster and "cluster" not in unread and labels.get("cluster", self.cluster) != self.cluster:
            return False
        known = {**({"cluster": self.cluster} if self.cluster else {}), **known_labels(labels)}
        return not is_heartbeat(known) and any(
            all(matcher.matches(known) for matcher in remediation.matchers if matcher.name not in unread)
            for remediation in self.policy.remediations
            if remediation.target == self.target and remediation.action.effect is self.effect
        )

    def act_rules(self, rules: Iterable[AlertRule]) -> tuple[AlertRule, ...]:
        """The alerting rules that ask for the act. The label `namespace` usually comes from their series.

        If some rules name this canary, those that name only another one are another release's.
        """
        here = {"namespace": self.target.namespace}
        found = tuple(rule for rule in rules if self.asks_for_act({**here, **rule.static_labels}))
        named = [_CANARY.findall(rule.query) for rule in found]
        if not any(self.canary in names for names in named):
            return found
        return tuple(rule for rule, names in zip(found, named, strict=True) if not names or self.canary in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The expressions to query, by the name of their value."""

    success_rate: Mapping[str, str]
    error_rate: Mapping[str, str]
    latency: Mapping[str, str]
    """Empty if no phase asks for it."""
    queue_depth: str
    latency_p99: str
    firing: str
    fired: str

    @property
    def all(self) -> tuple[str, ...]:
        """Each once."""
        return (*self.numbers, self.firing, self.fired)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The distinct expressions to query."""
        mine = (self.queue_depth, self.latency_p99)
        rates = (self.success_rate, self.error_rate, self.latency)
        return tuple(dict.fromkeys((*(text for rate in rates for text in rate.values()), *mine)))


def questions(scope: Scope, window: timedelta) -> Questions:
    """The expressions for a window up to now, of at least a second."""
    window = max(whole(window), SECOND)
    return Questions(
        success_rate=_rate_expressions(scope, SUCCESS_RATE, window),
        error_rate=_rate_expressions(scope, ERROR_RATE, window),
        latency=_latency_expressions(scope, window) if scope.judges_latency else {},
        queue_depth=_worst(scope, QUEUE_DEPTH),
        latency_p99=_worst(scope, LATENCY),
        firing=FIRING,
        fired=f"present_over_time({FIRING}[{spell(window)}])",
    )


def _rate_expressions(scope: Scope, signal: Signal, window: timedelta) -> Mapping[str, str]:
    return rate_expressions(scope.select(signal.recorded), window, "min" if signal.worse == "less" else "max")


def _latency_expressions(scope: Scope, window: timedelta) -> Mapping[str, str]:
    # The p99 of several pods cannot be averaged. A pod without measurements exports 0.
    slowest = f"max({scope.select('denis:signal', signal=LATENCY.name)} > 0)"
    return rate_expressions(slowest, window, "max", computed=True)


def _worst(scope: Scope, signal: Signal) -> str:
    return f"{'min' if signal.worse == 'less' else 'max'}({scope.select('denis:signal', signal=signal.name)})"


def gather(
    scope: Scope, window: timedelta, *, prometheus: Prometheus | None, alertmanager: Alertmanager | None = None
) -> Evidence:
    """Gather the evidence for a window up to now. A source that is None is not queried, and its part is unknown."""
    asked = questions(scope, window)
    with ThreadPoolExecutor(THREADS) as pool:
        alarm = _Alarm(pool, scope, prometheus, alertmanager)
        if isinstance(alarm.first, Unknown):
            # The others would fail likewise, and an overloaded Prometheus should get no more queries.
            answers: dict[str, Answer] = dict.fromkeys(asked.numbers, alarm.first)
            fired: LabelSets = alarm.first
        else:
            had_fired = pool.submit(_ask_labels, prometheus, asked.fired)
            found = pool.map(lambda expression: _ask(prometheus, expression), asked.numbers)
            answers = dict(zip(asked.numbers, found, strict=True))
            fired = had_fired.result()
    return Evidence(
        window=window,
        success_rate=_rate(asked.success_rate, answers),
        error_rate=_rate(asked.error_rate, answers),
        latency=_rate(asked.latency, answers, ratio=False) if asked.latency else unknown_rate("no phase asks for it"),
        firing=alarm.firing(),
        fired=alarm.rollbacks(fired),
        queue_depth=_number(answers[asked.queue_depth], asked.queue_depth),
        latency_p99=_number(answers[asked.latency_p99], asked.latency_p99),
    )


def firing_alerts(
    scope: Scope, *, prometheus: Prometheus | None, alertmanager: Alertmanager | None = None
) -> FoundAlerts:
    """Only the alerts that ask for a rollback now. A source that is None is not queried.

    An alert fires if any source says so. None fires if all sources say so and Prometheus has a rule for one.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return _Alarm(pool, scope, prometheus, alertmanager).firing()


class _Alarm:
    """The queries about alerts. On creation, Prometheus has said which fire; the rest runs in the pool."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        scope: Scope,
        prometheus: Prometheus | None,
        alertmanager: Alertmanager | None,
    ) -> None:
        self._scope = scope
        self._muted = pool.submit(_answer, alertmanager.firing_alerts) if alertmanager else None
        self._counts = bool(prometheus or not alertmanager)
        self.first = _ask_labels(prometheus, FIRING)
        asked = None if isinstance(self.first, Unknown) else prometheus
        self._rules = pool.submit(_rules, asked, scope) if asked else None

    def firing(self) -> FoundAlerts:
        """The firing alerts that ask for a rollback."""
        sources = [self.rollbacks(self.first)] if self._counts else []
        sources += [_matching(self._muted.result(), self._scope)] if self._muted else []
        return _either(sources)

    def rollbacks(self, alerts: LabelSets) -> FoundAlerts:
        """The alerts in Prometheus's response that ask for a rollback; no result counts only if a rule is loaded."""
        sources = [_matching(alerts, self._scope)]
        sources += [self._rules.result()] if self._rules else []
        return _either(sources)


def _answer(ask: Callable[[], Found]) -> Found | Unknown:
    """The answer, or why there is none."""
    try:
        return ask()
    except NoAnswer as error:
        return Unknown(why=str(error))


def _ask(prometheus: Prometheus | None, expression: str) -> Answer:
    return _answer(lambda: prometheus.query(expression)) if prometheus else Unknown(why=NOT_ASKED)


def _ask_labels(prometheus: Prometheus | None, expression: str) -> LabelSets:
    return _answer(lambda: prometheus.label_sets(expression)) if prometheus else Unknown(why=NOT_ASKED)


def _rules(prometheus: Prometheus, scope: Scope) -> FoundAlerts:
    """No alerts, or why none could fire."""
    rules = _answer(prometheus.alert_rules)
    if isinstance(rules, Unknown):
        return rules
    if scope.act_rules(rules):
        return ()
    why = f"no rule of an alert that Prometheus has loaded takes {scope.target.name} back, so none can fire"
    return Unknown(why=f"{why}; give it rules/denis.rules.yaml")


def _matching(alerts: LabelSets, scope: Scope) -> FoundAlerts:
    """The alerts that ask for a rollback. A malformed alert is ignored if it could not be one of them."""
    if isinstance(alerts, Unknown):
        return alerts
    ours, doubt = [], ""
    for labels in alerts:
        if labels is not None and None not in labels.values():
            known = known_labels(labels)
            if scope.asks_for_act(known):
                ours.append(known)
        elif scope.may_ask_for_act(labels):
            name = (labels or {}).get("alertname") or "without a name"
            unread = ", ".join(name for name, value in (labels or {}).items() if value is None) or "none of its labels"
            doubt = f"an alert {name[:100]} fires, but what it asks for cannot be parsed: {unread[:100]}"
    return Unknown(why=doubt) if doubt and not ours else tuple(ours)


def _either(sources: list[FoundAlerts]) -> FoundAlerts:
    """Merge several sources: an alert that one source has fires, even if others are unknown."""
    known = tuple(labels for source in sources if not isinstance(source, Unknown) for labels in source)
    unknown = next((source for source in sources if isinstance(source, Unknown)), None)
    return unknown if unknown and not known else known


def _rate(asked: Mapping[str, str], answers: Mapping[str, Answer], *, ratio: bool = True) -> Rate:
    return Rate(**{name: _number(answers[expression], expression, ratio=ratio) for name, expression in asked.items()})


def _number(answer: Answer, expression: str, *, ratio: bool = False) -> Value:
    """The single value of an answer."""
    if isinstance(answer, Unknown):
        return answer
    if not answer:
        return Unknown(why=f"Prometheus has no samples for {expression}")
    if len(answer) > 1:
        which = " and ".join(_labels(sample) for sample in answer[:3])
        return Unknown(why=f"Prometheus has {len(answer)} series where there should be one: {which}")
    number = answer[0].value
    if not math.isfinite(number):
        return Unknown(why=f"{number} is the value of {expression}")
    if ratio and not 0 <= number <= SUCCESS_RATE.most:
        return Unknown(why=f"{number:g} is not a ratio, but the value of {expression}")
    # The average of equal numbers can differ from them by rounding.
    return round(number, 9)


def _labels(sample: Sample) -> str:
    labels = (f"{name}={json.dumps(value)}" for name, value in sorted(sample.labels.items()) if name != "__name__")
    return f"{{{', '.join(labels)}}}"[:300]
