"""The two signals of the story, with what the shipped rules say of them."""

from dataclasses import dataclass

from demo.shipped import alert


@dataclass(frozen=True, slots=True)
class Signal:
    """A gauge of DENIS and the alert that watches it."""

    metric: str
    alert: str
    noun: str
    is_ratio: bool

    @property
    def threshold(self) -> float:
        """Above it, the signal is bad."""
        return float(alert(self.alert)["expr"].rpartition(">")[2])

    @property
    def hold(self) -> str:
        """How long it has to be bad, as shipped."""
        return str(alert(self.alert)["for"])

    def spell(self, value: float) -> str:
        """A value as a person says it."""
        return f"{round(value * 100, 2):g} %" if self.is_ratio else f"{value:.0f} jobs"


ERRORS = Signal("error_rate", "DenisErrorRateHigh", "the error rate", True)
QUEUE = Signal("async_queue_depth", "DenisQueueDepthHigh", "the queue", False)
