"""The changes that people can ask for, each planned as one write on what was read; and what changed in between.

Pure: no clock, no I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from remediator.core.effects import Effect
from remediator.core.field_owners import REPLICAS
from remediator.core.ledger import (
    KILL_SWITCH,
    PAUSE,
    KillSwitch,
    Pause,
    encode_kill_switch,
    encode_pause,
)
from remediator.core.policy import PERCENTAGE_FLAG
from remediator.core.reasons import Reason
from remediator.core.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change to write, planned on what was read."""

    effect: Effect
    before: int | None
    after: int
    flags: Mapping[str, str] = field(default_factory=dict)
    replicas: int | None = None
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    overrode: tuple[str, ...] = ()
    resume: bool = False
    """Whether it also resumes a paused rollout."""


def set_percentage(
    workload: Workload, profile: Mapping[str, str], overrode: tuple[str, ...] = (), *, resume: bool = False
) -> Change | None:
    """Set all flags of a profile; None if they are set already. With `resume`, a paused rollout is resumed too."""
    there = all(workload.flags().get(name) == value for name, value in profile.items())
    resume = resume and workload.rollout.paused
    if there and not resume:
        return None
    return Change(
        effect=Effect.SET_PERCENTAGE,
        before=workload.percentage(),
        after=int(profile[PERCENTAGE_FLAG]),
        flags={} if there else profile,
        overrode=overrode,
        resume=resume,
    )


def latch(workload: Workload, operator: str, reason: str, now: datetime) -> Change | None:
    """Turn the kill switch on: 0 replicas, latched, remembering how many there were; None if it is on."""
    switch = workload.kill_switch
    if switch and workload.replicas == 0:
        return None
    replicas = workload.replicas or remembered_replicas(workload)
    new = KillSwitch(reason=reason, author=operator, since=now, replicas=replicas)
    return Change(
        effect=Effect.KILL_SWITCH,
        before=workload.replicas,
        after=0,
        replicas=0,
        annotations={KILL_SWITCH: encode_kill_switch(new)},
    )


class TooManyReplicas(ValueError):
    """More replicas than any remediation sets; only a person may override this limit."""


def release(workload: Workload, replicas: int | None, most: int, *, override: bool = False) -> Change | None:
    """Turn the kill switch off, and return to `replicas` or to the remembered number; None if it is off.

    Raises ValueError if no previous number is recorded, and TooManyReplicas for more than `most` (and more than there
    are now), unless overridden.
    """
    if not workload.kill_switch and workload.replicas:
        return None
    # Someone has scaled up by hand since: keep their number.
    after = replicas or workload.replicas or remembered_replicas(workload)
    if not after:
        raise ValueError("the previous number of replicas is not recorded; give --replicas")
    over = after > max(most, workload.replicas)
    if over and not override:
        said = "asked for" if replicas else "remembered"
        remedy = 'if you know better: --override --reason="..."; it will be recorded'
        raise TooManyReplicas(
            f"{after} replicas are {said}, and {most} is the maximum; give --replicas={most} or fewer\n{remedy}"
        )
    return Change(
        effect=Effect.KILL_SWITCH,
        before=workload.replicas,
        after=after,
        replicas=after,
        annotations={KILL_SWITCH: None} if workload.kill_switch else {},
        overrode=(Reason.AT_LIMIT,) if over else (),
    )


def remembered_replicas(workload: Workload) -> int | None:
    """How many replicas there were before 0, by the switch, else by the last recorded act on them."""
    if workload.kill_switch and workload.kill_switch.replicas:
        return workload.kill_switch.replicas
    for entry in reversed(workload.ledger.entries):
        if entry.effect.field == REPLICAS and (known := entry.after or entry.before):
            return known
    return None


def pause(workload: Workload, operator: str, reason: str, length: timedelta, now: datetime) -> Change:
    """Withhold acts for this long from now, replacing any pause."""
    held = workload.held_by(now)
    return Change(
        effect=Effect.PAUSE,
        before=round((held.until - now).total_seconds()) if held else 0,
        after=int(length.total_seconds()),
        annotations={PAUSE: encode_pause(Pause(reason=reason, author=operator, until=now + length))},
    )


def resume(workload: Workload, now: datetime) -> Change | None:
    """Stop withholding acts; None if there is no pause."""
    held = workload.held_by(now)
    if held is None and not workload.unbelievable(now).startswith(("the pause", "the annotation " + PAUSE)):
        return None
    left = round((held.until - now).total_seconds()) if held else 0
    return Change(effect=Effect.PAUSE, before=left, after=0, annotations={PAUSE: None})


def difference(seen: Workload, found: Workload) -> str:
    """What someone changed on a target between two reads, and who, or empty. Changes of its status do not count."""
    parts = {
        "the flags": seen.env != found.env,
        "the replicas": seen.replicas != found.replicas,
        "the pause": seen.pause != found.pause,
        "the kill switch": seen.kill_switch != found.kill_switch,
        "the Deployment, which was created again": seen.uid != found.uid,
    }
    changed = [part for part, differs in parts.items() if differs]
    known = {entry.id for entry in seen.ledger.entries}
    new = [entry for entry in found.ledger.entries if entry.id not in known]
    # A change that was reverted is no difference, but the ledger shows it.
    if not changed and all(entry.effect is Effect.PAUSE for entry in new):
        return ""
    if new:
        last = new[-1]
        said = f" ({last.reason})" if last.reason else ""
        return f"{last.by} has meanwhile set {last.change}{said}"
    writes = [write for name, write in found.writers.items() if seen.writers.get(name) != write]
    by = max(writes, key=lambda write: str(write.time), default=None)
    return f"{by or 'someone'} has meanwhile changed {' and '.join(changed)}"
