"""What is remembered on the target itself: acts, a pause, the kill switch, each in an annotation of its own.

The ledger is written in the patch of the change that it records, so that neither can exist without the other. The pause
and the kill switch are apart, for only people write them, and an admission policy can then forbid them to the service.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from remediator.core.annotations import cut, dump, fit
from remediator.core.effects import Effect
from remediator.core.times import format_time

PREFIX = "remediator.denis.run"
LEDGER = f"{PREFIX}/ledger"
PAUSE = f"{PREFIX}/pause"
KILL_SWITCH = f"{PREFIX}/kill-switch"

MAX_ENTRIES = 20
MAX_FINGERPRINTS = 10
FINGERPRINTS_WITH_CAUSE = 5
"""Of an act that also has the names of its alerts; those without are from older versions, and stay as they are."""
FINGERPRINTS_WITH_BECAUSE = 1
MAX_FINGERPRINT = 16
"""As long as Alertmanager makes them."""
MAX_REASON = 200
MAX_CAUSE = 100
"""Of the alerts that caused an act, which stand in the place of a person's reason, and of what Prometheus said."""
MAX_CAUSE_WITH_BECAUSE = 70
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One act: by a remediation, or by an operator, never both."""

    id: str
    time: datetime
    """In UTC."""
    effect: Effect
    before: int | None
    after: int
    remediation: str = ""
    operator: str = ""
    reason: str = ""
    """What the operator said; of a remediation the alerts that caused the act, and their values."""
    because: str = ""
    """What Prometheus said of these alerts, where it was asked."""
    starts_at: datetime | None = None
    """When the newest of these alerts began, by Prometheus's clock, to the second."""
    overrode: tuple[str, ...] = ()
    """What stood against it, and the operator passed over."""
    fingerprints: tuple[str, ...] = ()
    unknown_effect: str = ""
    """The name of the effect where a newer version wrote it."""

    @property
    def effect_name(self) -> str:
        """The effect's name, as it is in the record."""
        return self.unknown_effect or self.effect

    @property
    def sets(self) -> str:
        """What it sets; an act ends another one that set the same."""
        return self.effect.field or self.effect_name

    @property
    def change(self) -> str:
        """The change in words, as in `10 % -> 0 %` or `4 -> 6 replicas`."""
        change = self.effect.format_change(self.before, self.after)
        return f"{self.unknown_effect} {change}" if self.unknown_effect else change

    @property
    def by(self) -> str:
        """The remediation or the operator."""
        return self.remediation or self.operator


def _kind(entry: Entry) -> str:
    """What forgets together: the acts of remediations by their effect, and all others."""
    return entry.effect if entry.remediation and entry.effect is not Effect.UNKNOWN else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The last acts on a target, oldest first."""

    entries: tuple[Entry, ...] = ()
    problem: str = ""
    """Why the annotation could not be believed, or empty. A rollback passes over it, a scale-up does not."""

    def as_of(self, now: datetime) -> "Ledger":
        """The ledger without entries that this moment cannot have seen."""
        latest = now + CLOCK_SKEW
        if not self.entries or self.entries[-1].time <= latest:
            return self
        past = tuple(entry for entry in self.entries if entry.time <= latest)
        return Ledger(entries=past, problem=self.problem or "the ledger holds an act from the future")

    def with_entries(self, more: tuple[Entry, ...]) -> "Ledger":
        """The ledger and these entries, each once, the newest MAX_ENTRIES of a kind: none ends another's cooldown.

        Entries of one second keep the order in which they were written.
        """
        entries = sorted({entry.id: entry for entry in (*self.entries, *more)}.values(), key=lambda entry: entry.time)
        kept = {
            entry.id
            for kind in {*map(_kind, entries)}
            for entry in [entry for entry in entries if _kind(entry) == kind][-MAX_ENTRIES:]
        }
        return Ledger(entries=tuple(entry for entry in entries if entry.id in kept), problem=self.problem)

    def holds(self, action_id: str) -> bool:
        """Whether the act of this id is recorded."""
        return any(entry.id == action_id for entry in self.entries)

    def automatic(self, effect: Effect) -> tuple[Entry, ...]:
        """The acts of remediations with this effect, oldest first. What people do costs no cooldown and no budget."""
        return tuple(entry for entry in self.entries if entry.effect is effect and entry.remediation)

    def cooling_until(self, effect: Effect, cooldown: timedelta, now: datetime) -> datetime | None:
        """When the cooldown of the last automatic act ends, or None where none is running."""
        acts = self.automatic(effect)
        end = acts[-1].time + cooldown if acts else now
        return end if end > now else None

    def spent(self, effect: Effect, window: timedelta, now: datetime) -> tuple[Entry, ...]:
        """The automatic acts that a budget with this window counts."""
        return tuple(entry for entry in self.automatic(effect) if entry.time + window > now)

    def budget_spent_until(self, effect: Effect, acts: int, window: timedelta, now: datetime) -> datetime | None:
        """When the budget allows an act again, or None where it does now."""
        recent = self.spent(effect, window, now)
        return recent[-acts].time + window if len(recent) >= acts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """An operator's hold on a target."""

    reason: str
    author: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitch:
    """An operator's latch at 0. That the annotation is there is what latches, whatever it says."""

    reason: str = ""
    author: str = ""
    since: datetime | None = None
    replicas: int | None = None
    """What to return to when the switch is taken off."""


