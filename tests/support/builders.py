"""Small builders of the domain's values, with the defaults of a canary at 10 % and a queue with 4 workers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from remediator.core.actions.scale import Scale
from remediator.core.actions.set_percentage import SetPercentage
from remediator.core.alerts import Alert
from remediator.core.effects import Effect
from remediator.core.ledger import Entry, KillSwitch, Ledger, Pause
from remediator.core.matchers import parse_matchers
from remediator.core.policy import Budget, Policy, Remediation, Target
from remediator.core.workload import Workload

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

DENIS = Target(name="denis", namespace="denis", deployment="denis", container="denis")
WORKERS = Target(name="denis-workers", namespace="denis", deployment="denis-workers")

PROFILES: Mapping[int, Mapping[str, str]] = {
    percentage: {
        "DENIS_MATERIALIZERS_ENABLED": "true" if percentage else "false",
        "DENIS_MATERIALIZERS_PCT": str(percentage),
        "ASYNC_ENABLED": "true" if percentage else "false",
        "RUNS_ENABLED": "true" if percentage >= 50 else "false",
    }
    for percentage in (0, 1, 10, 50, 100)
}


def alert(status: str = "firing", **labels: str) -> Alert:
    """An alert; without labels it is one that asks for a rollback."""
    return Alert(status=status, labels=labels or {"alertname": "DenisErrorRateHigh", "remediation": "rollback"})


def rollback(
    *,
    cooldown: timedelta = 30 * MINUTE,
    acts: int = 3,
    window: timedelta = 24 * HOUR,
    mode: Literal["act", "observe"] = "act",
    target: Target = DENIS,
    percentage: int = 0,
) -> Remediation:
    """The remediation that takes the canary to 0 %."""
    return Remediation(
        name="rollback",
        matchers=parse_matchers('remediation="rollback"'),
        target=target,
        action=SetPercentage(percentage=percentage, profile=PROFILES[percentage]),
        cooldown=cooldown,
        budget=Budget(acts=acts, window=window),
        mode=mode,
    )


def scale(
    *,
    step: int = 2,
    minimum: int = 1,
    maximum: int = 20,
    cooldown: timedelta = 10 * MINUTE,
    acts: int = 6,
    window: timedelta = 6 * HOUR,
    give_up: int = 3,
    mode: Literal["act", "observe"] = "act",
    target: Target = WORKERS,
) -> Remediation:
    """The remediation that adds workers."""
    return Remediation(
        name="scale-workers",
        matchers=parse_matchers('remediation="scale"'),
        target=target,
        action=Scale(step=step, min=minimum, max=maximum, give_up=give_up),
        cooldown=cooldown,
        budget=Budget(acts=acts, window=window),
        mode=mode,
    )


def policy(*remediations: Remediation) -> Policy:
    """A policy of these remediations; without any, of the two that are shipped."""
    return Policy(targets=(DENIS, WORKERS), profiles=PROFILES, remediations=remediations or (rollback(), scale()))


def entry(
    ago: timedelta,
    *,
    effect: Effect | str = Effect.SET_PERCENTAGE,
    before: int | None = 10,
    after: int = 0,
    operator: str = "",
    action_id: str = "",
) -> Entry:
    """An act this long before NOW: of a remediation, or of the operator who is named."""
    known = Effect.of(effect)
    return Entry(
        id=action_id or f"{effect}-{ago.total_seconds()}",
        time=NOW - ago,
        effect=known,
        unknown_effect="" if known == effect else effect,
        before=before,
        after=after,
        remediation="" if operator else "a-remediation",
        operator=operator,
    )


def workload(
    *,
    percentage: int = 10,
    flags: Mapping[str, str | None] | None = None,
    env: tuple[tuple[str, str | None], ...] | None = None,
    replicas: int = 4,
    acts: tuple[Entry, ...] = (),
    pause: Pause | None = None,
    kill_switch: KillSwitch | None = None,
    autoscaler: str = "",
    problems: tuple[str, ...] = (),
) -> Workload:
    """A Deployment with the flags of a percentage; `flags` replaces single ones of them and `env` all."""
    return Workload(
        uid="uid-1",
        resource_version="41",
        replicas=replicas,
        env=tuple({**PROFILES[percentage], **(flags or {})}.items()) if env is None else env,
        ledger=Ledger().with_entries(acts),
        pause=pause,
        kill_switch=kill_switch,
        autoscaler=autoscaler,
        problems=problems,
    )


def pause(left: timedelta) -> Pause:
    """A pause that ends so long after NOW."""
    return Pause(reason="load test", author="ada", until=NOW + left)
