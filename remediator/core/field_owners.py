"""Who wrote which field of a Deployment, from managedFields.

Pure. One rule: the owner is who has the field now, by the name that the writer gave itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.core.policy import Target
from remediator.core.times import format_time, parse_time

KEDA = "keda-operator"
_AUTOSCALERS = frozenset({"kube-controller-manager", KEDA})

REPLICAS = "replicas"

OWN_MANAGERS = frozenset({"remediator", "remediator-cli"})
"""The field managers of the service and its commands, whose writes are also in the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """The last write of a field: its manager, and when that last changed any of its fields, if known."""

    manager: str
    time: datetime | None

    @property
    def ours(self) -> bool:
        """Whether the service or its commands wrote it; the ledger has the details then."""
        return self.manager in OWN_MANAGERS

    def __str__(self) -> str:
        return f"{self.manager} at {format_time(self.time)}" if self.time else self.manager


def last_writes(managed_fields: Sequence[Mapping[str, Any]], target: Target) -> dict[str, Write]:
    """The last writes of `replicas` and of each variable of the target's container, by name."""
    writes: dict[str, Write] = {}
    # Entries without a time sort last: a write through /scale has none, and has just replaced the owner of the
    # replicas.
    for entry in sorted(managed_fields, key=lambda entry: (entry.get("time") is None, str(entry.get("time")))):
        names = [] if _find(entry, "f:spec", "f:replicas") is None else [REPLICAS]
        container = f'k:{{"name":"{target.container}"}}'
        env = _find(entry, "f:spec", "f:template", "f:spec", "f:containers", container, "f:env")
        names += (
            key.removeprefix('k:{"name":"').removesuffix('"}')
            for key, fields in (env or {}).items()
            if key.startswith('k:{"name":"') and isinstance(fields, Mapping) and "f:value" in fields
        )
        if names:
            write = Write(manager=str(entry.get("manager")), time=parse_time(entry.get("time")))
            writes |= dict.fromkeys(names, write)
    return writes


def last_scaler(managed_fields: Sequence[Mapping[str, Any]]) -> str:
    """The autoscaler that last wrote the replicas, or empty: all of them, KEDA's too, write through /scale."""
    for entry in managed_fields:
        through_scale = entry.get("subresource") == "scale" and entry.get("manager") in _AUTOSCALERS
        if through_scale and _find(entry, "f:spec", "f:replicas") is not None:
            return str(entry["manager"])
    return ""


def autoscaler_of(target: Target, listing: Mapping[str, Any]) -> str:
    """The HorizontalPodAutoscaler of the target, from the API server's list; KEDA creates one too."""
    for item in listing.get("items") or []:
        scaled = (item.get("spec") or {}).get("scaleTargetRef") or {}
        if (scaled.get("kind"), scaled.get("name")) == ("Deployment", target.deployment):
            owners = [owner.get("kind") for owner in item["metadata"].get("ownerReferences") or []]
            by = " of KEDA" if "ScaledObject" in owners else ""
            return f"HorizontalPodAutoscaler {item['metadata'].get('name')}{by}"
    return ""


def _find(entry: Mapping[str, Any], *place: str) -> Mapping[str, Any] | None:
    node: Any = entry.get("fieldsV1")
    for key in place:
        if not isinstance(node, Mapping) or key not in node:
            return None
        node = node[key]
    return node if isinstance(node, Mapping) else {}
