"""Alertmanager's HTTP API, as far as it is asked: the alerts that fire, the silences, the configuration.

The rule of this file: one element of a list that cannot be read costs itself, and is handed on as not known.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from remediator.core.problems import first_problem
from remediator.core.routes import Labels
from remediator.monitoring.http_config import HttpConfig
from remediator.monitoring.http_json import JsonApi
from remediator.monitoring.labels import read_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Config:
    original: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Status:
    config: _Config


_list = TypeAdapter(list[Any])
_status = TypeAdapter(_Status)


class Alertmanager:
    """An Alertmanager. Safe to share between threads.

    Raises ValueError where the URL is not that of an HTTP server.
    """

    def __init__(
        self, url: str, *, timeout: float = 5.0, http: HttpConfig | None = None, ends: float = math.inf
    ) -> None:
        self.api = JsonApi("Alertmanager", url, timeout=timeout, http=http, ends=ends)

    def firing_alerts(self) -> tuple[Labels | None, ...]:
        """The labels of every alert that fires and is neither silenced nor inhibited. Raises NoAnswer.

        None is an alert of which nothing can be read.
        """
        fields = {"active": "true", "silenced": "false", "inhibited": "false"}
        alerts = self._elements("/api/v2/alerts", fields, "firing alerts")
        found = (alert.get("labels") if isinstance(alert, dict) else alert for alert in alerts)
        return tuple(read_labels(labels) for labels in found)

    def silences(self) -> tuple[Any, ...]:
        """The silences as it has them, with those that are over. Raises NoAnswer."""
        return self._elements("/api/v2/silences", {}, "its silences")

    def config(self) -> str:
        """The YAML of its configuration as it is loaded; it shows no secrets. Raises NoAnswer."""
        asked = "its configuration"
        value = self.api.get("/api/v2/status", {}, asked=asked)
        try:
            config = _status.validate_python(value).config.original
        except ValidationError as error:
            self._fail(asked, error)
        if not config.strip():
            self.api.fail(asked, "it shows an empty one", "see that Alertmanager itself listens at this URL")
        return config

    def post_alert(self, labels: Mapping[str, str], annotations: Mapping[str, str], ends: datetime) -> None:
        """Let an alert fire until then, as Prometheus would. Raises NoAnswer."""
        alert = {"labels": labels, "annotations": annotations, "endsAt": ends.isoformat()}
        self.api.post("/api/v2/alerts", [alert], asked="to take an alert")

    def _elements(self, path: str, fields: dict[str, str], asked: str) -> tuple[Any, ...]:
        value = self.api.get(path, fields, asked=asked)
        try:
            # Go writes an empty list as null.
            return () if value is None else tuple(_list.validate_python(value))
        except ValidationError as error:
            self._fail(asked, error)

    def _fail(self, asked: str, error: ValidationError) -> NoReturn:
        problem = f"the answer is not Alertmanager's: {first_problem(error, 'answer')}"
        self.api.fail(asked, problem, "see that Alertmanager itself listens at this URL")
