"""Prometheus's HTTP API, as far as it is asked: the value of an expression now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from remediator.json_api import JsonApi
from remediator.problems import first_problem

_PATH = "/api/v1/query"


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
        value = self._api.get(_PATH, fields, asked=expression)
        try:
            answer = _answer.validate_python(value)
        except ValidationError as error:
            problem = f"the answer is not Prometheus's: {first_problem(error, 'answer')}"
            self._api.fail(expression, problem, "see that Prometheus itself listens at this URL")
        if answer.warnings:
            self._api.fail(expression, f"the answer may be incomplete: {answer.warnings[0][:300]}", "mend that first")
        match answer.data:
            case _Vector(result=result):
                return tuple(Sample(labels=series.metric, value=series.value[1]) for series in result)
            case _Scalar(result=(_, number)):
                return (Sample(labels={}, value=number),)
