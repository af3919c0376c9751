"""What is remembered on the target itself: acts, a pause, the kill switch, each in an annotation of its own.

The ledger is written in the patch of the change that it records, so that neither can exist without the other. The pause
and the kill switch are apart, for only people write them, and an admission policy can then forbid them to the service.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, ValidationError

from remediator.annotation import cut, dump, fit, one_line, spell_time
from remediator.durations import format_duration
from remediator.problems import first_problem

PREFIX = "remediator.denis.run"
LEDGER = f"{PREFIX}/ledger"
PAUSE = f"{PREFIX}/pause"
KILL_SWITCH = f"{PREFIX}/kill-switch"

MAX_ENTRIES = 20
MAX_FINGERPRINTS = 10
MAX_FINGERPRINT = 16
"""As long as Alertmanager makes them."""
MAX_REASON = 200
MAX_OPERATOR = 100
MAX_NAME = 64
"""Of an id, an effect and a remediation."""
MAX_OVERRODE = 8
MAX_WORD = 24
MAX_CHARACTERS = 32_000
"""Of the annotation: the admission policy allows 32,768. Three times 20 acts fit, whatever people said of theirs."""

MAX_VALUE = 2**31 - 1
"""Of a percentage, a number of replicas, or seconds: what Kubernetes takes, and no date is outside of the calendar."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far clocks of nodes may differ. An act from further in the future was not written by a working service."""

MAX_PAUSE = timedelta(hours=24)


class Effect(StrEnum):
    """What is changed; cooldown and budget are counted per target and effect."""

    SET_PERCENTAGE = "SetPercentage"
    SCALE = "Scale"
    KILL_SWITCH = "KillSwitch"
    """To 0 replicas and latched, or back; people only."""
    PAUSE = "Pause"
    """Seconds for which acts are withheld, 0 for resumed; people only."""


_EFFECTS = frozenset(Effect)


def value_of(effect: str) -> str:
    """Which value an effect sets. The kill switch sets the replicas, as scaling does, so one ends the other."""
    return Effect.SCALE if effect == Effect.KILL_SWITCH else effect


def spell_change(effect: str, before: int | None, after: int) -> str:
    """A change in words, as in `10 % -> 0 %` or `4 -> 6 replicas`."""
    if effect == Effect.PAUSE:
        return f"paused for {format_duration(timedelta(seconds=after))}" if after else "resumed"
    unit = " %" if effect == Effect.SET_PERCENTAGE else ""
    change = f"{'unknown' if before is None else f'{before}{unit}'} -> {after}{unit or ' replicas'}"
    return f"kill switch {'off' if after else 'on'}, {change}" if effect == Effect.KILL_SWITCH else change


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside of the calendar") from None


