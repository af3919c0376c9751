"""Parameter types for what people type: percentages, durations, reasons, each with an error that says what to write."""

import re
from datetime import timedelta

import click
from click.shell_completion import CompletionItem

from remediator.core.durations import parse_duration
from remediator.core.ledger import MAX_PAUSE, MAX_REASON
from remediator.core.policy import PERCENTAGES


class Percentage(click.ParamType[int]):
    """A step of the canary."""

    name = "percentage"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The step, or an error that lists them."""
        text, known = str(value), {str(percentage): percentage for percentage in PERCENTAGES}
        if text in known:
            return known[text]
        *others, last = known
        if (bare := text.strip().removesuffix("%").strip()) in known:
            return self.fail(f"write {bare}, not {text!r}.", param, ctx)
        return self.fail(f"{text!r} is no step of the canary; write {', '.join(others)} or {last}.", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The steps that start with this text."""
        return [CompletionItem(str(step)) for step in PERCENTAGES if str(step).startswith(incomplete)]


class StepCommand(click.Command):
    """A command whose argument is a step: a negative number is reported as a wrong step, not as an unknown option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, or an error about the step."""
        for text in () if ctx.resilient_parsing else args[: args.index("--") if "--" in args else None]:
            if re.fullmatch(r"-\d+(\.\d+)?%?", text):
                Percentage().convert(text, None, ctx)
        return super().parse_args(ctx, args)


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
        """The duration, or an error that names the longest one allowed."""
        duration = super().convert(value, param, ctx)
        if duration <= MAX_PAUSE:
            return duration
        hours = MAX_PAUSE // timedelta(hours=1)
        return self.fail(f"{value} is longer than the {hours}h that are allowed; pause again afterwards", param, ctx)


class Reason(click.ParamType[str]):
    """Words for the ledger: one line, printable."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, or an error that says what is wrong with it."""
        text = str(value).strip()
        if not text or not text.isprintable():
            self.fail("give one line of printable text", param, ctx)
        if len(text) > MAX_REASON:
            self.fail(f"{len(text)} characters are too long; {MAX_REASON} is the most", param, ctx)
        return text
