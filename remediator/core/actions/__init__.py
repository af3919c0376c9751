"""The interface of actions, which answer alerts.

The rule of this package: everything that differs between actions is in the action's own file, or in its effect; no
other code checks which action it has. Pure.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from remediator.core.confirmation import Confirmation
from remediator.core.effects import Effect
from remediator.core.ladder import Act, Guard
from remediator.core.policy import Target
from remediator.core.reasons import Reason
from remediator.core.workload import Workload


class Action(ABC):
    """The act that answers an alert."""

    __slots__ = ()

    @property
    @abstractmethod
    def effect(self) -> Effect:
        """The effect that cooldown and budget count."""

    @property
    @abstractmethod
    def urgency(self) -> int:
        """Order of the acts of one notification, the lowest first."""

    @property
    @abstractmethod
    def takes_back(self) -> bool:
        """Whether it rolls the canary back."""

    @property
    @abstractmethod
    def rises(self) -> bool:
        """Whether it raises the value that it sets; else it lowers it."""

    @property
    @abstractmethod
    def reads_autoscalers(self) -> bool:
        """Whether it needs a read of the autoscalers, which are not part of the Deployment."""

    @property
    @abstractmethod
    def longest_question(self) -> float:
        """The longest wait in seconds for Prometheus to confirm its alerts, if the service asks one."""

    @property
    @abstractmethod
    def most_replicas(self) -> int:
        """The most replicas that it sets, or 0 if it does not set replicas."""

    @property
    def least_replicas(self) -> int:
        """The fewest replicas that it sets, or 0 if it does not set replicas."""
        return 0

    @property
    @abstractmethod
    def signals(self) -> tuple[str, ...]:
        """The DENIS signals behind the shipped alerts that ask for it."""

    @property
    @abstractmethod
    def guards(self) -> Mapping[Reason, Guard]:
        """Its own guards on the ladder, by reason, as methods of its class."""

    @abstractmethod
    def describe(self, target: Target) -> str:
        """What it does, as in `canary denis/denis to 0 %`."""

    @abstractmethod
    def unusable(self, workload: Workload, target: Target, now: datetime) -> str:
        """Why this action cannot be done on the workload, or empty."""

    @abstractmethod
    def usable(self, target: Target) -> str:
        """What `explain` shows if it can be done."""

    @abstractmethod
    def plan(self, workload: Workload, target: Target) -> Act:
        """Plan the act, after every rung has let the alert pass."""

    @abstractmethod
    def past(self, value: int, profiles: Mapping[int, Mapping[str, str]]) -> Workload:
        """A target with this past value; nothing else about it is recorded."""

    @abstractmethod
    def forbidden(
        self, workload: Workload, target: Target, profiles: Mapping[int, Mapping[str, str]]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Writes that the service must never make to such a target, each as a description and a part of the spec."""

    def satisfied(self, workload: Workload) -> str:
        """Why an alert would change nothing, or empty. During the cooldown the ladder's reason does not show that."""
        return ""

    @property
    def needs_confirmation(self) -> bool:
        """Whether it waits until Prometheus confirms its alerts, if the service asks one."""
        return Reason.UNCONFIRMED in self.guards

    def once_confirmed(self, confirmation: Confirmation) -> str:
        """What the message about an act in mode observe or a dry run adds if it would wait for Prometheus; or empty."""
        waits = self.needs_confirmation and confirmation.answer == "unknown"
        return " once Prometheus confirms the alert" if waits else ""

    def warnings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Settings that are valid but most likely a mistake, each with its keys in remediations.yaml."""
        yield from ()
