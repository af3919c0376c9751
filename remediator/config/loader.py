"""Loads remediations.yaml: from its text to a Policy, or to every problem in it.

Strict on purpose: remediations.yaml decides what happens to production at night, so an unknown key, text where a number
belongs, or an action that could make things less safe is refused at load, with file, line, field and remedy.
"""

from collections.abc import Iterator, Mapping

from remediator.config.document import InvalidDocument, Path, parse_document
from remediator.config.schema import PolicyFile, RemediationSpec
from remediator.config.validation import validate
from remediator.core.matchers import Matcher, parse_matchers
from remediator.core.policy import (
    ENABLED_FLAG,
    PERCENTAGE_FLAG,
    PERCENTAGES,
    Budget,
    Phase,
    Policy,
    Remediation,
    Target,
)

NEVER_IN_A_PROFILE = "DENIS_SECONDARY_ENGINES"
"""DENIS's rule: no step of the canary touches the secondary engines."""


def parse_policy(text: str, file: str) -> Policy:
    """Parse the text of a remediations.yaml; `file` is its name in messages.

    Raises InvalidDocument with every problem found.
    """
    document = parse_document(text, file)
    spec = validate(document, PolicyFile)
    problems = [document.problem(path, message) for path, message in _contradictions(spec)]
    if problems:
        raise InvalidDocument(problems)
    return _policy(spec)


def _policy(spec: PolicyFile) -> Policy:
    targets = {
        name: Target(
            name=name,
            namespace=target.namespace,
            deployment=target.deployment,
            container=target.container or "",
        )
        for name, target in spec.targets.items()
    }
    return Policy(
        targets=tuple(targets.values()),
        profiles=spec.profiles,
        remediations=tuple(
            Remediation(
                name=remediation.name,
                matchers=tuple(_matchers(remediation.matchers)),
                target=targets[remediation.target],
                action=next(action for action in remediation.actions.values() if action).action(spec.profiles),
                cooldown=remediation.cooldown,
                budget=Budget(acts=remediation.budget.acts, window=remediation.budget.window),
                mode=remediation.mode,
            )
            for remediation in spec.remediations
        ),
        phases=tuple(Phase(**phase.model_dump()) for phase in spec.phases),
    )


def _matchers(texts: list[str]) -> Iterator[Matcher]:
    for text in texts:
        yield from parse_matchers(text)


def _contradictions(spec: PolicyFile) -> Iterator[tuple[Path, str]]:
    """Problems between parts of the file, which the schema cannot find."""
    deployments: dict[tuple[str, str], str] = {}
    for name, target in spec.targets.items():
        first = deployments.setdefault((target.namespace, target.deployment), name)
        if first != name:
            yield ("targets", name), f"is the Deployment of targets.{first} already; they would share a cooldown"
    yield from _profile_contradictions(spec.profiles)
    seen: dict[str, int] = {}
    for index, remediation in enumerate(spec.remediations):
        path: Path = ("remediations", index)
        if remediation.name in seen:
            first = f"remediations[{seen[remediation.name]}]"
            yield (*path, "name"), f"{remediation.name!r} is the name of {first} already; give each its own"
        seen.setdefault(remediation.name, index)
        yield from _matcher_contradictions(remediation.matchers, (*path, "matchers"))
        yield from _action_contradictions(spec, remediation, path)
    yield from _phase_contradictions(spec)


def _phase_contradictions(spec: PolicyFile) -> Iterator[tuple[Path, str]]:
    for index, phase in enumerate(spec.phases):
        path: Path = ("phases", index, "percentage")
        if phase.percentage not in spec.profiles or phase.percentage == 0:
            known = ", ".join(str(percentage) for percentage in sorted(spec.profiles) if percentage)
            yield path, f"{phase.percentage} is not a step of the canary; use one of profiles ({known})"
        if index and phase.percentage <= spec.phases[index - 1].percentage:
            yield path, f"{phase.percentage} is not above {spec.phases[index - 1].percentage}, the phase before"


def _profile_contradictions(profiles: Mapping[int, Mapping[str, str]]) -> Iterator[tuple[Path, str]]:
    if 0 not in profiles:
        yield ("profiles",), "the profile 0 is missing, which is what a rollback writes"
    for percentage, flags in profiles.items():
        path: Path = ("profiles", percentage)
        if percentage not in PERCENTAGES:
            yield path, f"{percentage} is not a percentage of DENIS; use {', '.join(map(str, PERCENTAGES))}"
        if flags.get(PERCENTAGE_FLAG) != str(percentage):
            yield path, f'{PERCENTAGE_FLAG} must be "{percentage}" here, as the profile says'
        if NEVER_IN_A_PROFILE in flags:
            yield (*path, NEVER_IN_A_PROFILE), "is never part of a canary step; remove it"
    zero = profiles.get(0)
    if zero is None:
        return
    for name in sorted({name for flags in profiles.values() for name in flags} - {*zero, NEVER_IN_A_PROFILE}):
        if name not in (ENABLED_FLAG, PERCENTAGE_FLAG):
            yield (
                ("profiles", 0, name),
                'is required as "false": another profile sets it, and a rollback must undo that',
            )
    rest = {name: value for name, value in zero.items() if name not in (PERCENTAGE_FLAG, NEVER_IN_A_PROFILE)}
    for name, value in {ENABLED_FLAG: "", **rest}.items():
        if value != "false":
            yield (
                ("profiles", 0, name),
                f'must be "false": a rollback switches everything off, found {value!r}',
            )


def _matcher_contradictions(texts: list[str], path: Path) -> Iterator[tuple[Path, str]]:
    parsed: list[Matcher] = []
    for index, text in enumerate(texts):
        try:
            parsed += parse_matchers(text)
        except ValueError as error:
            yield (*path, index), str(error)
            return
    if parsed and all(matcher.matches({}) for matcher in parsed):
        yield path, 'matches alerts without any label too; add one like remediation="rollback"'


def _action_contradictions(spec: PolicyFile, remediation: RemediationSpec, path: Path) -> Iterator[tuple[Path, str]]:
    target = spec.targets.get(remediation.target)
    if target is None:
        known = ", ".join(sorted(spec.targets)) or "none"
        yield (*path, "target"), f"{remediation.target!r} is not one of targets ({known})"
    actions = [action for action in remediation.actions.values() if action]
    if len(actions) != 1:
        yield path, f"needs exactly one of {' and '.join(remediation.actions)}"
    for action in actions:
        for keys, message in action.contradictions(remediation, target):
            yield (*path, *keys), message
