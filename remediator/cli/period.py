"""`--since`, `--from` and `--to`: the period that a command covers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar, cast

import click

from remediator.cli.types import Duration
from remediator.core.durations import parse_duration

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The period as the flags give it."""

    since: timedelta | None
    start: datetime | timedelta | None
    end: datetime | timedelta | None
    default: timedelta
    """How far to go back by default."""

    @property
    def given(self) -> bool:
        """Whether anything was given."""
        return bool(self.since or self.start or self.end)

    def between(self, now: datetime) -> tuple[datetime, datetime]:
        """The first and the last moment in UTC, neither after now. Raises UsageError."""
        if self.since and self.start:
            raise click.UsageError("give --since or --from, not both")
        try:
            last = now - self.end if isinstance(self.end, timedelta) else min(self.end or now, now)
            first = now - self.start if isinstance(self.start, timedelta) else self.start
            first = first or last - (self.since or self.default)
            first, last = first.astimezone(UTC), last.astimezone(UTC)
        except OverflowError as error:
            raise click.UsageError(str(error)) from error
        if first > last:
            raise click.UsageError("the period ends before it starts: --from is after --to, or in the future")
        return first, last


def period(default: str) -> Callable[[Command], Command]:
    """`--since`, `--from` and `--to`; the command gets `period`."""
    options = (
        click.option("--since", type=Duration(), metavar="D", help=f"How far to go back; default: {default}."),
        click.option("--from", "start", metavar="T", callback=_moment, help="Start at this time, or this long ago."),
        click.option(
            "--to", "end", metavar="T", callback=_moment, help="End at this time, or this long ago; default: now."
        ),
    )

    def decorate(command: Command) -> Command:
        @wraps(command)
        def call(*, since: timedelta | None, start: Any, end: Any, **given: Any) -> Any:
            asked = Period(since=since, start=start, end=end, default=parse_duration(default))
            return command(period=asked, **given)

        decorated: Any = call
        for option in reversed(options):
            decorated = option(decorated)
        return cast(Command, decorated)

    return decorate


def read_time(text: str) -> datetime:
    """Parse an RFC 3339 time, which must have an offset. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 2000 <= moment.year <= 2200:
        raise ValueError(f"{text[:40]!r} is no time of RFC 3339 with its offset, as 2026-11-23T12:00:00Z")
    return moment


def _moment(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | timedelta | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError:
        pass
    try:
        return read_time(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}, or a duration before now, as 12h") from error
