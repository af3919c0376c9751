"""remediations.yaml: the way from its text to a Policy, or to every problem in it.

Strict on purpose: this file decides what happens to production at night, so an unknown key, a text where a number
belongs, or an action that could make things less safe is refused at load, with file, line, field and remedy.
"""

import difflib
from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from remediator.document import Document, InvalidDocument, Path, Problem, parse_document
from remediator.matchers import Matcher, parse_matchers
from remediator.policy import (
    ENABLED_FLAG,
    PERCENTAGE_FLAG,
    PERCENTAGES,
    Budget,
    Policy,
    Remediation,
    Scale,
    SetPercentage,
    Target,
)
from remediator.policy_schema import PolicyFile, RemediationSpec, known_keys

NEVER_IN_A_PROFILE = "DENIS_SECONDARY_ENGINES"
"""DENIS's rule: no step of the canary touches the secondary engines."""


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
    )


def _matchers(texts: list[str]) -> Iterator[Matcher]:
    for text in texts:
        yield from parse_matchers(text)


def _contradictions(spec: PolicyFile) -> Iterator[tuple[Path, str]]:
    """What each part alone does not show."""
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
    rest = {name: value for name, value in profiles.get(0, {}).items() if name != PERCENTAGE_FLAG}
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
            message = f"must be text, found {found!r}; put it in quotes"
        case _:
            message = f"{details['msg'][0].lower()}{details['msg'][1:]}, found {_short(found)}"
    return document.problem(path, message)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
