"""Parses Alertmanager's webhook notification, version 4.

The rule of this file: any bytes give either a Notification or a NotANotification. Each alert is parsed separately, so
that a malformed one does not affect the others. A value of the wrong type counts as absent unless a decision depends on
it. Unknown keys are accepted: Alertmanager adds some in most minor releases.
"""

import contextlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AliasPath,
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from remediator.core.problems import first_problem
from remediator.core.text import recordable

VERSION = "4"

MAX_BODY_BYTES = 10 * 1024 * 1024
"""10,000 alerts with ten labels and a description each are 8 MB."""


class NotANotification(ValueError):
    """The body is not a valid notification; the text says why."""


def _else(default: Any) -> WrapValidator:
    """The value that replaces one of the wrong type, null included."""

    def read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            return default

    return WrapValidator(read)


def _without_nulls(labels: Any) -> Any:
    """Other senders than Alertmanager write null for an empty map, and for a label without a value."""
    if isinstance(labels, dict):
        return {name: text for name, text in labels.items() if text is not None}
    return {} if labels is None else labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert of a notification; only the fields that matter here.

    Labels and annotations may hold any text: never use one as a name or path unchecked.
    """

    status: str
    labels: Annotated[dict[str, str], BeforeValidator(_without_nulls)]
    fingerprint: Annotated[str, _else("")] = ""
    starts_at: Annotated[AwareDatetime | None, _else(None), Field(alias="startsAt")] = None
    """When it began to fire, by Prometheus's clock; None if missing or not a time."""
    value: Annotated[str, _else(""), Field(validation_alias=AliasPath("annotations", "value"))] = ""
    """The annotation `value`, which the shipped rules set to the value of their expression."""
    recorded: Annotated[
        Annotated[float, Field(ge=0, allow_inf_nan=False)] | None,
        _else(None),
        Field(validation_alias=AliasPath("annotations", "recorded")),
    ] = None
    """The annotation `recorded` of a heartbeat: when the last sample was recorded, in seconds since 1970."""
    state_reason: Annotated[
        str, _else(""), Field(validation_alias=AliasPath("annotations", "grafana_state_reason"))
    ] = ""
    """Grafana's reason for the alert's state, if that is not a query's value."""

    @property
    def firing(self) -> bool:
        """Whether the alert fires; a resolved one can mean health, a silence or a dead exporter."""
        return self.status == "firing"

    @property
    def resolved(self) -> bool:
        """Whether the alert is resolved. Alertmanager has no third status."""
        return self.status == "resolved"

    @property
    def name(self) -> str:
        """The label `alertname`, or empty if missing."""
        return self.labels.get("alertname", "")

    @property
    def began(self) -> datetime | None:
        """When it began to fire, in UTC, or None if not known; Go's zero time is the year 1."""
        if self.starts_at is None or self.starts_at.year == 1:
            return None
        try:
            return self.starts_at.astimezone(UTC)
        except OverflowError:
            return None

    @property
    def without_data(self) -> str:
        """The label or annotation that marks an alert about a query without data, or empty.

        Engines other than Prometheus send such alerts with the labels of the rule that could not be evaluated.
        """
        for label in ("alertname", "rulename"):
            if _plain(self.labels.get(label, "")[:_LONGEST_NAME]) in _NO_DATA:
                return f"its label {label} is {self.labels[label][:_LONGEST_NAME]!r}"
        for word in self.state_reason[:_LONGEST_NAME].split(","):
            if _plain(word) in _NO_DATA | {"error"}:
                return f"its annotation grafana_state_reason is {self.state_reason[:_LONGEST_NAME]!r}"
        return ""


_LONGEST_NAME = 60

_NO_DATA = frozenset({"datasourcenodata", "datasourceerror", "nodata", "missingseries", "executionerror"})
"""Grafana's two alert names, and the words that it and others use for a state that no value caused."""


def _plain(name: str) -> str:
    """A name without case and separators: `Datasource No-Data` equals DatasourceNoData."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedAlert:
    """An element of `alerts` that is malformed, and why."""

    problem: str
    name: str = ""
    fingerprint: str = ""


Alerts = tuple[Alert | MalformedAlert, ...]
"""Those of one notification that are decided on together."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

_alert = TypeAdapter(Alert)


