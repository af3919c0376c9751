"""Warns of settings in remediations.yaml that are valid but most likely a mistake.

Pure. The rule of this file: a warning says what would happen, and what to write instead. Settings that could make
things less safe are refused when the file is loaded, so they are not covered here.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from math import prod

from remediator.config.document import Document, Path, Problem
from remediator.core.durations import format_duration
from remediator.core.matchers import Matcher
from remediator.core.policy import HEARTBEAT, HEARTBEAT_ALERT, Phase, Policy, Remediation

SHORTEST_COOLDOWN = timedelta(minutes=1)
"""Shorter ones warn: pods take longer to start, and an alert takes longer to end."""

LONGEST_COOLDOWN = timedelta(hours=24)
"""As long as the longest pause: by then, a person has seen it."""

LONGEST_WINDOW = timedelta(days=30)
SHORTEST_HOLD = timedelta(minutes=5)
LONGEST_HOLD = timedelta(days=30)


_MOST_COMBINATIONS = 1_000

_HEARTBEAT = {"alertname": HEARTBEAT_ALERT, "remediation": HEARTBEAT, "severity": "none"}
"""The labels of the shipped heartbeat that are the same everywhere."""

_NAMED = 'remediation="rollback"'


def lint(policy: Policy, document: Document) -> Iterator[Problem]:
    """Likely mistakes in a policy; `document` is its file."""
    for path, message in _warnings(policy):
        yield document.problem(path, message)


def shadowing(policy: Policy, remediation: Remediation) -> Remediation | None:
    """The earlier remediation that takes every alert that this one matches, or None."""
    earlier = policy.remediations[: policy.remediations.index(remediation)]
    return next((one for one in earlier if _covers(one, remediation)), None)


def _warnings(policy: Policy) -> Iterator[tuple[Path, str]]:
    for index, remediation in enumerate(policy.remediations):
        path: Path = ("remediations", index)
        if other := shadowing(policy, remediation):
            message = f"{remediation.name} is shadowed by {other.name}, which takes every alert that it matches"
            yield (*path, "matchers"), f"{message}; move it up, or narrow the matchers of {other.name}"
        if all(one.name in ("namespace", "cluster") or one.matches(_HEARTBEAT) for one in remediation.matchers):
            message = f"{remediation.name} also matches heartbeats: this version sets them aside, a version before them"
            yield (*path, "matchers"), f"{message} would act on each; ask for the remediation by name, as {_NAMED}"
        yield from _cooldown_warnings(remediation, path)
        yield from _budget_warnings(remediation, path)
        for keys, message in remediation.action.warnings():
            yield (*path, *keys), message
    for index, phase in enumerate(policy.phases):
        yield from _phase_warnings(phase, ("phases", index))


def _cooldown_warnings(remediation: Remediation, path: Path) -> Iterator[tuple[Path, str]]:
    cooldown, field = remediation.cooldown, (*path, "cooldown")
    if cooldown > LONGEST_COOLDOWN:
        message = f"after an act, no alert leads to another one for {format_duration(cooldown)}"
        yield field, f"{message}; 30m is usual, over {format_duration(LONGEST_COOLDOWN)} most likely a mistake"
    if cooldown < SHORTEST_COOLDOWN:
        message = f"{format_duration(cooldown)} is over before the pods of an act follow, so the next act comes"
        yield field, f"{message} before the first can help; write {format_duration(SHORTEST_COOLDOWN)} or more"


def _budget_warnings(remediation: Remediation, path: Path) -> Iterator[tuple[Path, str]]:
    budget, field = remediation.budget, (*path, "budget")
    takes = budget.acts * remediation.cooldown
    if takes >= budget.window:
        acts = f"{budget.acts} act{'s' if budget.acts != 1 else ''}"
        message = (
            f"the budget can never be spent: with a cooldown of {format_duration(remediation.cooldown)}, {acts} take "
            f"{format_duration(takes)}, and the window is {format_duration(budget.window)}"
        )
        yield field, f"{message}; make the window longer than that, or acts fewer"
    if budget.window > LONGEST_WINDOW:
        message = f"an act counts for {format_duration(budget.window)}; 24h is usual"
        yield (*field, "window"), f"{message}, over {format_duration(LONGEST_WINDOW)} most likely a mistake"


def _phase_warnings(phase: Phase, path: Path) -> Iterator[tuple[Path, str]]:
    field = (*path, "hold")
    if phase.hold < SHORTEST_HOLD:
        message = f"{format_duration(phase.hold)} is too short to judge {phase.percentage} % by its rates"
        yield field, f"{message}; write {format_duration(SHORTEST_HOLD)} or more"
    if phase.hold > LONGEST_HOLD:
        message = f"the canary stays at {phase.percentage} % for {format_duration(phase.hold)}"
        yield field, f"{message}; over {format_duration(LONGEST_HOLD)} is most likely a mistake"


def _covers(earlier: Remediation, later: Remediation) -> bool:
    """Whether the earlier one certainly matches every alert that the later one matches.

    If a label's values cannot be listed, only an identical matcher is certain.
    """
    shared = set(later.matchers)
    open_matchers = [matcher for matcher in earlier.matchers if matcher not in shared]
    listed = _listed(later, {matcher.name for matcher in open_matchers})
    if any(matcher.name not in listed for matcher in open_matchers):
        return False
    if not all(listed.values()) or prod(map(len, listed.values())) > _MOST_COMBINATIONS:
        return False
    return all(
        matcher.matches(dict(zip(listed, values, strict=True)))
        for values in product(*listed.values())
        for matcher in open_matchers
    )


def _listed(remediation: Remediation, names: set[str]) -> dict[str, list[str]]:
    """The values that a label can have in alerts that a remediation matches, if they can be listed."""
    found: dict[str, list[str]] = {}
    for name in names:
        matchers: list[Matcher] = [matcher for matcher in remediation.matchers if matcher.name == name]
        lists = [matcher.values for matcher in matchers if matcher.values]
        if lists:
            values = [value for value in lists[0] if all(matcher.matches({name: value}) for matcher in matchers)]
            found[name] = values
    return found
