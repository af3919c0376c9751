"""Objects in a file, as printed by `kubectl get -o json` or `-o yaml`: one object, or a List.

Pure. One rule: an object that is not in the file does not exist. Objects in it are validated before use.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from remediator.config.document import InvalidDocument, Problem, parse_document
from remediator.core.field_owners import autoscaler_of
from remediator.core.policy import Target
from remediator.core.workload import TargetInvalid, TargetMissing, Workload, read_workload

MAX_BYTES = 10 * 1024 * 1024

AUTOSCALER = "HorizontalPodAutoscaler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """The objects of a file."""

    file: str
    items: tuple[Mapping[str, Any], ...]

    def find(self, target: Target) -> Workload | TargetInvalid | TargetMissing:
        """The target in the file. Raises InvalidDocument if the Deployment is not as kubectl prints it."""
        for item in self.items:
            if _is(item, "Deployment", target.namespace, target.deployment):
                try:
                    found = read_workload(item, target)
                    if isinstance(found, Workload):
                        listing = {"items": [one for one in self.items if _is(one, AUTOSCALER, target.namespace)]}
                        return replace(found, autoscaler=autoscaler_of(target, listing) or found.autoscaler)
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    message = f"Deployment {target.deployment} is not as kubectl prints it: {str(error)[:100]}"
                    raise _invalid(self.file, message) from error
                return found
        return TargetMissing()


def parse_manifests(text: str, file: str) -> Manifests:
    """Parse the objects in a file's text; `file` is its name in messages.

    Raises InvalidDocument if the text is neither JSON nor YAML, or holds no Deployment.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise _invalid(file, "the file is over 10 MiB")
    try:
        value = json.loads(text)
    except RecursionError:
        raise _invalid(file, "nested too deeply") from None
    except ValueError:
        value = parse_document(text, file).value
    items = value.get("items") if isinstance(value, Mapping) and "items" in value else [value]
    objects = tuple(item for item in items if isinstance(item, Mapping)) if isinstance(items, list) else ()
    if not any(item.get("kind") == "Deployment" for item in objects):
        raise _invalid(file, "holds no Deployment; write it with kubectl -n NAMESPACE get deployment NAME -o yaml")
    return Manifests(file=file, items=objects)


def _is(item: Mapping[str, Any], kind: str, namespace: str, name: str = "") -> bool:
    metadata = item.get("metadata")
    if item.get("kind") != kind or not isinstance(metadata, Mapping):
        return False
    return metadata.get("namespace") == namespace and (not name or metadata.get("name") == name)


def _invalid(file: str, message: str) -> InvalidDocument:
    return InvalidDocument([Problem(file=file, line=1, field="", message=message)])
