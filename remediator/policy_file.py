"""remediations.yaml: the way from its text to a Policy, or to every problem in it.

Strict on purpose: this file decides what happens to production at night, so an unknown key, a text where a number
belongs, or an action that could make things less safe is refused at load, with file, line, field and remedy.
"""

import difflib
from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from remediator.document import Document, InvalidDocument, Problem, parse_document
from remediator.matchers import Matcher, parse_matchers
from remediator.plain_yaml import Path
from remediator.policy import (
    ENABLED_FLAG,
    PERCENTAGE_FLAG,
    PERCENTAGES,
    Budget,
    Phase,
    Policy,
    Remediation,
    Scale,
    SetPercentage,
    Target,
)
from remediator.policy_schema import PolicyFile, RemediationSpec, known_keys

NEVER_IN_A_PROFILE = "DENIS_SECONDARY_ENGINES"
"""DENIS's rule: no step of the canary touches the secondary engines."""

_RATES = ("min_success_rate", "max_error_rate")


def parse_policy(text: str, file: str) -> Policy:
    """The policy in the text of a remediations.yaml; `file` is what messages call it.

    Raises InvalidDocument with every problem found.
    """
    document = parse_document(text, file)
    try:
        spec = PolicyFile.model_validate(document.value)
    except ValidationError as error:
        raise InvalidDocument([_reword(document, details) for details in error.errors()]) from None
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
                action=SetPercentage(percentage=0, profile=spec.profiles[0])
                if remediation.scale is None
                else Scale(**remediation.scale.model_dump()),
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
    """What each part alone does not show."""
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
            yield (*path, NEVER_IN_A_PROFILE), "is never part of a canary step; take it out"
    zero = profiles.get(0)
    if zero is None:
        return
    for name in sorted({name for flags in profiles.values() for name in flags} - {*zero, NEVER_IN_A_PROFILE}):
        if name not in (ENABLED_FLAG, PERCENTAGE_FLAG):
            yield (
                ("profiles", 0, name),
                'is required, as "false": another profile sets it, and a rollback must undo that',
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
    if (remediation.set_percentage is None) == (remediation.scale is None):
        yield path, "needs exactly one of set_percentage and scale"
    if remediation.set_percentage is not None:
        if remediation.set_percentage != 0:
            message = f"must be 0, found {remediation.set_percentage}: an alert must never raise the percentage"
            yield (*path, "set_percentage"), message
        if target is not None and target.container is None:
            yield (*path, "target"), f"set_percentage needs targets.{remediation.target}.container"
    if remediation.scale is not None and remediation.scale.max < remediation.scale.min:
        yield (*path, "scale", "max"), f"{remediation.scale.max} is below min {remediation.scale.min}"


def _reword(document: Document, details: ErrorDetails) -> Problem:
    """A problem that pydantic found, in the words of the file: what was found, and what is allowed."""
    path = tuple(part for part in details["loc"] if part != "[key]")
    found = details["input"]
    match details["type"]:
        case "missing":
            message = "is required"
        case "extra_forbidden":
            known = known_keys(path[:-1])
            close = difflib.get_close_matches(str(path[-1]), known, n=1)
            message = f"is not a known key; {f'did you mean {close[0]}' if close else 'known here'}"
            message += "?" if close else f": {', '.join(known)}"
        case "model_type":
            message = "must be a mapping" if path else "must be a mapping with targets, profiles and remediations"
            message += f", found {_short(found)}"
        case "value_error":
            message = str(details["ctx"]["error"])
        case "string_type":
            message = f"must be text, found {_short(found)}; put it in quotes"
        case "time_delta_type":
            message = f"must be a duration as in Prometheus (30s, 10m, 1h30m, 2d), found {_short(found)}"
        case "greater_than":
            least = f"above {details['ctx']['gt']:g}" if path[-1] in _RATES else "longer than 0s"
            message = f"must be {least}, found {_short(found)}"
        case "less_than":
            message = f"must be below {details['ctx']['lt']:g}, as 0.05 for 5 %, found {_short(found)}"
        case "less_than_equal" if path[-1] in _RATES:
            message = f"must be a ratio, as 0.90 for 90 %, found {_short(found)}"
        case "float_type":
            message = f"must be a number, found {_short(found)}"
        case "int_type":
            message = f"must be a whole number, found {_short(found)}"
        case "list_type":
            message = f"must be a list, found {_short(found)}"
        case "too_short":
            message = "needs at least one entry"
        case "greater_than_equal":
            message = f"must be at least {details['ctx']['ge']}, found {_short(found)}"
        case "less_than_equal":
            message = f"must be at most {details['ctx']['le']}, found {_short(found)}"
        case "literal_error":
            message = f"must be {details['ctx']['expected'].replace(chr(39), '')}, found {_short(found)}"
        case "string_pattern_mismatch":
            message = f"must be letters, digits and dashes, as Kubernetes's names are, found {_short(found)}"
        case _:
            message = f"{details['msg'][0].lower()}{details['msg'][1:]}, found {_short(found)}"
    return document.problem(path, message)


def _short(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of very many digits"
    spelled = {None: "nothing", True: "true", False: "false"}
    text = spelled[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
