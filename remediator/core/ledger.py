"""The records on the target itself: the ledger of acts, a pause, the kill switch, each in an annotation of its own.

The ledger is written in the same patch as the change that it records, so that neither exists without the other. Pause
and kill switch are separate because only people write them: an admission policy can then forbid them to the service.
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
"""The most fingerprints of an act that has alert names; acts without are older versions', and are kept unchanged."""
FINGERPRINTS_WITH_BECAUSE = 1
MAX_FINGERPRINT = 16
"""The length of Alertmanager's fingerprints."""
MAX_REASON = 200
MAX_CAUSE = 100
"""The longest text of the alerts that caused an act (stored like a person's reason), and of Prometheus's answer."""
MAX_CAUSE_WITH_BECAUSE = 70
MAX_OPERATOR = 100
MAX_NAME = 64
"""The longest id, effect and remediation name."""
MAX_OVERRODE = 8
MAX_WORD = 24
MAX_CHARACTERS = 32_000
"""The longest annotation: the admission policy allows 32,768. Three times 20 acts fit, however long their reasons."""

MAX_VALUE = 2**31 - 1
"""The largest percentage, number of replicas, or seconds: valid for Kubernetes, and within the calendar."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far clocks may differ. An act from further in the future cannot be a working service's."""

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
    """The operator's reason; for a remediation, the alerts that caused the act, with their values."""
    because: str = ""
    """Prometheus's answer about these alerts, if it was asked."""
    starts_at: datetime | None = None
    """When the newest of these alerts began, by Prometheus's clock, to the second."""
    overrode: tuple[str, ...] = ()
    """The refusals that the operator overrode."""
    fingerprints: tuple[str, ...] = ()
    unknown_effect: str = ""
    """The name of an effect that only a newer version knows."""

    @property
    def effect_name(self) -> str:
        """The effect's name in the record."""
        return self.unknown_effect or self.effect

    @property
    def sets(self) -> str:
        """The field that it sets; an act ends an earlier one that set the same field."""
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
    """The group whose oldest entries are dropped together: acts of remediations by effect, and all others."""
    return entry.effect if entry.remediation and entry.effect is not Effect.UNKNOWN else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The last acts on a target, oldest first."""

    entries: tuple[Entry, ...] = ()
    problem: str = ""
    """Why the annotation is not trusted, or empty. It stops a scale-up, but not a rollback."""

    def as_of(self, now: datetime) -> "Ledger":
        """The ledger without entries from the future."""
        latest = now + CLOCK_SKEW
        if not self.entries or self.entries[-1].time <= latest:
            return self
        past = tuple(entry for entry in self.entries if entry.time <= latest)
        return Ledger(entries=past, problem=self.problem or "the ledger holds an act from the future")

    def with_entries(self, more: tuple[Entry, ...]) -> "Ledger":
        """Add entries, each once, and keep the newest MAX_ENTRIES of each kind: no kind pushes out another's cooldown.

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
        """The acts of remediations with this effect, oldest first. Acts of people use up no cooldown and no budget."""
        return tuple(entry for entry in self.entries if entry.effect is effect and entry.remediation)

    def cooling_until(self, effect: Effect, cooldown: timedelta, now: datetime) -> datetime | None:
        """When the cooldown of the last automatic act ends, or None if it is over."""
        acts = self.automatic(effect)
        end = acts[-1].time + cooldown if acts else now
        return end if end > now else None

    def spent(self, effect: Effect, window: timedelta, now: datetime) -> tuple[Entry, ...]:
        """The automatic acts that a budget with this window counts."""
        return tuple(entry for entry in self.automatic(effect) if entry.time + window > now)

    def budget_spent_until(self, effect: Effect, acts: int, window: timedelta, now: datetime) -> datetime | None:
        """When the budget allows an act again, or None if it does now."""
        recent = self.spent(effect, window, now)
        return recent[-acts].time + window if len(recent) >= acts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause of a target by an operator."""

    reason: str
    author: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitch:
    """An operator's latch at 0. The mere presence of the annotation latches, whatever its text."""

    reason: str = ""
    author: str = ""
    since: datetime | None = None
    replicas: int | None = None
    """The replicas to return to when the switch is turned off."""


@lru_cache(maxsize=16)  # Cached, because a target is read far more often than its ledger changes.
def decode_ledger(text: str | None) -> Ledger:
    """Parse the ledger's annotation; an unreadable one gives an empty ledger with a problem."""
    if text is None:
        return Ledger()
    from remediator.core import ledger_schema  # Imported late: pydantic is only needed if there is an annotation.

    try:
        acts = ledger_schema.read_acts(text)
    except ValueError as error:
        return Ledger(problem=f"the annotation {LEDGER} cannot be read: {error}")
    return Ledger().with_entries(acts)


def encode_ledger(ledger: Ledger) -> str:
    """The annotation's text: compact JSON, times in UTC, MAX_CHARACTERS at most.

    Every text is cut. If forged acts leave no room even then, the oldest acts of people are dropped first, then the
    oldest others; the newest act of each effect, which holds its cooldown, stays.
    """
    start, end = '{"version":1,"acts":[', "]}"
    texts, kinds = [_spell(entry) for entry in ledger.entries], [_kind(entry) for entry in ledger.entries]
    return start + ",".join(fit(texts, kinds, MAX_CHARACTERS - len(start) - len(end))) + end


def cause_limits(*, because: bool) -> tuple[int, int]:
    """The space for an act's alert names in characters, and for its fingerprints, next to Prometheus's answer."""
    if because:
        return MAX_CAUSE_WITH_BECAUSE, FINGERPRINTS_WITH_BECAUSE
    return MAX_CAUSE, FINGERPRINTS_WITH_CAUSE


@lru_cache(maxsize=8 * MAX_ENTRIES)
def _spell(entry: Entry) -> str:
    """An act as JSON for the annotation, cached because it is written again with many later acts."""
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
    """Parse the pause's annotation. Raises ValueError if it cannot be read."""
    from remediator.core import ledger_schema

    try:
        return ledger_schema.read_pause(text)
    except ValueError as error:
        raise ValueError(f"the annotation {PAUSE} cannot be read: {error}") from None


def decode_kill_switch(text: str) -> KillSwitch:
    """Parse the kill switch's annotation: on, even if its text cannot be read."""
    from remediator.core import ledger_schema

    try:
        return ledger_schema.read_kill_switch(text)
    except ValueError:
        return KillSwitch(reason=f"the annotation {KILL_SWITCH} cannot be read; the switch counts as on")
