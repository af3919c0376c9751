"""Alertmanager's HTTP API, as far as it is asked: the alerts that fire and that nobody has muted."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from remediator.monitoring.json_api import JsonApi
from remediator.problems import first_problem

_PATH = "/api/v2/alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alert:
    labels: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Config:
    original: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Status:
    config: _Config


_alerts = TypeAdapter(list[_Alert])
_status = TypeAdapter(_Status)


class Alertmanager:
    """An Alertmanager. Safe to share between threads.

    Raises ValueError where the URL is not that of an HTTP server.
    """

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._api = JsonApi("Alertmanager", url, timeout=timeout)

    def firing_alerts(self) -> tuple[Mapping[str, str], ...]:
        """The labels of every alert that fires and is neither silenced nor inhibited. Raises NoAnswer."""
        fields = {"active": "true", "silenced": "false", "inhibited": "false"}
        asked = "firing alerts"
        value = self._api.get(_PATH, fields, asked=asked)
        try:
            return tuple(alert.labels for alert in _alerts.validate_python(value))
        except ValidationError as error:
            problem = f"the answer is not Alertmanager's: {first_problem(error, 'answer')}"
            self._api.fail(asked, problem, "see that Alertmanager itself listens at this URL")

    def config(self) -> str:
        """The YAML of its configuration as it is loaded; it shows no secrets. Raises NoAnswer."""
        asked = "its configuration"
        value = self._api.get("/api/v2/status", {}, asked=asked)
        try:
            return _status.validate_python(value).config.original
        except ValidationError as error:
            problem = f"the answer is not Alertmanager's: {first_problem(error, 'answer')}"
            self._api.fail(asked, problem, "see that Alertmanager itself listens at this URL")
