"""Error responses: a `Status` with reason, details and code.

One rule: no other file in this package contains a status code of an error.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


class ApiFailure(Exception):
    """A failed request, with its Status."""

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        self.status["message"] = message
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

    def details(self, kind: str = "", **more: Any) -> Object:
        """The `details` of a Status, without empty fields."""
        known = {"name": self.name, "group": self.group, "kind": kind or self.resource, **more}
        return {key: value for key, value in known.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One invalid field, and what is wrong with it."""

    reason: str
    message: str
    field: str


def required(field: str, detail: str = "") -> Cause:
    """A field that is missing."""
    message = "Required value" + (f": {detail}" if detail else "")
    return Cause(reason="FieldValueRequired", message=message, field=field)


def invalid_value(field: str, value: Any, detail: str) -> Cause:
    """A field with an invalid value."""
    shown = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Cause(reason="FieldValueInvalid", message=f"Invalid value: {shown}: {detail}", field=field)


def unsupported(field: str, value: Any, *supported: str) -> Cause:
    """A field with an unsupported value."""
    message = f"Unsupported value: {json.dumps(value)}: supported values: {', '.join(map(json.dumps, supported))}"
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
    """422: the patched document cannot be decoded."""
    return invalid(Subject(group="", resource="", kind=""), [invalid_value("patch", patch, why)])


def conflict(subject: Subject) -> ApiFailure:
    """409: the write's resourceVersion is outdated."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {subject.qualified} "{subject.name}": {why}'
    return ApiFailure(409, "Conflict", message, subject.details())


def already_exists(subject: Subject) -> ApiFailure:
    """409: the name is taken."""
    message = f'{subject.qualified} "{subject.name}" already exists'
    return ApiFailure(409, "AlreadyExists", message, subject.details())


def not_found(subject: Subject) -> ApiFailure:
    """404: there is no such object."""
    return ApiFailure(404, "NotFound", f'{subject.qualified} "{subject.name}" not found', subject.details())


def no_such_resource() -> ApiFailure:
    """404: there is nothing at this path."""
    return ApiFailure(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> ApiFailure:
    """405: the path exists, but not with this method."""
    return ApiFailure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def bad_request(message: str) -> ApiFailure:
    """400: the request cannot be understood."""
    return ApiFailure(400, "BadRequest", message)


def unsupported_media_type(message: str) -> ApiFailure:
    """415: the path does not accept the body's media type."""
    return ApiFailure(415, "UnsupportedMediaType", message)


def too_large(limit: int) -> ApiFailure:
    """413: the body is too large."""
    return ApiFailure(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def unauthorized() -> ApiFailure:
    """401: the credentials are unknown."""
    return ApiFailure(401, "Unauthorized", "Unauthorized")


def internal(message: str) -> ApiFailure:
    """500, as the real API server answers some malformed values."""
    return ApiFailure(500, "", message)
