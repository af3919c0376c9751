"""The evidence, gathered: what Prometheus and Alertmanager say about the canary.

The rule of this file: no error leaves it. What could not be asked, and an answer that is none, several or no ratio,
is Unknown with the words for it.
"""

import json
import math
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from remediator.durations import format_duration, parse_duration
from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.evidence import RECENT, Alerts, Evidence, Rate, Unknown, Value
from remediator.monitoring.json_api import NoAnswer
from remediator.monitoring.prometheus import Prometheus, Sample
from remediator.policy import Policy, SetPercentage, Target

SUCCESS_RATE = "denis:materializer_success_rate:avg_ratio"
ERROR_RATE = "denis:error_rate:avg_ratio"
"""Series that rules/denis.rules.yaml records: ratios, whatever unit DENIS exports."""

FIRING = 'ALERTS{alertstate="firing"}'

POINTS = 100
"""In how many points of its time a series is looked for, so that the cost does not depend on the time."""

FRESH = timedelta(minutes=1)
"""How old a sample may be at such a point. The rules are evaluated every 15 s."""

MAX_RATIO = 1.01
"""More than this is no ratio; rounding is no contradiction. The same bound stands in the rules."""

THREADS = 8
"""All questions together take about twice as long as the slowest; a Prometheus works on 20 at a time."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose series and alerts count."""

    policy: Policy
    target: Target
    """The canary."""
    cluster: str = ""
    """The fence, or empty."""

    def select(self, name: str, **labels: str) -> str:
        """The series of this name.

        A label `cluster` or `namespace` has to be ours where there is one. Mostly there is none: a Prometheus does
        not put its external_labels on its own series.
        """
        matchers = [f"{label}={json.dumps(value)}" for label, value in labels.items()]
        matchers.append(f"namespace=~{_or_none(self.target.namespace)}")
        if self.cluster:
            matchers.append(f"cluster=~{_or_none(self.cluster)}")
        return f"{name}{{{', '.join(matchers)}}}"

    def asks_for_rollback(self, labels: Mapping[str, str]) -> bool:
        """Whether the policy answers an alert with these labels by taking the canary back."""
        if self.cluster and labels.get("cluster", self.cluster) != self.cluster:
            return False
        answer = self.policy.match(labels)
        return answer is not None and answer.target == self.target and isinstance(answer.action, SetPercentage)


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
    window = max(_whole(window), _SECOND)
    return Questions(
        success_rate=_rate_questions(scope.select(SUCCESS_RATE), window, "min"),
        error_rate=_rate_questions(scope.select(ERROR_RATE), window, "max"),
        queue_depth=f"max({scope.select('denis:signal', signal='async_queue_depth')})",
        latency_p99=f"max({scope.select('denis:signal', signal='materializer_latency_p99')})",
        firing=FIRING,
        fired=f"present_over_time({FIRING}[{_spell(window)}])",
    )


def _rate_questions(series: str, window: timedelta, worst: Literal["min", "max"]) -> dict[str, str]:
    """The expression for each value of a Rate."""
    recent = min(RECENT, window)
    average = f"avg_over_time({series}[{_spell(recent)}])"
    # Averages over RECENT that lie within the window. At steps of RECENT or less no moment is in none of them.
    rest = window - recent
    step = min(max(_whole(rest / POINTS), _SECOND), RECENT)
    return {
        "current": f"last_over_time({series}[{_spell(FRESH)}])",
        "recent": average,
        "average": f"avg_over_time({series}[{_spell(window)}])",
        "worst": f"{worst}_over_time({average}[{_spell(rest)}:{_spell(step)}])" if rest else average,
        "coverage": _coverage(series, window),
        "recent_coverage": _coverage(series, recent),
    }


def _coverage(series: str, window: timedelta) -> str:
    """The share of the points of a time at which there was a sample."""
    step = max(_whole(window / POINTS), _SECOND)
    # Prometheus 2 counts the point at the window's start too.
    found = f"count_over_time(last_over_time({series}[{_spell(FRESH)}])[{_spell(window)}:{_spell(step)}])"
    return f"clamp_max({found} / {window // step}, 1)"


def gather(
    scope: Scope, window: timedelta, *, prometheus: Prometheus | None, alertmanager: Alertmanager | None = None
) -> Evidence:
    """What is known about a time back from now. Either may be None: then it is not asked, and what it knows is not
    known. An alert fires if one of those that are asked says so, and none does if all say so.
    """
    asked = questions(scope, window)
    with ThreadPoolExecutor(THREADS) as pool:
        muted = pool.submit(_firing_alerts, alertmanager)
        first = _ask(prometheus, asked.firing)
        if isinstance(first, Unknown):
            # The others would only say the same, and a Prometheus that has too much to do gets no more.
            answers: dict[str, Answer] = dict.fromkeys(asked.all, first)
        else:
            others = [expression for expression in asked.all if expression != asked.firing]
            found = pool.map(lambda expression: _ask(prometheus, expression), others)
            answers = {asked.firing: first, **dict(zip(others, found, strict=True))}
    firing = [_rollbacks(answers[asked.firing], scope)] if prometheus or not alertmanager else []
    firing += [_matching(muted.result(), scope)] if alertmanager else []
    return Evidence(
        window=window,
        success_rate=_rate(asked.success_rate, answers),
        error_rate=_rate(asked.error_rate, answers),
        firing=_either(firing),
        fired=_rollbacks(answers[asked.fired], scope),
        queue_depth=_number(answers[asked.queue_depth], asked.queue_depth),
        latency_p99=_number(answers[asked.latency_p99], asked.latency_p99),
    )


Answer = tuple[Sample, ...] | Unknown


def _ask(prometheus: Prometheus | None, expression: str) -> Answer:
    if prometheus is None:
        return Unknown(why="no Prometheus was asked; give --prometheus.url")
    try:
        return prometheus.query(expression)
    except NoAnswer as error:
        return Unknown(why=str(error))


def _firing_alerts(alertmanager: Alertmanager | None) -> Alerts:
    if alertmanager is None:
        return Unknown(why="no Alertmanager was asked; give --alertmanager.url")
    try:
        return alertmanager.firing_alerts()
    except NoAnswer as error:
        return Unknown(why=str(error))


def _rollbacks(answer: Answer, scope: Scope) -> Alerts:
    return _matching(answer if isinstance(answer, Unknown) else tuple(sample.labels for sample in answer), scope)


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


def _or_none(value: str) -> str:
    """A matcher's text for this value, or for a label that is not there."""
    return json.dumps(re.escape(value).replace(r"\-", "-") + "|", ensure_ascii=False)


def _whole(duration: timedelta) -> timedelta:
    """In whole seconds, rounded up."""
    return -(-duration // _SECOND) * _SECOND


def _spell(duration: timedelta) -> str:
    text = format_duration(duration)
    return text if parse_duration(text) == duration else f"{duration // _SECOND}s"
