"""The recorded percentage or replicas of a target over time, and who changed them. Pure.

The rule of this file: Remediator's own changes are removed, because the simulation replaces them; changes of people
stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from remediator.core.sampled_series import Grid, SampledSeries

NEAR = timedelta(minutes=2)
"""How far a change seen in a gauge may be from the act that made it: a scrape, and a read by the observer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of a value."""

    time: datetime
    before: int
    after: int
    by: str = "people"
    """Who did it, if known."""
    reason: str = ""
    """The reason that they gave."""

    @property
    def rises(self) -> bool:
        """Whether the value rose."""
        return self.after > self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedValue:
    """The value over a history; `assumed` is used where nothing is recorded."""

    assumed: int
    grid: Grid
    values: Sequence[int | None]
    """The value at each moment of the grid, without Remediator's own acts; empty if nothing is recorded at all."""
    by_people: tuple[Change, ...] = ()
    by_remediator: tuple[Change, ...] = ()

    def known(self, moment: datetime) -> bool:
        """Whether the value is recorded at a moment."""
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
        """The number of moments with a record."""
        return sum(value is not None for value in self.values)


def read_recorded(
    series: SampledSeries | None, grid: Grid, assumed: int, acts: Sequence[datetime] = (), *, rises: bool | None = None
) -> RecordedValue:
    """The recorded value; `acts` are the times of Remediator's own acts, which either all raise it or all lower it."""
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
    """The value with named changes of people: a recorded change close to a named one is taken for the same."""
    others = [
        change
        for change in recorded.by_people
        if not any(one.after == change.after and abs(one.time - change.time) <= NEAR for one in known)
    ]
    return replace(recorded, by_people=tuple(sorted((*others, *known), key=lambda change: change.time)))
