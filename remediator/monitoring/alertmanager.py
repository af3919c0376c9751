"""The part of Alertmanager's HTTP API that is used: firing alerts, silences, the configuration.

The rule of this file: an element of a list that cannot be parsed is returned as unknown, and does not affect the
others.
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
    """An Alertmanager. Thread-safe.

    Raises ValueError if the URL is not an HTTP URL.
    """

    def __init__(
        self, url: str, *, timeout: float = 5.0, http: HttpConfig | None = None, ends: float = math.inf
    ) -> None:
        self.api = JsonApi("Alertmanager", url, timeout=timeout, http=http, ends=ends)

    def firing_alerts(self) -> tuple[Labels | None, ...]:
        """The labels of every alert that fires and is neither silenced nor inhibited. Raises NoAnswer.

        None stands for an alert of which nothing can be parsed.
        """
        fields = {"active": "true", "silenced": "false", "inhibited": "false"}
        alerts = self._elements("/api/v2/alerts", fields, "firing alerts")
        found = (alert.get("labels") if isinstance(alert, dict) else alert for alert in alerts)
        return tuple(read_labels(labels) for labels in found)

    def silences(self) -> tuple[Any, ...]:
        """The silences, including expired ones. Raises NoAnswer."""
        return self._elements("/api/v2/silences", {}, "its silences")

    def config(self) -> str:
        """The YAML of its loaded configuration, in which secrets are hidden. Raises NoAnswer."""
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
        """Post an alert that fires until `ends`, as Prometheus would. Raises NoAnswer."""
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
