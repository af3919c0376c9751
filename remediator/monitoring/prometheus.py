"""Prometheus's HTTP API, as far as it is asked: the value of an expression now, rules of alerts, Alertmanagers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from remediator.monitoring.json_api import JsonApi
from remediator.problems import first_problem

_PATH = "/api/v1/query"

Form = TypeVar("Form")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A value of a series; NaN and infinities are values too."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    metric: dict[str, str]
    value: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vector:
    type: Annotated[Literal["vector"], Field(alias="resultType")]
    result: list[_Series]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scalar:
    type: Annotated[Literal["scalar"], Field(alias="resultType")]
    result: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: Literal["success"]
    data: Annotated[_Vector | _Scalar, Field(discriminator="type")]
    warnings: tuple[str, ...] = ()


_answer = TypeAdapter(_Answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """A rule of an alert, as it is loaded and was last evaluated."""

    name: str
    query: str
    labels: dict[str, str]
    duration: float
    """How long the condition has to hold, in seconds."""
    health: str
    """`ok`, `err`, or `unknown` before the first evaluation."""
    state: str
    """`inactive`, `pending` or `firing`; empty before the first evaluation."""
    error: Annotated[str, Field(alias="lastError")] = ""

    @property
    def static_labels(self) -> Mapping[str, str]:
        """The labels that every alert of this rule has: its name, and those that are not computed."""
        return {"alertname": self.name} | {name: value for name, value in self.labels.items() if "{{" not in value}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    rules: list[AlertRule]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Groups:
    groups: list[_Group]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    data: _Groups


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoints:
    active: Annotated[list[_Endpoint], Field(alias="activeAlertmanagers")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alertmanagers:
    data: _Endpoints


_rules = TypeAdapter(_Rules)
_alertmanagers = TypeAdapter(_Alertmanagers)


class Prometheus:
    """A Prometheus, or what speaks as one. Safe to share between threads.

    Raises ValueError where the URL is not that of an HTTP server.
    """

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._api = JsonApi("Prometheus", url, timeout=timeout)
        self._timeout = timeout

    def query(self, expression: str) -> tuple[Sample, ...]:
        """The samples of an instant vector, or one without labels of a scalar. Raises NoAnswer.

        An answer with warnings, as of a Thanos that could not ask all its stores, is none: what is missing in it
        might be what matters.
        """
        fields = {"query": expression, "timeout": f"{self._timeout:g}"}
        answer = self._ask(_PATH, fields, expression, _answer)
        if answer.warnings:
            problem = f"the answer may be incomplete: {self._api.quote(answer.warnings[0])}"
            self._api.fail(expression, problem, "mend that first")
        match answer.data:
            case _Vector(result=result):
                return tuple(Sample(labels=series.metric, value=series.value[1]) for series in result)
            case _Scalar(result=(_, number)):
                return (Sample(labels={}, value=number),)

    def alert_rules(self) -> tuple[AlertRule, ...]:
        """The rules of all alerts that are loaded. Raises NoAnswer."""
        found = self._ask("/api/v1/rules", {"type": "alert", "exclude_alerts": "true"}, "the rules of alerts", _rules)
        return tuple(rule for group in found.data.groups for rule in group.rules)

    def alertmanagers(self) -> tuple[str, ...]:
        """The URLs of the Alertmanagers that alerts are sent to, without credentials. Raises NoAnswer."""
        found = self._ask("/api/v1/alertmanagers", {}, "its Alertmanagers", _alertmanagers)
        return tuple(one.url.rpartition("@")[2].removeprefix("http://") for one in found.data.active)

    def _ask(self, path: str, fields: Mapping[str, str], asked: str, form: TypeAdapter[Form]) -> Form:
        try:
            return form.validate_python(self._api.get(path, fields, asked=asked))
        except ValidationError as error:
            problem = f"the answer is not Prometheus's: {first_problem(error, 'answer')}"
            self._api.fail(asked, problem, "see that Prometheus itself listens at this URL")
