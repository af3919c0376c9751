"""What Alertmanager sends: its webhook's notification, version 4.

The rule of this file: whatever bytes arrive, the answer is a Notification or a NotANotification. Each alert is read
by itself, so that one that cannot be read never costs its siblings. Unknown keys are accepted: newer Alertmanagers
add some in most minor releases.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import core_schema

from remediator.problems import first_problem

VERSION = "4"

MAX_BODY_BYTES = 10 * 1024 * 1024
"""10,000 alerts with ten labels and a description each are 8 MB."""


class NotANotification(ValueError):
    """The body is not a notification that this service understands; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert of a notification, without what no decision rests on: times, annotations, URLs.

    Labels may hold any text: never use one as a name or path unchecked.
    """

    status: str
    labels: dict[str, str]
    fingerprint: str = ""

    @property
    def firing(self) -> bool:
        """Whether the alert fires; a resolved one can mean health, a silence or a dead exporter."""
        return self.status == "firing"

    @property
    def name(self) -> str:
        """The label `alertname`, empty where the sender set none."""
        return self.labels.get("alertname", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedAlert:
    """An element of `alerts` that could not be read, and why."""

    problem: str
    name: str = ""
    fingerprint: str = ""


def _malformed_is_a_value(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(value, dict) and value.get("labels", ...) is None:
        # Senders other than Alertmanager write null for a map without entries.
        value = {**value, "labels": {}}
    try:
        return read(value)
    except ValidationError as error:
        labels = value.get("labels") if isinstance(value, dict) else None
        name = labels.get("alertname") if isinstance(labels, dict) else None
        fingerprint = value.get("fingerprint") if isinstance(value, dict) else None
        return MalformedAlert(
            problem=first_problem(error, "alert") if isinstance(value, dict) else "alert: Input should be an object",
            name=name if isinstance(name, str) else "",
            fingerprint=fingerprint if isinstance(fingerprint, str) else "",
        )


def _read_alert(_: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    """Each element is read by itself, and without a call of Python's: only what is no Alert as it stands costs one."""
    alert = handler(Alert)
    tolerant = core_schema.no_info_wrap_validator_function(_malformed_is_a_value, alert)
    return core_schema.union_schema([alert, tolerant], mode="left_to_right")


ReadAlert = Annotated[Alert | MalformedAlert, GetPydanticSchema(_read_alert)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A webhook request's body. What the group has in common is left out: decisions are made per alert."""

    version: str
    alerts: tuple[ReadAlert, ...]
    receiver: str = ""
    group_key: Annotated[str, Field(alias="groupKey")] = ""
    truncated_alerts: Annotated[int, Field(alias="truncatedAlerts", ge=0)] = 0
    """How many alerts `max_alerts` cut off. They are lost for good: Alertmanager counts them as sent."""


_notification = TypeAdapter(Notification)


def parse_notification(body: bytes) -> Notification:
    """The notification in a request's body.

    Raises NotANotification where the body is not JSON, not version 4, or has no alert that can be read.
    """
    try:
        notification = _notification.validate_json(body)
    except ValidationError as error:
        raise NotANotification(first_problem(error, "body")) from None
    if notification.version != VERSION:
        raise NotANotification(f"version {notification.version[:20]!r} is not Alertmanager's version {VERSION!r}")
    malformed = [alert for alert in notification.alerts if isinstance(alert, MalformedAlert)]
    if malformed and len(malformed) == len(notification.alerts):
        raise NotANotification(f"none of the {len(malformed)} alerts can be read: {malformed[0].problem}")
    return notification
