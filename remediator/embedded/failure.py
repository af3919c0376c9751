"""What the API answers when it does not do what was asked: a `Status` with reason, details and code.

One rule: nothing else in this package knows a status code of an error.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


class ApiFailure(Exception):
    """A request that fails, carrying the Status that says why."""

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
        }
        if reason:
            self.status["reason"] = reason
        if details is not None:
            self.status["details"] = dict(details)
        self.status["code"] = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a failure is about: `resource` names it in lower case and plural, `kind` as a type."""

    group: str
    resource: str
    kind: str
    name: str = ""

    @property
    def qualified(self) -> str:
        """`deployments.apps`."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def details(self, kind: str, **more: Any) -> Object:
        """The `details` of a Status, without what is empty."""
        known = {"name": self.name, "group": self.group, "kind": kind, **more}
        return {key: value for key, value in known.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One field that is wrong, and how."""

    reason: str
    message: str
    field: str


def required(field: str, detail: str = "") -> Cause:
    """A field that is missing."""
    message = "Required value" + (f": {detail}" if detail else "")
    return Cause(reason="FieldValueRequired", message=message, field=field)


def invalid_value(field: str, value: str, detail: str) -> Cause:
    """A field whose value, given as it is to be shown, cannot be accepted."""
    return Cause(reason="FieldValueInvalid", message=f"Invalid value: {value}: {detail}", field=field)


def unsupported(field: str, value: str, *supported: str) -> Cause:
    """A field whose value is none of the supported ones."""
    values = ", ".join(f'"{value}"' for value in supported)
    message = f"Unsupported value: {value}: supported values: {values}"
    return Cause(reason="FieldValueNotSupported", message=message, field=field)


def too_long(field: str, limit: int) -> Cause:
    """A field with too many bytes."""
    message = f"Too long: may not be more than {limit} bytes"
    return Cause(reason="FieldValueTooLong", message=message, field=field)


def invalid(subject: Subject, causes: Sequence[Cause]) -> ApiFailure:
    """422: the object or the options break a rule."""
    shown = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    what = f"{subject.kind}.{subject.group}" if subject.group else subject.kind
    listed = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    message = f'{what} "{subject.name}" is invalid: '
    message += shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"
    return ApiFailure(422, "Invalid", message, subject.details(subject.kind, causes=listed))


def invalid_patch(patch: str, why: str) -> ApiFailure:
    """422: the patched document does not decode."""
    nameless = Subject(group="", resource="", kind="")
    return invalid(nameless, [invalid_value("patch", json.dumps(patch), why)])


def conflict(subject: Subject, why: str = "") -> ApiFailure:
    """409: a precondition of the write does not hold."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {subject.qualified} "{subject.name}": {why}'
    return ApiFailure(409, "Conflict", message, subject.details(subject.resource))


def unmet(subject: Subject, why: str) -> ApiFailure:
    """409: a precondition of a delete does not hold."""
    what = f"{subject.kind}.{subject.group}" if subject.group else subject.kind
    message = f'Operation cannot be fulfilled on {what} "{subject.name}": {why}'
    return ApiFailure(409, "Conflict", message, subject.details(subject.kind))


def already_exists(subject: Subject) -> ApiFailure:
    """409: the name is taken."""
    message = f'{subject.qualified} "{subject.name}" already exists'
    return ApiFailure(409, "AlreadyExists", message, subject.details(subject.resource))


def not_found(subject: Subject) -> ApiFailure:
    """404: there is no such object."""
    message = f'{subject.qualified} "{subject.name}" not found'
    return ApiFailure(404, "NotFound", message, subject.details(subject.resource))


def no_such_resource() -> ApiFailure:
    """404: there is nothing at this path."""
    return ApiFailure(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> ApiFailure:
    """405: the path exists, but not with this method."""
    message = "the server does not allow this method on the requested resource"
    return ApiFailure(405, "MethodNotAllowed", message, {})


def too_new(version: str, current: int) -> ApiFailure:
    """504: the client has seen a version that is not here yet."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    return ApiFailure(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def bad_request(message: str) -> ApiFailure:
    """400: the request cannot be understood."""
    return ApiFailure(400, "BadRequest", message)


def unsupported_media_type(message: str) -> ApiFailure:
    """415: the body is of a type that this path does not read."""
    return ApiFailure(415, "UnsupportedMediaType", message)


def too_large(limit: int) -> ApiFailure:
    """413: the body is larger than what is read."""
    return ApiFailure(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def unauthorized() -> ApiFailure:
    """401: the credentials are unknown."""
    return ApiFailure(401, "Unauthorized", "Unauthorized")


def unprocessable() -> ApiFailure:
    """422: a JSON patch that cannot be carried out."""
    message = "the server rejected our request due to an error in our request"
    return ApiFailure(422, "Invalid", message, {})


def internal(message: str) -> ApiFailure:
    """500, as the real API server answers some malformed values."""
    return ApiFailure(500, "", message)
