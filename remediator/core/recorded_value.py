"""What is recorded of a target's percentage or replicas, and who changed it. Pure.

The rule of this file: what Remediator itself has done is left out, for it is what the simulation does in its place;
what people have done stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from remediator.core.sampled_series import Grid, SampledSeries

NEAR = timedelta(minutes=2)
"""How far a change that is seen in a gauge may be from the act that made it: scrapes, and a rollout's look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value that became another."""

    time: datetime
    before: int
    after: int
    by: str = "people"
    """Who did it, where that is known."""
    reason: str = ""
    """What they said."""

    @property
    def rises(self) -> bool:
        """Whether the value became higher."""
        return self.after > self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedValue:
    """The value over a history; `assumed` where nothing is recorded."""

    assumed: int
    grid: Grid
    values: Sequence[int | None]
    """At each moment of the grid, without Remediator's own acts; empty where nothing is recorded at all."""
    by_people: tuple[Change, ...] = ()
    by_remediator: tuple[Change, ...] = ()

    def known(self, moment: datetime) -> bool:
        """Whether it is recorded at a moment."""
        return self._at(moment) is not None

    def at(self, moment: datetime) -> int:
        """The value at a moment."""
        found = self._at(moment)
        return self.assumed if found is None else found

    def _at(self, moment: datetime) -> int | None:
        index = self.grid.index(moment)
        return self.values[index] if 0 <= index < len(self.values) else None

    @property
    def moments(self) -> int:
        """For how many moments it is recorded."""
        return sum(value is not None for value in self.values)


def read_recorded(
    series: SampledSeries | None, grid: Grid, assumed: int, acts: Sequence[datetime] = (), *, rises: bool | None = None
) -> RecordedValue:
    """The value as it is recorded; `acts` are the times of Remediator's own, which only raise it or only lower it."""
    if series is None:
        return RecordedValue(assumed=assumed, grid=grid, values=())
    people, ours = [], []
    values: list[int | None] = []
    last = found = shown = None
    for index in range(grid.count):
        number = series.value(index)
        found = None if number is None else int(number)
        if found is not None and last is not None and found != last:
            change = Change(time=grid.moment(index), before=last, after=found)
            if rises in (None, change.rises) and any(abs(change.time - act) <= NEAR for act in acts):
                ours.append(change)
            else:
                people.append(change)
                shown = found
        elif last is None or shown is None:
            shown = found
        last = last if found is None else found
        values.append(None if found is None else shown)
    return RecordedValue(assumed=assumed, grid=grid, values=values, by_people=tuple(people), by_remediator=tuple(ours))


def name_people(recorded: RecordedValue, known: Sequence[Change]) -> RecordedValue:
    """The value with changes of people that are known by name: what is recorded near one is that one."""
    others = [
        change
        for change in recorded.by_people
        if not any(one.after == change.after and abs(one.time - change.time) <= NEAR for one in known)
    ]
    return replace(recorded, by_people=tuple(sorted((*others, *known), key=lambda change: change.time)))