def _read_alert(value: Any) -> Alert | MalformedAlert:
    """Parse one element of `alerts`."""
    if not isinstance(value, dict):
        return MalformedAlert(problem="alert: Input should be an object")
    try:
        return _alert.validate_python(value)
    except ValidationError as error:
        labels, fingerprint = value.get("labels"), value.get("fingerprint")
        name = labels.get("alertname") if isinstance(labels, dict) else None
        return MalformedAlert(
            problem=first_problem(error, "alert"),
            name=name if isinstance(name, str) else "",
            fingerprint=fingerprint if isinstance(fingerprint, str) else "",
        )


def newest(alerts: Iterable[Alert | MalformedAlert]) -> datetime | None:
    """When the last of these alerts began, or None if not known for any."""
    return max((began for alert in alerts if isinstance(alert, Alert) and (began := alert.began)), default=None)


def oldest(alerts: Iterable[Alert | MalformedAlert]) -> datetime | None:
    """When the first of these alerts began, or None if not known for any."""
    return min((began for alert in alerts if isinstance(alert, Alert) and (began := alert.began)), default=None)


def format_alerts(alerts: Iterable[Alert | MalformedAlert], limit: int) -> str:
    """The names of these alerts with their values, the newest first, in at most this many characters.

    Each name appears once. The text is one line, safe to store in the record on the target.
    """
    known = [alert for alert in alerts if isinstance(alert, Alert)]
    known.sort(key=lambda alert: alert.began or _LONG_AGO, reverse=True)
    first: dict[str, Alert] = {}
    for alert in known:
        first.setdefault(alert.name, alert)
    texts = [_named(alert) for alert in first.values()]
    shown = ", ".join(texts[:_MOST_NAMES])
    more = f" and {len(texts) - _MOST_NAMES} more" if len(texts) > _MOST_NAMES else ""
    return shown[: limit - len(more)] + more


def _named(alert: Alert) -> str:
    value = alert.value[:_LONGEST_VALUE].strip()
    with contextlib.suppress(ValueError):
        value = f"{float(value):.6g}"
    name = alert.name[:_LONGEST_NAME] or "an alert without a name"
    text = f"{name} {value}".strip()
    return recordable(text)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MOST_NAMES = 3
_LONGEST_VALUE = 20

_MOST_TRUNCATED = 1_000_000_000
"""The bound keeps an arbitrary number from overflowing a float counter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A webhook request's body, without the fields of the group as a whole: decisions are made per alert."""

    version: str
    alerts: tuple[Annotated[Alert | MalformedAlert, PlainValidator(_read_alert)], ...]
    receiver: Annotated[str, _else("")] = ""
    group_key: Annotated[str, _else(""), Field(alias="groupKey")] = ""
    truncated_alerts: Annotated[int, Field(ge=0, le=_MOST_TRUNCATED), _else(0), Field(alias="truncatedAlerts")] = 0
    """How many alerts `max_alerts` cut off. They are lost: Alertmanager counts them as sent."""


_notification = TypeAdapter(Notification)


def parse_notification(body: bytes) -> Notification:
    """The notification in a request's body.

    Raises NotANotification if the body is not JSON, not version 4, or has only malformed alerts.
    """
    try:
        content = json.loads(body.decode())
        if _SURROGATE.search(body):
            json.dumps(content, ensure_ascii=False).encode()  # A lone surrogate cannot be encoded.
    except ValueError as error:
        raise NotANotification(f"body: Invalid JSON: {error}") from None
    except RecursionError:
        raise NotANotification("body: Invalid JSON: recursion limit exceeded") from None
    if not isinstance(content, dict):
        raise NotANotification("body: Input should be an object")
    if not isinstance(content.get("alerts", []), list):
        raise NotANotification("alerts: Input should be a valid array")
    try:
        notification = _notification.validate_python(content)
    except ValidationError as error:
        raise NotANotification(first_problem(error, "body")) from None
    if notification.version != VERSION:
        raise NotANotification(f"version {notification.version[:20]!r} is not Alertmanager's version {VERSION!r}")
    malformed = [alert for alert in notification.alerts if isinstance(alert, MalformedAlert)]
    if malformed and len(malformed) == len(notification.alerts):
        raise NotANotification(f"none of the {len(malformed)} alerts can be read: {malformed[0].problem}")
    return notification
