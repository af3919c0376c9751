"""The evidence, gathered: what Prometheus and Alertmanager say about the canary.

The rule of this file: no error leaves it. What could not be asked, and an answer that is none, several or no ratio,
is Unknown with the words for it.
"""

import json
import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.evidence import Alerts, Evidence, Rate, Unknown, Value
from remediator.monitoring.expressions import SECOND, rate_expressions, select, spell, whole
from remediator.monitoring.json_api import NoAnswer
from remediator.monitoring.prometheus import AlertRule, Prometheus, Sample
from remediator.policy import Policy, SetPercentage, Target

SUCCESS_RATE = "denis:materializer_success_rate:avg_ratio"
ERROR_RATE = "denis:error_rate:avg_ratio"
"""Series that rules/denis.rules.yaml records: ratios, whatever unit DENIS exports."""

FIRING = 'ALERTS{alertstate="firing"}'

MAX_RATIO = 1.01
"""More than this is no ratio; rounding is no contradiction. The same bound stands in the rules."""

THREADS = 8
"""All questions together take about twice as long as the slowest; a Prometheus works on 20 at a time."""

Answer = tuple[Sample, ...] | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose series and alerts count."""

    policy: Policy
    target: Target
    """The canary."""
    cluster: str = ""
    """The fence, or empty."""

    def select(self, name: str, **labels: str) -> str:
        """The series of this name, ours as far as their labels say."""
        return select(name, labels, {"namespace": self.target.namespace, "cluster": self.cluster})

    def asks_for_rollback(self, labels: Mapping[str, str]) -> bool:
        """Whether the policy answers an alert with these labels by taking the canary back.

        One without the label `cluster` is taken for ours: it gets the label on its way to Alertmanager.
        """
        cluster = {"cluster": self.cluster} if self.cluster else {}
        if self.cluster and labels.get("cluster", self.cluster) != self.cluster:
            return False
        answer = self.policy.match({**cluster, **labels})
        return answer is not None and answer.target == self.target and isinstance(answer.action, SetPercentage)

    def rollback_rules(self, rules: Iterable[AlertRule]) -> tuple[AlertRule, ...]:
        """The rules of alerts that would take the canary back. The label `namespace` is mostly one of their series."""
        here = {"namespace": self.target.namespace}
        return tuple(rule for rule in rules if self.asks_for_rollback({**here, **rule.static_labels}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The expressions that Prometheus is asked for, by what they are the value of."""

    success_rate: Mapping[str, str]
    error_rate: Mapping[str, str]
    queue_depth: str
    latency_p99: str
    firing: str
    fired: str

    @property
    def all(self) -> tuple[str, ...]:
        """Each once."""
        mine = (self.queue_depth, self.latency_p99, self.firing, self.fired)
        return tuple(dict.fromkeys((*self.success_rate.values(), *self.error_rate.values(), *mine)))


def questions(scope: Scope, window: timedelta) -> Questions:
    """What is asked about a time back from now, of at least a second."""
    window = max(whole(window), SECOND)
    return Questions(
        success_rate=rate_expressions(scope.select(SUCCESS_RATE), window, "min"),
        error_rate=rate_expressions(scope.select(ERROR_RATE), window, "max"),
        queue_depth=f"max({scope.select('denis:signal', signal='async_queue_depth')})",
        latency_p99=f"max({scope.select('denis:signal', signal='materializer_latency_p99')})",
        firing=FIRING,
        fired=f"present_over_time({FIRING}[{spell(window)}])",
    )


def gather(
    scope: Scope, window: timedelta, *, prometheus: Prometheus | None, alertmanager: Alertmanager | None = None
) -> Evidence:
    """What is known about a time back from now. Either may be None: then it is not asked, and what it knows is not
    known.
    """
    asked = questions(scope, window)
    with ThreadPoolExecutor(THREADS) as pool:
        alarm = _Alarm(pool, scope, prometheus, alertmanager)
        if isinstance(alarm.first, Unknown):
            # The others would only say the same, and a Prometheus that has too much to do gets no more.
            answers: dict[str, Answer] = dict.fromkeys(asked.all, alarm.first)
        else:
            others = [expression for expression in asked.all if expression != asked.firing]
            found = pool.map(lambda expression: _ask(prometheus, expression), others)
            answers = {asked.firing: alarm.first, **dict(zip(others, found, strict=True))}
    return Evidence(
        window=window,
        success_rate=_rate(asked.success_rate, answers),
        error_rate=_rate(asked.error_rate, answers),
        firing=alarm.firing(),
        fired=alarm.rollbacks(answers[asked.fired]),
        queue_depth=_number(answers[asked.queue_depth], asked.queue_depth),
        latency_p99=_number(answers[asked.latency_p99], asked.latency_p99),
    )


