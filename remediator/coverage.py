"""Which alert leads to which remediation, as far as files can tell: rules on one side, the route on the other.

What is found here is a warning and never an error: the files of Prometheus and Alertmanager belong to them, and are
checked by promtool and amtool.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remediator.document import Document, InvalidDocument, Problem, parse_document, read_text
from remediator.matchers import Matcher, parse_matchers
from remediator.policy import Policy, Remediation

_ALTERNATIVES = re.compile(r"[\w-]+(\|[\w-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The alerts that lead to a remediation, and what looks like a mistake."""

    alerts: Mapping[str, Remediation]
    warnings: Sequence[Problem]


def find_coverage(policy: Policy, remediations: Path) -> Coverage:
    """What the *.rules.yaml and the alertmanager.yaml beside a remediations.yaml say about its remediations."""
    warnings: list[Problem] = []
    alerts: dict[str, Remediation] = {}
    reached: list[Remediation] = []
    documents = list(_read_documents(remediations.parent, warnings))
    for document in documents:
        for index, group in enumerate(_list(document.value, "groups")):
            for position, rule in enumerate(_list(group, "rules")):
                path = ("groups", index, "rules", position)
                warnings += _match_alert(policy, rule, document, path, alerts, reached)
        if isinstance(document.value, Mapping) and "route" in document.value:
            warnings += _match_route(policy, document.value["route"], document, ("route",))
    if any(_list(document.value, "groups") for document in documents):
        warnings += [
            Problem(file=str(remediations), line=1, field=remediation.name, message="no alert in the rules leads to it")
            for remediation in policy.remediations
            if remediation not in reached
        ]
    return Coverage(alerts=dict(sorted(alerts.items())), warnings=warnings)


def _read_documents(directory: Path, warnings: list[Problem]) -> Iterator[Document]:
    for path in (*sorted(directory.glob("*.rules.yaml")), directory / "alertmanager.yaml"):
        if path.is_file():
            try:
                yield parse_document(read_text(path), str(path))
            except InvalidDocument as error:
                warnings += error.problems


def _match_alert(
    policy: Policy,
    rule: Any,
    document: Document,
    path: tuple[str | int, ...],
    alerts: dict[str, Remediation],
    reached: list[Remediation],
) -> Iterator[Problem]:
    if not isinstance(rule, Mapping) or "alert" not in rule:
        return
    name, labels = str(rule["alert"]), rule.get("labels")
    labels = labels if isinstance(labels, Mapping) else {}
    static = {key: str(value) for key, value in labels.items() if "{{" not in str(value)}
    remediation = policy.match({"alertname": name, **static})
    if remediation:
        alerts.setdefault(name, remediation)
        reached.append(remediation)
        return
    for label in sorted(_deciding_labels(policy) & static.keys()):
        if _answers(policy, label, static[label]):
            continue
        message = f"no remediation matches {label}={static[label]!r} of alert {name}"
        yield document.problem((*path, "labels", label), message)


def _match_route(policy: Policy, route: Any, document: Document, path: tuple[str | int, ...]) -> Iterator[Problem]:
    if not isinstance(route, Mapping):
        return
    for index, text in enumerate(_list(route, "matchers")):
        try:
            matchers = parse_matchers(str(text))
        except ValueError as error:
            yield document.problem((*path, "matchers", index), str(error))
            continue
        for matcher in matchers:
            for value in _values(matcher):
                if matcher.name in _deciding_labels(policy) and not _answers(policy, matcher.name, value):
                    message = f"sends {matcher.name}={value!r}, which no remediation matches"
                    yield document.problem((*path, "matchers", index), message)
    for index, inner in enumerate(_list(route, "routes")):
        yield from _match_route(policy, inner, document, (*path, "routes", index))


def _deciding_labels(policy: Policy) -> set[str]:
    """The labels that name what is to be done: those that some remediation wants to equal something."""
    return {
        matcher.name
        for remediation in policy.remediations
        for matcher in remediation.matchers
        if matcher.operator in ("=", "=~")
    } - {"alertname"}


def _answers(policy: Policy, label: str, value: str) -> bool:
    """Whether some remediation could match an alert with this label, whatever its others are."""
    return any(
        all(matcher.matches({label: value}) for matcher in remediation.matchers if matcher.name == label)
        for remediation in policy.remediations
        if any(matcher.name == label for matcher in remediation.matchers)
    )


def _values(matcher: Matcher) -> list[str]:
    """The values that a matcher lists; none where they cannot be told from its text."""
    if matcher.operator == "=":
        return [matcher.value]
    if matcher.operator == "=~" and _ALTERNATIVES.fullmatch(matcher.value):
        return matcher.value.split("|")
    return []


def _list(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []
