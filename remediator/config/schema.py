"""The shape of remediations.yaml: its keys, their types and bounds, and the JSON Schema that editors use.

Strict: no unknown key, and no value that would have to be converted. YAML reads `false` as a boolean and `30` as a
number, and what a flag's value is to be must not depend on that.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, WithJsonSchema

from remediator.core.actions import Action
from remediator.core.actions.scale import Scale
from remediator.core.actions.set_percentage import SetPercentage
from remediator.core.durations import parse_duration
from remediator.core.ledger import MAX_ENTRIES


class Strict(BaseModel):
    """A mapping in a file: unknown keys and values of another type are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


def parse_if_text(value: object) -> object:
    """Parse a duration from text; any other value is left to pydantic."""
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_if_text),
    Field(gt=timedelta(0)),
    WithJsonSchema({"type": "string", "examples": ["30s", "10m", "1h30m"], "pattern": "^([0-9]+(ms|[ywdhms]))+$"}),
]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class TargetSpec(Strict):
    """A Deployment that may be changed."""

    namespace: Name
    """The Deployment's namespace."""
    deployment: Name
    """The Deployment's name."""
    container: Name | None = None
    """The container that holds the canary's flags; needed for set_percentage."""


Contradiction = tuple[tuple[str, ...], str]
"""A contradiction that the schema cannot express: the keys of a remediation, and a message."""


class ActionSpec(ABC):
    """The keys of a remediation that configure its action."""

    @abstractmethod
    def action(self, profiles: Mapping[int, Mapping[str, str]]) -> Action:
        """The configured action."""

    @abstractmethod
    def contradictions(self, remediation: "RemediationSpec", target: TargetSpec | None) -> Iterator[Contradiction]:
        """Contradictions with other keys; `target` is None if the file has none of that name."""


class SetPercentageSpec(RootModel[Annotated[int, Field(strict=True)]], ActionSpec):
    """The percentage of traffic that the act sets. Only 0: an alert must never raise it."""

    def action(self, profiles: Mapping[int, Mapping[str, str]]) -> Action:
        """An act that sets all flags of the percentage's profile."""
        return SetPercentage(percentage=self.root, profile=profiles[self.root])

    def contradictions(self, remediation: "RemediationSpec", target: TargetSpec | None) -> Iterator[Contradiction]:
        """A percentage other than 0, or a target without a container for the flags."""
        if self.root != 0:
            yield ("set_percentage",), f"must be 0, found {self.root}: an alert must never raise the percentage"
        if target is not None and target.container is None:
            yield ("target",), f"set_percentage needs targets.{remediation.target}.container"


class ScaleSpec(Strict, ActionSpec):
    """How replicas are added."""

    step: Annotated[int, Field(ge=1)]
    """Replicas to add in one act."""
    min: Annotated[int, Field(ge=1)] = 1
    """An act sets at least this many replicas."""
    max: Annotated[int, Field(ge=1)]
    """An act sets at most this many replicas."""
    give_up: Annotated[int, Field(ge=1, le=MAX_ENTRIES)] = 3
    """The most acts for one alert: if it still fires after them, there is no further one."""

    def action(self, profiles: Mapping[int, Mapping[str, str]]) -> Action:
        """An act that adds replicas, within bounds."""
        return Scale(step=self.step, min=self.min, max=self.max, give_up=self.give_up)

    def contradictions(self, remediation: "RemediationSpec", target: TargetSpec | None) -> Iterator[Contradiction]:
        """A `max` below `min`."""
        if self.max < self.min:
            yield ("scale", "max"), f"{self.max} is below min {self.min}"


NEVER_OF_A_ROLLBACK = {
    "give_up": "belongs under scale; a rollback never gives up: a needless one costs the canary some hours, a withheld "
    "one costs production, and the budget ends a loop"
}
"""Keys that are refused outside of their action, and why."""


class BudgetSpec(Strict):
    """How many acts are allowed before a human has to step in."""

    acts: Annotated[int, Field(ge=1, le=MAX_ENTRIES)]
    """The number of acts on the target with this effect, by any remediation."""
    window: Duration
    """The period, up to now, in which acts are counted."""


class RemediationSpec(Strict):
    """What to do for alerts that the matchers match."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?$", max_length=63)]
    """The name in metrics, Events and audit lines."""
    matchers: Annotated[list[str], Field(min_length=1)]
    """Conditions on the alert's labels in Alertmanager's syntax; all must match."""
    target: str
    """A key of targets."""
    set_percentage: Annotated[SetPercentageSpec | None, WithJsonSchema({"type": "integer", "const": 0})] = None
    """The percentage of traffic that the act sets. Only 0: an alert must never raise it."""
    scale: ScaleSpec | None = None
    """How the act adds replicas."""
    cooldown: Duration
    """After an act on the target with this effect, no other for this long."""
    budget: BudgetSpec
    """How many acts are allowed before a human has to step in."""
    mode: Literal["act", "observe"] = "act"
    """observe: report what would have been done, and do nothing."""

    @property
    def actions(self) -> Mapping[str, ActionSpec | None]:
        """The configured actions by their keys; exactly one in a valid remediation."""
        return {"set_percentage": self.set_percentage, "scale": self.scale}


class PhaseSpec(Strict):
    """The thresholds of a canary step before the next one. Used only by the canary's commands, never by alerts."""

    percentage: int
    """The percentage of traffic; a key of profiles, other than 0."""
    hold: Duration
    """How long the canary stays there at least."""
    min_success_rate: Annotated[float, Field(gt=0, le=1)]
    """The lowest success rate on average over `hold`, as a ratio: 0.90 is 90 %."""
    max_error_rate: Annotated[float, Field(ge=0, lt=1)]
    """The highest error rate on average over `hold`, as a ratio: 0.05 is 5 %."""
    max_latency_p99: Annotated[float, Field(gt=0, le=60)] | None = None
    """The highest p99 latency of the slowest pod on average over `hold`, in seconds. A higher one holds the canary."""


class PolicyFile(Strict):
    """remediations.yaml: which alert leads to which act, and how often."""

    targets: dict[Name, TargetSpec]
    """The Deployments that may be changed, by the names that remediations use."""
    profiles: dict[int, dict[str, str]]
    """The values of the canary's flags for each percentage; a profile is always written in one patch."""
    remediations: Annotated[list[RemediationSpec], Field(min_length=1)]
    """Tried in this order; the first whose matchers match an alert takes it."""
    phases: list[PhaseSpec] = []
    """The steps of the canary, by rising percentage; without any, nothing is ever promoted."""


def json_schema(model: type[Strict] = PolicyFile) -> dict[str, Any]:
    """The JSON Schema of remediations.yaml, or of another file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