def firing_alerts(scope: Scope, *, prometheus: Prometheus | None, alertmanager: Alertmanager | None = None) -> Alerts:
    """The alerts that ask for a rollback now, and nothing else is asked. Either may be None: then it is not asked.

    An alert fires if one of those that are asked says so. None does if all say so, and Prometheus has a rule of one.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return _Alarm(pool, scope, prometheus, alertmanager).firing()


class _Alarm:
    """The questions about alerts. When it is made Prometheus has said which fire; the rest is under way in the pool."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        scope: Scope,
        prometheus: Prometheus | None,
        alertmanager: Alertmanager | None,
    ) -> None:
        self._scope = scope
        self._muted = pool.submit(_firing_alerts, alertmanager) if alertmanager else None
        self._counts = bool(prometheus or not alertmanager)
        self.first = _ask(prometheus, FIRING)
        asked = None if isinstance(self.first, Unknown) else prometheus
        self._rules = pool.submit(_rules, asked, scope) if asked else None

    def firing(self) -> Alerts:
        """The alerts that ask for a rollback now."""
        sources = [self.rollbacks(self.first)] if self._counts else []
        sources += [_matching(self._muted.result(), self._scope)] if self._muted else []
        return _either(sources)

    def rollbacks(self, answer: Answer) -> Alerts:
        """The alerts in an answer of Prometheus's that ask for a rollback; that there are none, a rule has to prove."""
        alerts = answer if isinstance(answer, Unknown) else tuple(sample.labels for sample in answer)
        sources = [_matching(alerts, self._scope)]
        sources += [self._rules.result()] if self._rules else []
        return _either(sources)


def _ask(prometheus: Prometheus | None, expression: str) -> Answer:
    if prometheus is None:
        return Unknown(why="no Prometheus was asked; give --prometheus.url")
    try:
        return prometheus.query(expression)
    except NoAnswer as error:
        return Unknown(why=str(error))


def _firing_alerts(alertmanager: Alertmanager) -> Alerts:
    try:
        return alertmanager.firing_alerts()
    except NoAnswer as error:
        return Unknown(why=str(error))


def _rules(prometheus: Prometheus, scope: Scope) -> Alerts:
    """No alert, or why none could fire."""
    try:
        rules = prometheus.alert_rules()
    except NoAnswer as error:
        return Unknown(why=str(error))
    if scope.rollback_rules(rules):
        return ()
    why = f"no rule of an alert that Prometheus has loaded takes {scope.target.name} back, so none can fire"
    return Unknown(why=f"{why}; give it rules/denis.rules.yaml")


def _matching(alerts: Alerts, scope: Scope) -> Alerts:
    return alerts if isinstance(alerts, Unknown) else tuple(filter(scope.asks_for_rollback, alerts))


def _either(sources: list[Alerts]) -> Alerts:
    """What several say together: an alert that one knows of fires, whatever the others do not know."""
    known = tuple(labels for source in sources if not isinstance(source, Unknown) for labels in source)
    unknown = next((source for source in sources if isinstance(source, Unknown)), None)
    return unknown if unknown and not known else known


def _rate(asked: Mapping[str, str], answers: Mapping[str, Answer]) -> Rate:
    return Rate(**{name: _number(answers[expression], expression, ratio=True) for name, expression in asked.items()})


def _number(answer: Answer, expression: str, *, ratio: bool = False) -> Value:
    """The only value of an answer."""
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
    if ratio and not 0 <= number <= MAX_RATIO:
        return Unknown(why=f"{number:g} is no ratio, and the value of {expression}")
    # The average of equal numbers can differ from them in the last digit.
    return round(number, 9)


def _labels(sample: Sample) -> str:
    labels = (f"{name}={json.dumps(value)}" for name, value in sorted(sample.labels.items()) if name != "__name__")
    return f"{{{', '.join(labels)}}}"[:300]
