"""Arguments and values that people type: percentages, durations, reasons. What is wrong is said in their words."""

from datetime import timedelta

import click
from click.shell_completion import CompletionItem

from remediator.durations import parse_duration
from remediator.ledger import MAX_REASON
from remediator.policy import PERCENTAGES


class Percentage(click.ParamType[int]):
    """A step of the canary."""

    name = "percentage"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The step, or an error that lists them."""
        text = str(value)
        known = {str(percentage): percentage for percentage in PERCENTAGES}
        if text in known:
            return known[text]
        steps = ", ".join(map(str, PERCENTAGES[:-1]))
        return self.fail(
            f"{text!r} is no step of the canary; write {steps} or {PERCENTAGES[-1]}, without a sign.", param, ctx
        )

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The steps that begin so."""
        return [CompletionItem(str(step)) for step in PERCENTAGES if str(step).startswith(incomplete)]


class Duration(click.ParamType[timedelta]):
    """A duration as Prometheus writes them, no longer than `longest`."""

    name = "duration"

    def __init__(self, longest: timedelta | None = None) -> None:
        self._longest = longest

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration, or an error with an example."""
        if isinstance(value, timedelta):
            return value
        try:
            duration = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if duration <= timedelta(0):
            self.fail("it must be longer than 0s", param, ctx)
        if self._longest and duration > self._longest:
            hours = self._longest // timedelta(hours=1)
            self.fail(f"{value} is longer than the {hours}h that are allowed; pause again afterwards", param, ctx)
        return duration


class Reason(click.ParamType[str]):
    """Words for the ledger: one line, printable."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The words, or an error that says what is wrong with them."""
        text = str(value).strip()
        if not text or not text.isprintable():
            self.fail("give one line of printable text", param, ctx)
        if len(text) > MAX_REASON:
            self.fail(f"{len(text)} characters are too long; {MAX_REASON} is the most", param, ctx)
        return text
