"""The shape of remediations.yaml: its keys, their types and bounds, and the JSON Schema that editors use.

Strict: no unknown key, and no value that would have to be converted. YAML reads `false` as a boolean and `30` as a
number, and what a flag's value is to be must not depend on that.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from remediator.durations import parse_duration
from remediator.ledger import MAX_ENTRIES


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    Field(gt=timedelta(0)),
    WithJsonSchema({"type": "string", "examples": ["30s", "10m", "1h30m"], "pattern": "^([0-9]+(ms|[ywdhms]))+$"}),
]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class TargetSpec(_Strict):
    """A Deployment that may be changed."""

    namespace: Name
    """The Deployment's namespace."""
    deployment: Name
    """The Deployment's name."""
    container: Name | None = None
    """The container that holds the canary's flags; needed for set_percentage."""


class ScaleSpec(_Strict):
    """How replicas are added."""

    step: Annotated[int, Field(ge=1)]
    """Replicas to add in one act."""
    min: Annotated[int, Field(ge=1)] = 1
    """An act leads to no fewer replicas than this."""
    max: Annotated[int, Field(ge=1)]
    """No act leads to more replicas than this."""


class BudgetSpec(_Strict):
    """How many acts are allowed before a human has to look."""

    acts: Annotated[int, Field(ge=1, le=MAX_ENTRIES)]
    """Acts on the target with this effect, by any remediation."""
    window: Duration
    """The time that the acts are counted in, back from now."""


class RemediationSpec(_Strict):
    """What to do about the alerts that the matchers match."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?$", max_length=63)]
    """The name in metrics, Events and audit lines."""
    matchers: Annotated[list[str], Field(min_length=1)]
    """Conditions on the alert's labels in Alertmanager's syntax; all must match."""
    target: str
    """A key of targets."""
    set_percentage: Annotated[int | None, WithJsonSchema({"type": "integer", "const": 0})] = None
    """The canary's share of traffic in percent that the act sets. Only 0: an alert must never raise it."""
    scale: ScaleSpec | None = None
    """How the act adds replicas."""
    cooldown: Duration
    """After an act on the target with this effect, no other for this long."""
    budget: BudgetSpec
    """How many acts are allowed before a human has to look."""
    mode: Literal["act", "observe"] = "act"
    """observe: say what would have been done, and do nothing."""


class PhaseSpec(_Strict):
    """What a step of the canary has to show before the next one. Only people and the canary's commands ask for it."""

    percentage: int
    """The share of traffic in percent; a key of profiles, other than 0."""
    hold: Duration
    """How long the canary stays there, at the least."""
    min_success_rate: Annotated[float, Field(gt=0, le=1)]
    """The lowest success rate on average over `hold`, as a ratio: 0.90 is 90 %."""
    max_error_rate: Annotated[float, Field(ge=0, lt=1)]
    """The highest error rate on average over `hold`, as a ratio: 0.05 is 5 %."""


class PolicyFile(_Strict):
    """remediations.yaml: which alert leads to which act, and how often."""

    targets: dict[Name, TargetSpec]
    """The Deployments that may be changed, by the name that remediations use."""
    profiles: dict[int, dict[str, str]]
    """The values of the canary's flags for each percentage; all flags of one are written in one patch."""
    remediations: Annotated[list[RemediationSpec], Field(min_length=1)]
    """Tried in this order; the first whose matchers match an alert answers it."""
    phases: list[PhaseSpec] = []
    """The steps of the canary, by rising percentage; without any, nothing is ever promoted."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of remediations.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **PolicyFile.model_json_schema()}


def known_keys(path: tuple[str | int, ...]) -> list[str]:
    """The keys that the schema knows at this path."""
    schema = PolicyFile.model_json_schema()
    node: dict[str, Any] = schema
    for part in path:
        if isinstance(part, int) and "items" in node:
            node = node["items"]
        else:
            named = (*node.get("patternProperties", {}).values(), node.get("additionalProperties"))
            node = node.get("properties", {}).get(part) or next(filter(None, named), {})
        for option in (node, *node.get("anyOf", [])):
            if "$ref" in option:
                node = schema["$defs"][option["$ref"].rpartition("/")[2]]
    return sorted(node.get("properties", {}))
