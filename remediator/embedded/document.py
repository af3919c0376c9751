"""Turning bodies into objects: JSON, its type, strictness about fields that nobody knows, and patches.

One rule: what cannot be decoded is answered as the API server does, 400 for a whole object and 422 for a patch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remediator.embedded import json_patch, strategic_merge
from remediator.embedded.failure import (
    Object,
    bad_request,
    invalid_patch,
    unsupported_media_type,
)
from remediator.embedded.request import APPLY_PATCH, Request
from remediator.embedded.resources import Resource
from remediator.embedded.schema import Mismatch, Struct, decode

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
JSON = "application/json"
SHOWN = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """JSON from a body, and what is doubtful about it (keys that occur twice)."""

    value: Any
    doubts: tuple[str, ...] = ()


def parse(body: bytes, prefix: str = "") -> Document:
    """Read JSON; 400 where it is not."""
    duplicates: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> Object:
        result: Object = {}
        for key, value in items:
            if key in result:
                duplicates.append(key)
            result[key] = value
        return result

    try:
        value = json.loads(body, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"{prefix}{error}") from None
    doubts = tuple(f'duplicate field "{_locate(value, key)}"' for key in duplicates)
    return Document(value=value, doubts=doubts)


def _locate(value: Any, key: str) -> str:
    """The path of the first `key` in a document, as messages show it."""
    if isinstance(value, dict):
        if key in value:
            return key
        for name, inner in value.items():
            if found := _locate(inner, key):
                return f"{name}.{found}" if not found.startswith("[") else f"{name}{found}"
    if isinstance(value, list):
        for number, inner in enumerate(value):
            if found := _locate(inner, key):
                return f"[{number}].{found}"
    return ""


def whole(request: Request, resource: Resource, strictness: str) -> tuple[Object, list[str]]:
    """The object in the body of a POST or PUT, and warnings."""
    if request.content_type not in (JSON, ""):
        message = f"the body of the request was in an unknown format - accepted media types include: {JSON}"
        raise unsupported_media_type(message)
    unrecognized = f"the object provided is unrecognized (must be of type {resource.kind}): "
    document = parse(request.body, f"{unrecognized}couldn't get version/kind; json parse error: ")
    if not isinstance(document.value, dict):
        raise bad_request(f"{unrecognized}not an object")
    kind = document.value.get("kind") or resource.kind
    api_version = document.value.get("apiVersion") or resource.api_version
    refusal = f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
    if kind != resource.kind:
        raise bad_request(f'{refusal}no kind "{kind}" is registered here for version "{api_version}"')
    if api_version != resource.api_version:
        message = f"the API version in the data ({api_version}) does not match the expected API version"
        raise bad_request(f"{message} ({resource.api_version})")
    try:
        decoded = decode(resource.shape, document.value)
    except Mismatch as error:
        raise bad_request(f"{refusal}{error}") from None
    doubts = [*document.doubts, *(f'unknown field "{name}"' for name in sorted(decoded.unknown))]
    if doubts and strictness == "Strict":
        raise bad_request(f"{refusal}strict decoding error: {', '.join(doubts)}")
    return _named(resource, decoded.value), [] if strictness == "Ignore" else doubts


def patched(request: Request, shape: Struct, live: Object, strictness: str) -> tuple[Object, list[str]]:
    """The live object under the patch in the body, and warnings."""
    merged, document, shown = _merged(request, shape, live)
    try:
        decoded = decode(shape, merged)
    except Mismatch as error:
        raise invalid_patch(shown, f"cannot convert {error.found} to {error.wanted} in {error.path}") from None
    doubts = [*document.doubts, *(f'unknown field "{name}"' for name in sorted(decoded.unknown))]
    if doubts and strictness == "Strict":
        raise invalid_patch(shown, f"strict decoding error: {', '.join(doubts)}")
    value = decoded.value | {key: live[key] for key in ("kind", "apiVersion") if key in live}
    return value, [] if strictness == "Ignore" else doubts


def check_patch_type(request: Request) -> None:
    """Refuse a patch of a type that is not served, before its options are looked at."""
    if request.content_type not in (STRATEGIC, MERGE, JSON_PATCH, APPLY_PATCH):
        raise unsupported_media_type("415: Unsupported Media Type")


def check_not_apply(request: Request) -> None:
    """Refuse server-side apply, which this server does not know."""
    if request.content_type == APPLY_PATCH:
        raise unsupported_media_type(
            "server-side apply is not served by this embedded cluster: use a strategic merge patch, "
            "or kubectl apply --server-side=false"
        )


def _merged(request: Request, shape: Struct, live: Mapping[str, Any]) -> tuple[Any, Document, str]:
    text = request.body.decode("utf-8", "replace")[:SHOWN]
    if request.content_type == STRATEGIC:
        document = parse(request.body)
        if not isinstance(document.value, dict):
            raise bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
        return strategic_merge.merge(shape, live, document.value), document, text
    document = parse(request.body, "error decoding patch: ")
    if request.content_type == JSON_PATCH:
        return json_patch.apply(live, document.value), document, text
    if not isinstance(document.value, dict):
        message = "json: cannot unmarshal array into Go value of type map[string]interface {}"
        raise bad_request(f"error decoding patch: {message}")
    return json_patch.merge(live, document.value), document, text


def _named(resource: Resource, value: Object) -> Object:
    rest = {key: item for key, item in value.items() if key not in ("kind", "apiVersion")}
    metadata = rest.pop("metadata", {})
    return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata, **rest}
