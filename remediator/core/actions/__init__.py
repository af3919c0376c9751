"""What an action that answers alerts has to say.

The rule of this package: all that differs between one action and another is in the action's own file, or with its
effect, and nothing outside of them asks which one it is. Pure.
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
        """What the cooldown and the budget count."""

    @property
    @abstractmethod
    def urgency(self) -> int:
        """Of the acts that one notification asks for, the lowest comes first."""

    @property
    @abstractmethod
    def takes_back(self) -> bool:
        """Whether it takes the canary back."""

    @property
    @abstractmethod
    def rises(self) -> bool:
        """Whether it raises the value that it sets; else it lowers it."""

    @property
    @abstractmethod
    def reads_autoscalers(self) -> bool:
        """Whether it needs to know who owns the replicas, which is not on the Deployment itself."""

    @property
    @abstractmethod
    def longest_question(self) -> float:
        """Seconds that it may wait for Prometheus to confirm its alerts, where one is asked."""

    @property
    @abstractmethod
    def most_replicas(self) -> int:
        """The most replicas that it leads to, 0 where it leaves them alone."""

    @property
    def least_replicas(self) -> int:
        """The fewest replicas that it leads to, 0 where it leaves them alone."""
        return 0

    @property
    @abstractmethod
    def signals(self) -> tuple[str, ...]:
        """The signals of DENIS that the shipped alerts which ask for it go by."""

    @property
    @abstractmethod
    def guards(self) -> Mapping[Reason, Guard]:
        """Its own rungs of the ladder, by their reasons, as methods of its class."""

    @abstractmethod
    def describe(self, target: Target) -> str:
        """What it does, as in `canary denis/denis to 0 %`."""

    @abstractmethod
    def unusable(self, workload: Workload, target: Target, now: datetime) -> str:
        """Why this act, and perhaps no other, cannot be done on the workload, or empty."""

    @abstractmethod
    def usable(self, target: Target) -> str:
        """What was found where it is not unusable."""

    @abstractmethod
    def plan(self, workload: Workload, target: Target) -> Act:
        """What is to be written, once every rung is passed."""

    @abstractmethod
    def past(self, value: int, profiles: Mapping[int, Mapping[str, str]]) -> Workload:
        """A target that had this value once, as far as that is recorded."""

    @abstractmethod
    def forbidden(
        self, workload: Workload, target: Target, profiles: Mapping[int, Mapping[str, str]]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What the service may never write to such a target, in words and as a part of the spec."""

    def satisfied(self, workload: Workload) -> str:
        """Why an alert would change nothing, or empty. In the cooldown after the act, no reason says so."""
        return ""

    @property
    def needs_confirmation(self) -> bool:
        """Whether it waits until Prometheus confirms its alerts, where one is asked."""
        return Reason.UNCONFIRMED in self.guards

    def once_confirmed(self, confirmation: Confirmation) -> str:
        """What is said of an act that is not done anyway, where it would still wait for Prometheus; or empty."""
        waits = self.needs_confirmation and confirmation.answer == "unknown"
        return " once Prometheus confirms the alert" if waits else ""

    def warnings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What is valid in remediations.yaml and most likely a mistake, each with its keys."""
        yield from ()
