"""Turns bodies into objects: JSON decoding, types, strictness about unknown fields, and patches.

One rule: what cannot be decoded is answered as the API server does, 400 for a whole object and 422 for a patch.
"""

import json
from typing import Any

from remediator.sandbox.failure import Object, bad_request, invalid_patch, unsupported_media_type
from remediator.sandbox.patches import merge, strategic_merge
from remediator.sandbox.request import Request
from remediator.sandbox.resources import Resource
from remediator.sandbox.schema import Mismatch, Struct, decode

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON = "application/json"
SHOWN = 2000


def parse(body: bytes, kind: str) -> Object:
    """Parse a JSON object; 400 if it is not one."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the object provided is unrecognized (must be of type {kind}): {error}") from None
    if not isinstance(value, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {kind}): not an object")
    return value


def whole(request: Request, resource: Resource, strictness: str) -> tuple[Object, list[str]]:
    """The object in the body of a POST or PUT, and warnings."""
    if request.content_type not in (JSON, ""):
        raise unsupported_media_type(f"the body was in an unknown format - accepted media types include: {JSON}")
    value = parse(request.body, resource.kind)
    refusal = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
    for name, wanted in (("kind", resource.kind), ("apiVersion", resource.api_version)):
        if value.get(name, wanted) != wanted:
            raise bad_request(f"{refusal}{name} is {value[name]!r}, not {wanted!r}")
    try:
        decoded = decode(resource.shape, value)
    except Mismatch as error:
        raise bad_request(f"{refusal}{error}") from None
    doubts = _unknown(decoded.unknown)
    if doubts and strictness == "Strict":
        raise bad_request(f"{refusal}strict decoding error: {', '.join(doubts)}")
    named = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {}}
    return named | decoded.value, [] if strictness == "Ignore" else doubts


def patched(request: Request, shape: Struct, live: Object, strictness: str) -> tuple[Object, list[str]]:
    """The live object under the patch in the body, and warnings."""
    patch = parse(request.body, "patch")
    merged: Any = strategic_merge(shape, live, patch) if request.content_type == STRATEGIC else merge(live, patch)
    shown = request.body.decode("utf-8", "replace")[:SHOWN]
    try:
        decoded = decode(shape, merged)
    except Mismatch as error:
        raise invalid_patch(shown, f"cannot convert {error.found} to {error.wanted} in {error.path}") from None
    doubts = _unknown(decoded.unknown)
    if doubts and strictness == "Strict":
        raise invalid_patch(shown, f"strict decoding error: {', '.join(doubts)}")
    kept = {key: live[key] for key in ("kind", "apiVersion")}
    return decoded.value | kept, [] if strictness == "Ignore" else doubts


def check_patch_type(request: Request) -> None:
    """Refuse all but the two supported patch types."""
    if request.content_type not in (STRATEGIC, MERGE):
        raise unsupported_media_type(f"only {STRATEGIC} and {MERGE} are served here")


def _unknown(names: list[str]) -> list[str]:
    return [f'unknown field "{name}"' for name in sorted(names)]