@lru_cache(maxsize=16)  # A target is read far more often than its ledger changes.
def decode_ledger(text: str | None) -> Ledger:
    """The ledger in an annotation; one that cannot be read is an empty ledger with a problem."""
    if text is None:
        return Ledger()
    from remediator.core import ledger_schema  # Late: only what is there has to be read.

    try:
        acts = ledger_schema.read_acts(text)
    except ValueError as error:
        return Ledger(problem=f"the annotation {LEDGER} cannot be read: {error}")
    return Ledger().with_entries(acts)


def encode_ledger(ledger: Ledger) -> str:
    """The annotation's text: compact JSON, times in UTC, MAX_CHARACTERS at most.

    Every text is cut. Where forged acts leave no room even so, the oldest of people go first, then the oldest others;
    the newest act of an effect, its cooldown, stays.
    """
    start, end = '{"version":1,"acts":[', "]}"
    texts, kinds = [_spell(entry) for entry in ledger.entries], [_kind(entry) for entry in ledger.entries]
    return start + ",".join(fit(texts, kinds, MAX_CHARACTERS - len(start) - len(end))) + end


def cause_limits(*, because: bool) -> tuple[int, int]:
    """How many characters name an act's alerts, and how many fingerprints there are, beside what Prometheus said."""
    if because:
        return MAX_CAUSE_WITH_BECAUSE, FINGERPRINTS_WITH_BECAUSE
    return MAX_CAUSE, FINGERPRINTS_WITH_CAUSE


@lru_cache(maxsize=8 * MAX_ENTRIES)
def _spell(entry: Entry) -> str:
    """An act as it stands in the annotation, where it will be for many acts to come."""
    cause, most = cause_limits(because=bool(entry.because))
    if not entry.reason and not entry.because:
        most = MAX_FINGERPRINTS
    texts = {
        "remediation": cut(entry.remediation, MAX_NAME),
        "operator": cut(entry.operator, MAX_OPERATOR),
        "reason": cut(entry.reason, cause if entry.remediation else MAX_REASON),
        "because": cut(entry.because, MAX_CAUSE),
        "startsAt": entry.starts_at and format_time(entry.starts_at, "seconds"),
        "overrode": [cut(word, MAX_WORD) for word in entry.overrode[:MAX_OVERRODE]],
        "fingerprints": [cut(text, MAX_FINGERPRINT) for text in entry.fingerprints[:most]],
    }
    act: dict[str, object] = {"id": cut(entry.id, MAX_NAME), "time": format_time(entry.time, "microseconds")}
    act |= {"effect": cut(entry.effect_name, MAX_NAME), "from": entry.before, "to": entry.after}
    return dump(act | {key: text for key, text in texts.items() if text})


def encode_pause(pause: Pause) -> str:
    """The annotation's text."""
    return dump({"reason": pause.reason, "author": pause.author, "until": format_time(pause.until, "microseconds")})


def encode_kill_switch(switch: KillSwitch) -> str:
    """The annotation's text."""
    since = format_time(switch.since, "microseconds") if switch.since else None
    fields = {"reason": switch.reason, "author": switch.author, "since": since, "replicas": switch.replicas}
    return dump({key: value for key, value in fields.items() if value is not None})


def decode_pause(text: str) -> Pause:
    """The pause in an annotation. Raises ValueError where it cannot be read."""
    from remediator.core import ledger_schema

    try:
        return ledger_schema.read_pause(text)
    except ValueError as error:
        raise ValueError(f"the annotation {PAUSE} cannot be read: {error}") from None


def decode_kill_switch(text: str) -> KillSwitch:
    """The kill switch in an annotation: on, even where its text cannot be read."""
    from remediator.core import ledger_schema

    try:
        return ledger_schema.read_kill_switch(text)
    except ValueError:
        return KillSwitch(reason=f"the annotation {KILL_SWITCH} cannot be read; the switch counts as on")
