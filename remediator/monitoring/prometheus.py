"""The part of Prometheus's HTTP API that is used: queries, rules, targets, Alertmanagers, the configuration.

The rule of this file: an element of a list that cannot be parsed is returned as unknown, and does not affect the
others. Thanos, Mimir, Cortex, Grafana and VictoriaMetrics omit, or write as null, fields that Prometheus always has.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from remediator.config.document import InvalidDocument, parse_document
from remediator.core.durations import parse_duration
from remediator.core.parts import as_list, as_map
from remediator.core.problems import first_problem
from remediator.core.routes import Labels, known_labels, read_condition
from remediator.core.times import parse_time
from remediator.monitoring.http_config import HttpConfig
from remediator.monitoring.http_json import JsonApi
from remediator.monitoring.labels import read_labels

_PATH = "/api/v1/query"

_FILTERS = ("drop", "keep", "dropequal", "keepequal")
"""Relabeling that leaves labels as they are."""

MAX_SECONDS = 1e9
"""The longest `for` and interval; a longer one, or one that is not a number, is unknown."""

Form = TypeVar("Form")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A sample's value; may be NaN or infinite."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    value: tuple[float, float]
    metric: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vector:
    type: Annotated[Literal["vector"], Field(alias="resultType")]
    result: list[Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scalar:
    type: Annotated[Literal["scalar"], Field(alias="resultType")]
    result: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """The samples of one series over a period, as pairs of Unix time and value."""

    labels: Annotated[dict[str, str], Field(alias="metric")]
    values: list[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matrix:
    type: Annotated[Literal["matrix"], Field(alias="resultType")]
    result: list[Points] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _RangeAnswer:
    status: Literal["success"]
    data: _Matrix
    warnings: tuple[Any, ...] | None = None
    partial: Annotated[bool | None, Field(alias="isPartial")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: Literal["success"]
    data: Annotated[_Vector | _Scalar, Field(discriminator="type")]
    warnings: tuple[Any, ...] | None = None
    partial: Annotated[bool | None, Field(alias="isPartial")] = None
    """VictoriaMetrics's field for a response that lacks a node's data."""


_answer = TypeAdapter(_Answer)
_range_answer = TypeAdapter(_RangeAnswer)
_series = TypeAdapter(list[_Series])


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAlert:
    """An active alert of a rule, pending or firing."""

    labels: Labels
    state: str
    """`pending` or `firing`."""
    value: float | None
    since: datetime | None
    """When the condition began to hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """A loaded alerting rule, with its last evaluation."""

    name: str
    query: str
    labels: Labels | None
    """None if they cannot be parsed at all."""
    duration: float
    """Its `for`, in seconds."""
    health: str
    """`ok`, `err`, or `unknown` before the first evaluation."""
    state: str
    """`inactive`, `pending` or `firing`; empty before the first evaluation."""
    error: str = ""
    interval: float = 0.0
    """The interval of its group in seconds, 0 if not known."""
    evaluated: datetime | None = None
    """When it was last evaluated, by Prometheus's clock."""
    active: tuple[ActiveAlert, ...] = ()
    """Its active alerts, only if requested."""

    @property
    def all_labels(self) -> Labels:
        """The labels of every alert of this rule, including alertname; None for templated ones."""
        labels = (self.labels or {}).items()
        return {"alertname": self.name, **{name: None if value and "{{" in value else value for name, value in labels}}

    @property
    def static_labels(self) -> Mapping[str, str]:
        """The labels whose value is known."""
        return known_labels(self.all_labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Groups:
    groups: list[Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    status: Literal["success"]
    data: _Groups
    warnings: tuple[Any, ...] | None = None
    partial: Annotated[bool | None, Field(alias="isPartial")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoints:
    active: Annotated[list[Any] | None, Field(alias="activeAlertmanagers")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alertmanagers:
    data: _Endpoints


_rules = TypeAdapter(_Rules)
_alertmanagers = TypeAdapter(_Alertmanagers)


class Prometheus:
    """A Prometheus, or a compatible program. Thread-safe.

    Raises ValueError if the URL is not an HTTP URL.
    """

    def __init__(
        self, url: str, *, timeout: float = 5.0, http: HttpConfig | None = None, ends: float = math.inf
    ) -> None:
        self.api = JsonApi("Prometheus", url, timeout=timeout, http=http, ends=ends)
        self._timeout = timeout

    def query(self, expression: str) -> tuple[Sample, ...]:
        """The samples of an instant vector, or of a scalar as one without labels. Raises NoAnswer.

        A response with warnings (for example of a Thanos that did not reach all stores) counts as no answer: the
        missing part might matter. So does one with a value that cannot be parsed.
        """
        match self._query(expression):
            case _Vector(result=result):
                try:
                    series = _series.validate_python(result or [])
                except ValidationError as error:
                    self._fail(expression, error, "data.vector.result.")
                return tuple(Sample(labels=one.metric or {}, value=one.value[1]) for one in series)
            case _Scalar(result=(_, number)):
                return (Sample(labels={}, value=number),)

    def label_sets(self, expression: str) -> tuple[Labels | None, ...]:
        """The labels of each series of an instant vector, whatever its value is. Raises NoAnswer.

        None stands for a series of which nothing can be parsed.
        """
        match self._query(expression):
            case _Vector(result=result):
                return tuple(
                    read_labels(one.get("metric") if isinstance(one, Mapping) else one) for one in result or ()
                )
            case _Scalar():
                return ({},)

    def _query(self, expression: str) -> _Vector | _Scalar:
        fields = {"query": expression, "timeout": f"{self._timeout:g}"}
        answer = self._ask(_PATH, fields, expression, _answer)
        self._refuse_partial(answer, expression)
        return answer.data

    def query_range(self, expression: str, start: int, end: int, step: int) -> tuple[Points, ...]:
        """A range query, evaluated every `step` seconds. Raises NoAnswer, as `query` does.

        Moments without a sample are omitted. Prometheus refuses more than 11,000 steps.
        """
        fields = {"query": expression, "start": f"{start}", "end": f"{end}", "step": f"{step}"}
        fields["timeout"] = f"{self._timeout:g}"
        answer = self._ask("/api/v1/query_range", fields, expression, _range_answer, _load_range)
        self._refuse_partial(answer, expression)
        return tuple(answer.data.result or ())

    def recent(self, expression: str, window: float, step: float) -> tuple[Points, ...]:
        """An expression over a window that ends at Prometheus's current time, in seconds. Raises NoAnswer."""
        query = f"({expression})[{round(window * 1000)}ms:{round(step * 1000)}ms]"
        fields = {"query": query, "timeout": f"{self._timeout:g}"}
        answer = self._ask(_PATH, fields, query, _range_answer)
        self._refuse_partial(answer, query)
        return tuple(answer.data.result or ())

    def started(self) -> datetime:
        """When its process started, by its own clock. Raises NoAnswer."""
        asked = "the time of its start"
        answer = as_map(as_map(self.api.get("/api/v1/status/runtimeinfo", {}, asked=asked)).get("data"))
        started = parse_time(answer.get("startTime"))
        if started is None:
            self.api.fail(asked, "it shows none", "only a Prometheus itself has one")
        return started

    def alert_rules(self, *, active: bool = False) -> tuple[AlertRule, ...]:
        """All loaded alerting rules, optionally with their active alerts. Raises NoAnswer."""
        fields = {"type": "alert"} | ({} if active else {"exclude_alerts": "true"})
        return tuple(self._rules(fields, "the rules of alerts", ("alerting", None)))

    def recording_rules(self) -> Mapping[str, tuple[str, ...]]:
        """The expressions of all loaded recording rules, by the recorded name. Raises NoAnswer."""
        found: dict[str, tuple[str, ...]] = {}
        for rule in self._rules({"type": "record"}, "the recording rules", ("recording",)):
            found[rule.name] = (*found.get(rule.name, ()), rule.query)
        return found

    def _rules(self, fields: Mapping[str, str], asked: str, kinds: tuple[str | None, ...]) -> Iterator[AlertRule]:
        found = self._ask("/api/v1/rules", fields, asked, _rules)
        self._refuse_partial(found, asked)
        for group in found.data.groups or ():
            yield from _group_rules(group, kinds)

    def formatted(self, expression: str) -> str:
        """Format an expression as Prometheus does. Raises NoAnswer."""
        answer = as_map(self.api.get("/api/v1/format_query", {"query": expression}, asked="the form of a rule"))
        return str(answer.get("data"))

    def scrape_interval(self, job: str) -> timedelta | None:
        """The longest scrape interval of this job's targets, or None if it has none. Raises NoAnswer."""
        answer = as_map(as_map(self.api.get("/api/v1/targets", {"state": "active"}, asked="its targets")).get("data"))
        targets = map(as_map, as_list(answer.get("activeTargets")))
        intervals = [str(one.get("scrapeInterval")) for one in targets if as_map(one.get("labels")).get("job") == job]
        try:
            return max(map(parse_duration, intervals), default=None)
        except ValueError:
            return None

    def external_labels(self) -> Mapping[str, str]:
        """Its external labels, which it adds to every alert it sends. Raises NoAnswer."""
        asked = "its configuration"
        answer = as_map(as_map(self.api.get("/api/v1/status/config", {}, asked=asked)).get("data"))
        try:
            text = _keys(str(answer.get("yaml") or ""), "global:", "alerting:")
            config = as_map(parse_document(text, "the configuration").value)
        except InvalidDocument as error:
            self.api.fail(asked, str(error)[:200], "see that Prometheus itself listens at this URL")
        if not config:
            self.api.fail(asked, "it shows none", "only a Prometheus itself has one")
        alerting = as_map(config.get("alerting"))
        relabelings = [
            as_map(one)
            for holder in (alerting, *map(as_map, as_list(alerting.get("alertmanagers"))))
            for one in as_list(holder.get("alert_relabel_configs"))
        ]
        if any(one.get("action") not in ("labeldrop", *_FILTERS) for one in relabelings):
            text = "alert_relabel_configs may change the labels of alerts"
            self.api.fail(asked, text, "check in Alertmanager which labels an alert has")
        labels = as_map(as_map(config.get("global")).get("external_labels"))
        dropping = [one for one in relabelings if one.get("action") == "labeldrop"]
        dropped = [read_condition("", "=~", one.get("regex", "(.*)")).matcher for one in dropping]
        return {
            str(name): str(value)
            for name, value in labels.items()
            if not any(one is None or one.matches({"": str(name)}) for one in dropped)
        }

    def alertmanagers(self) -> tuple[str, ...]:
        """The URLs of the Alertmanagers that it sends to, without credentials. Raises NoAnswer."""
        found = self._ask("/api/v1/alertmanagers", {}, "its Alertmanagers", _alertmanagers)
        urls = (str(as_map(one).get("url") or "") for one in found.data.active or ())
        return tuple(url.rpartition("@")[2].removeprefix("http://") for url in urls if url)

    def _refuse_partial(self, answer: _Answer | _RangeAnswer | _Rules, asked: str) -> None:
        if answer.warnings or answer.partial:
            why = str(answer.warnings[0]) if answer.warnings else "isPartial"
            self.api.fail(asked, f"the answer may be incomplete: {self.api.quote(why)}", "fix that first")

    def _ask(
        self,
        path: str,
        fields: Mapping[str, str],
        asked: str,
        form: TypeAdapter[Form],
        loads: Callable[[bytes], Any] = json.loads,
    ) -> Form:
        try:
            return form.validate_python(self.api.get(path, fields, asked=asked, loads=loads))
        except ValidationError as error:
            self._fail(asked, error)

    def _fail(self, asked: str, error: ValidationError, place: str = "") -> NoReturn:
        problem = f"the answer is not Prometheus's: {place}{first_problem(error, 'answer')}"
        self.api.fail(asked, problem, "see that Prometheus itself listens at this URL")


def _keys(config: str, *keys: str) -> str:
    """These keys of a configuration as Prometheus writes it out: to parse all scrapes of a large one takes seconds."""
    parts = re.split(r"^(?=\w+:)", config, flags=re.MULTILINE)
    return "".join(part for part in parts if part.startswith(keys)) or config


def _load_range(body: bytes) -> object:
    """Parse a range response in one pass, because it has thousands of numbers. Any other JSON is refused."""
    try:
        return _range_answer.validate_json(body)
    except ValidationError:
        return json.loads(body)


def _group_rules(group: object, kinds: tuple[str | None, ...]) -> Iterator[AlertRule]:
    for value in as_list(as_map(group).get("rules")):
        rule = as_map(value)
        # Some programs also return recording rules, and types of their own.
        if not isinstance(value, Mapping) or rule.get("type", kinds[0]) not in kinds:
            continue
        yield AlertRule(
            name=_text(rule.get("name")),
            query=_text(rule.get("query")),
            labels=read_labels(rule.get("labels")),
            duration=_seconds(rule.get("duration")),
            health=_text(rule.get("health")) or "unknown",
            state=_text(rule.get("state")),
            error=_text(rule.get("lastError")),
            interval=_seconds(as_map(group).get("interval")),
            evaluated=parse_time(rule.get("lastEvaluation")),
            active=tuple(_active(as_map(alert)) for alert in as_list(rule.get("alerts"))),
        )


def _active(alert: Mapping[str, Any]) -> ActiveAlert:
    return ActiveAlert(
        labels=read_labels(alert.get("labels")) or {},
        state=_text(alert.get("state")),
        value=_value(alert.get("value")),
        since=parse_time(alert.get("activeAt")),
    )


def _value(value: object) -> float | None:
    try:
        number = float(_text(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(value: object) -> str:
    return "" if value is None else str(value)[:10_000]


def _seconds(value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type] # what is no number ends in the line below
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return seconds if 0 <= seconds <= MAX_SECONDS else 0.0
