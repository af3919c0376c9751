"""Arguments and values that people type: percentages, durations, reasons. What is wrong is said in their words.

What a check needs is imported when it is made, so that `--help` stays quick.
"""

from datetime import timedelta

import click
from click.shell_completion import CompletionItem

from remediator.durations import parse_duration


class Percentage(click.ParamType[int]):
    """A step of the canary."""

    name = "percentage"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The step, or an error that lists them."""
        from remediator.policy import PERCENTAGES

        text, known = str(value), {str(percentage): percentage for percentage in PERCENTAGES}
        if text in known:
            return known[text]
        *others, last = known
        return self.fail(
            f"{text!r} is no step of the canary; write {', '.join(others)} or {last}, without a sign.", param, ctx
        )

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The steps that begin so."""
        from remediator.policy import PERCENTAGES

        return [CompletionItem(str(step)) for step in PERCENTAGES if str(step).startswith(incomplete)]


class Duration(click.ParamType[timedelta]):
    """A duration as Prometheus writes them."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration, or an error with an example."""
        if isinstance(value, timedelta):
            return value
        try:
            duration = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return duration if duration else self.fail("it must be longer than 0s", param, ctx)


class PauseLength(Duration):
    """How long a pause may be."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration, or an error with the longest."""
        from remediator.ledger import MAX_PAUSE

        duration = super().convert(value, param, ctx)
        if duration <= MAX_PAUSE:
            return duration
        hours = MAX_PAUSE // timedelta(hours=1)
        return self.fail(f"{value} is longer than the {hours}h that are allowed; pause again afterwards", param, ctx)


class Reason(click.ParamType[str]):
    """Words for the ledger: one line, printable."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The words, or an error that says what is wrong with them."""
        from remediator.ledger import MAX_REASON

        text = str(value).strip()
        if not text or not text.isprintable():
            self.fail("give one line of printable text", param, ctx)
        if len(text) > MAX_REASON:
            self.fail(f"{len(text)} characters are too long; {MAX_REASON} is the most", param, ctx)
        return text