Line = Annotated[str, AfterValidator(one_line)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One act: by a remediation, or by an operator, never both."""

    id: str
    time: Annotated[AwareDatetime, AfterValidator(_in_utc)]
    effect: Annotated[str, Field(max_length=MAX_NAME)]
    before: Annotated[int | None, Field(alias="from", ge=0, le=MAX_VALUE)]
    after: Annotated[int, Field(alias="to", ge=0, le=MAX_VALUE)]
    remediation: Line = ""
    operator: Line = ""
    reason: Line = ""
    """What the operator said."""
    overrode: tuple[Line, ...] = ()
    """What stood against it, and the operator passed over."""
    fingerprints: tuple[str, ...] = ()

    @property
    def by(self) -> str:
        """The remediation or the operator."""
        return self.remediation or self.operator


def _kind(entry: Entry) -> str:
    """What forgets together: the acts of remediations by their effect, and all others."""
    return entry.effect if entry.remediation and entry.effect in _EFFECTS else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The last acts on a target, oldest first."""

    entries: tuple[Entry, ...] = ()
    problem: str = ""
    """Why the annotation could not be believed, or empty. A rollback passes over it, a scale-up does not."""

    def as_of(self, now: datetime) -> "Ledger":
        """The ledger without entries that this moment cannot have seen."""
        past = tuple(entry for entry in self.entries if entry.time <= now + CLOCK_SKEW)
        if len(past) == len(self.entries):
            return self
        return Ledger(entries=past, problem=self.problem or "the ledger holds an act from the future")

    def with_entries(self, more: tuple[Entry, ...]) -> "Ledger":
        """The ledger and these entries, each once, the newest MAX_ENTRIES of a kind: none ends another's cooldown."""
        by_id = {entry.id: entry for entry in (*self.entries, *more)}
        kept: list[Entry] = []
        for kind in {*map(_kind, by_id.values())}:
            same = [entry for entry in by_id.values() if _kind(entry) == kind]
            kept += sorted(same, key=lambda entry: entry.time)[-MAX_ENTRIES:]
        return Ledger(entries=tuple(sorted(kept, key=lambda entry: (entry.time, entry.id))), problem=self.problem)

    def holds(self, action_id: str) -> bool:
        """Whether the act of this id is recorded."""
        return any(entry.id == action_id for entry in self.entries)

    def automatic(self, effect: Effect) -> tuple[Entry, ...]:
        """The acts of remediations with this effect, oldest first. What people do costs no cooldown and no budget."""
        return tuple(entry for entry in self.entries if entry.effect == effect and entry.remediation)

    def cooling_until(self, effect: Effect, cooldown: timedelta, now: datetime) -> datetime | None:
        """When the cooldown of the last automatic act ends, or None where none is running."""
        acts = self.automatic(effect)
        end = acts[-1].time + cooldown if acts else now
        return end if end > now else None

    def budget_spent_until(self, effect: Effect, acts: int, window: timedelta, now: datetime) -> datetime | None:
        """When the budget allows an act again, or None where it does now."""
        recent = [entry for entry in self.automatic(effect) if entry.time + window > now]
        return recent[-acts].time + window if len(recent) >= acts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """An operator's hold on a target."""

    reason: Annotated[Line, Field(max_length=1024)]
    author: Annotated[Line, Field(max_length=253)]
    until: AwareDatetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitch:
    """An operator's latch at 0. That the annotation is there is what latches, whatever it says."""

    reason: Line = ""
    author: Line = ""
    since: AwareDatetime | None = None
    replicas: int | None = None
    """What to return to when the switch is taken off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _LedgerAnnotation:
    version: Literal[1]
    acts: tuple[Entry, ...] = ()


_ledger = TypeAdapter(_LedgerAnnotation)
_pause = TypeAdapter(Pause)
_kill_switch = TypeAdapter(KillSwitch)


@lru_cache(maxsize=16)  # A target is read far more often than its ledger changes.
def decode_ledger(text: str | None) -> Ledger:
    """The ledger in an annotation; one that cannot be read is an empty ledger with a problem."""
    if text is None:
        return Ledger()
    try:
        acts = _ledger.validate_json(text).acts
    except ValidationError as error:
        return Ledger(problem=f"the annotation {LEDGER} cannot be read: {first_problem(error, 'JSON')}")
    return Ledger().with_entries(acts)


def encode_ledger(ledger: Ledger) -> str:
    """The annotation's text: compact JSON, times in UTC, MAX_CHARACTERS at most.

    Every text is cut. Where forged acts leave no room even so, the oldest of people go first, then the oldest others;
    the newest act of an effect, its cooldown, stays.
    """
    start, end = '{"version":1,"acts":[', "]}"
    texts, kinds = [_spell(entry) for entry in ledger.entries], [_kind(entry) for entry in ledger.entries]
    return start + ",".join(fit(texts, kinds, MAX_CHARACTERS - len(start) - len(end))) + end


@lru_cache(maxsize=8 * MAX_ENTRIES)
def _spell(entry: Entry) -> str:
    """An act as it stands in the annotation, where it will be for many acts to come."""
    texts = {
        "remediation": cut(entry.remediation, MAX_NAME),
        "operator": cut(entry.operator, MAX_OPERATOR),
        "reason": cut(entry.reason, MAX_REASON),
        "overrode": [cut(word, MAX_WORD) for word in entry.overrode[:MAX_OVERRODE]],
        "fingerprints": [cut(text, MAX_FINGERPRINT) for text in entry.fingerprints[:MAX_FINGERPRINTS]],
    }
    act: dict[str, object] = {"id": cut(entry.id, MAX_NAME), "time": spell_time(entry.time)}
    act |= {"effect": cut(entry.effect, MAX_NAME), "from": entry.before, "to": entry.after}
    return dump(act | {key: text for key, text in texts.items() if text})


def encode_pause(pause: Pause) -> str:
    """The annotation's text."""
    return dump({"reason": pause.reason, "author": pause.author, "until": spell_time(pause.until)})


def encode_kill_switch(switch: KillSwitch) -> str:
    """The annotation's text."""
    since = spell_time(switch.since) if switch.since else None
    fields = {"reason": switch.reason, "author": switch.author, "since": since, "replicas": switch.replicas}
    return dump({key: value for key, value in fields.items() if value is not None})


def decode_pause(text: str) -> Pause:
    """The pause in an annotation. Raises ValueError where it cannot be read."""
    try:
        return _pause.validate_json(text)
    except ValidationError as error:
        raise ValueError(f"the annotation {PAUSE} cannot be read: {first_problem(error, 'JSON')}") from None


def decode_kill_switch(text: str) -> KillSwitch:
    """The kill switch in an annotation: on, even where its text cannot be read."""
    try:
        return _kill_switch.validate_json(text)
    except ValidationError:
        return KillSwitch(reason=f"the annotation {KILL_SWITCH} cannot be read; the switch counts as on")
