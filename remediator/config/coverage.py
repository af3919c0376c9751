"""Which alert leads to which remediation, according to the rule files and the route.

Problems are warnings, never errors: the files belong to Prometheus and Alertmanager, and promtool and amtool check
them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from remediator.config.delivery import Delivery
from remediator.config.document import Document, InvalidDocument, Problem, parse_document, read_text
from remediator.config.lint import shadowing
from remediator.core.durations import parse_duration
from remediator.core.matchers import Matcher, make_matcher, parse_matchers
from remediator.core.parts import as_list, as_map
from remediator.core.policy import HEARTBEAT, HEARTBEAT_ALERT, Policy, Remediation, is_heartbeat
from remediator.core.routes import Destination

_ALTERNATIVES = re.compile(r"[\w-]*(\|[\w-]*)*", re.ASCII)
_SELECTED = re.compile(r"""\b(namespace)\s*(=~|=)\s*"([^"\\]*)\"""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The alerts that lead to a remediation, and what looks like a mistake."""

    alerts: Mapping[str, Remediation]
    labels: Mapping[str, Mapping[str, str]]
    """For each alert, its name and the labels that its rule sets, except those with templates."""
    warnings: Sequence[Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRule:
    """A rule in a file."""

    file: str
    name: str
    """The name of its record or alert."""
    expression: str
    held: timedelta | None
    """An alert's `for`; None for a recording rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringFiles:
    """The *.rules.yaml and the alertmanager.yaml of a remediations.yaml."""

    documents: Sequence[Document]
    problems: Sequence[Problem]
    """Why other files cannot be used."""


def read_monitoring_files(remediations: Path) -> MonitoringFiles:
    """The files in the folder of a remediations.yaml."""
    directory = remediations.parent
    paths = (*sorted(directory.glob("*.rules.yaml")), directory / "alertmanager.yaml")
    return _parse((str(path), partial(read_text, path)) for path in paths if path.is_file())


def parse_monitoring_files(texts: Mapping[str, str], origin: str) -> MonitoringFiles:
    """The files from a release's ConfigMap, given as texts by name; `origin` names the ConfigMap."""
    names = sorted(name for name in texts if name.endswith(".rules.yaml") or name == "alertmanager.yaml")
    return _parse((f"{name} of {origin}", partial(str, texts[name])) for name in names)


def _parse(files: Iterable[tuple[str, Callable[[], str]]]) -> MonitoringFiles:
    documents: list[Document] = []
    problems: list[Problem] = []
    for name, read in files:
        try:
            documents.append(parse_document(read(), name))
        except InvalidDocument as error:
            problems += error.problems
    return MonitoringFiles(documents=documents, problems=problems)


def read_rules(files: MonitoringFiles) -> Iterator[Sequence[WrittenRule]]:
    """The rules of each file that can be parsed."""
    for document in files.documents:
        yield [
            WrittenRule(
                file=document.file,
                name=str(rule.get("alert") or rule.get("record")),
                expression=str(rule.get("expr")),
                held=parse_duration(str(rule.get("for") or "0s")) if "alert" in rule else None,
            )
            for group in as_list(as_map(document.value).get("groups"))
            for rule in as_list(as_map(group).get("rules"))
            if isinstance(rule, Mapping)
        ]


def find_coverage(policy: Policy, remediations: Document, files: MonitoringFiles) -> Coverage:
    """Compare rules and route with the remediations of a file."""
    warnings: list[Problem] = list(files.problems)
    alerts: dict[str, Remediation] = {}
    reached: list[Remediation] = []
    documents = files.documents
    passed_by: dict[str, list[str]] = {}
    delivery = next(
        (Delivery(one) for one in documents if isinstance(one.value, Mapping) and "route" in one.value), None
    )
    asking: list[tuple[Document, tuple[str | int, ...], dict[str, str]]] = []
    for document in documents:
        warnings += _match_selectors(policy, document)
        for index, group in enumerate(as_list(as_map(document.value).get("groups"))):
            for position, rule in enumerate(as_list(as_map(group).get("rules"))):
                path = ("groups", index, "rules", position)
                if (labels := _static_labels(rule)) is None:
                    continue
                if policy.match(labels) or is_heartbeat(labels):
                    asking.append((document, path, labels))
                warnings += _match_alert(policy, labels, document, path, delivery, alerts, reached, passed_by)
        if isinstance(document.value, Mapping) and "route" in document.value:
            warnings += _match_route(policy, document.value["route"], document, ("route",))
    if any(as_list(as_map(document.value).get("groups")) for document in documents):
        warnings += _unreached(policy, remediations, reached, passed_by)
    if delivery and delivery.known:
        warnings += _judge_delivery(policy, delivery, asking)
    written = {one["alertname"]: one for _, _, one in asking if not is_heartbeat(one)}
    return Coverage(alerts=dict(sorted(alerts.items())), labels=written, warnings=warnings)


def _judge_delivery(
    policy: Policy, delivery: Delivery, asking: Sequence[tuple[Document, tuple[str | int, ...], Mapping[str, str]]]
) -> Iterator[Problem]:
    """Alerts that ask for an act but never arrive, and settings that make others late."""
    ways: list[Destination] = []
    decided_by, cooldown = _asking_labels(policy), min(one.cooldown for one in policy.remediations)
    try:
        for document, path, labels in asking:
            found = delivery.ways(labels, decided_by)
            ways += () if is_heartbeat(labels) else found
            if not found:
                names = ", ".join(delivery.receivers(labels, decided_by))
                message = f"the route sends {labels['alertname']} to {names}, and never to Remediator"
                yield document.problem((*path, "alert"), message)
    except ValueError:
        return  # Nested too deeply: amtool reports that.
    yield from delivery.late(ways, cooldown, decided_by)


def _static_labels(rule: Any) -> dict[str, str] | None:
    """The name and the labels that an alerting rule sets, except those with templates; None for other rules."""
    if not isinstance(rule, Mapping) or "alert" not in rule:
        return None
    labels = rule.get("labels")
    labels = labels if isinstance(labels, Mapping) else {}
    static = {str(key): str(value) for key, value in labels.items() if "{{" not in str(value)}
    return {"alertname": str(rule["alert"]), **static}


def _unreached(
    policy: Policy, document: Document, reached: Sequence[Remediation], passed_by: Mapping[str, Sequence[str]]
) -> Iterator[Problem]:
    """A warning for each remediation that no alert in the rules leads to, at its line."""
    for index, remediation in enumerate(policy.remediations):
        # A shadowed remediation has a warning of its own, whatever the rules are.
        if remediation in reached or shadowing(policy, remediation):
            continue
        message = f"no alert in the rules leads to {remediation.name}"
        if names := passed_by.get(remediation.name):
            earlier = policy.remediations[:index]
            first = next(one for one in earlier if one in reached)
            message += f": an earlier remediation, such as {first.name}, answers {', '.join(names)}"
        yield document.problem(("remediations", index, "matchers"), message)


def _match_alert(
    policy: Policy,
    labels: Mapping[str, str],
    document: Document,
    path: tuple[str | int, ...],
    delivery: Delivery | None,
    alerts: dict[str, Remediation],
    reached: list[Remediation],
    passed_by: dict[str, list[str]],
) -> Iterator[Problem]:
    name = labels["alertname"]
    remediation = policy.match(labels)
    if remediation:
        alerts.setdefault(name, remediation)
        reached.append(remediation)
        later = policy.remediations[policy.remediations.index(remediation) + 1 :]
        for other in later:
            if other.matches(labels):
                passed_by.setdefault(other.name, []).append(name)
        return
    if is_heartbeat(labels):
        if name != HEARTBEAT_ALERT:
            message = (
                f"{name} leads to no act: only {HEARTBEAT_ALERT}, which proves that alerts arrive, is a {HEARTBEAT}"
            )
            yield document.problem((*path, "labels", "remediation"), message)
        return
    if not _asking_labels(policy) <= labels.keys() or not _arrives(policy, labels, delivery):
        return
    for label in sorted(_deciding_labels(policy) & labels.keys()):
        if _answers(policy, label, labels[label]):
            continue
        message = f"no remediation matches {label}={labels[label]!r} of alert {name}"
        yield document.problem((*path, "labels", label), message)


def _arrives(policy: Policy, labels: Mapping[str, str], delivery: Delivery | None) -> bool:
    """Whether the route can send an alert to Remediator; assumed if there is no usable route."""
    if delivery is None or not delivery.known:
        return True
    try:
        return bool(delivery.ways(labels, _asking_labels(policy)))
    except ValueError:
        return True


def _match_selectors(policy: Policy, document: Document) -> Iterator[Problem]:
    """Namespaces that rules select but no remediation matches, in files whose alerts ask for remediations."""
    if "namespace" not in _deciding_labels(policy):
        return
    rules = [
        (("groups", index, "rules", position, "expr"), rule)
        for index, group in enumerate(as_list(as_map(document.value).get("groups")))
        for position, rule in enumerate(as_list(as_map(group).get("rules")))
        if isinstance(rule, Mapping)
    ]
    if not any("remediation" in as_map(rule.get("labels")) for _, rule in rules):
        return
    for path, rule in rules:
        for name, operator, value in dict.fromkeys(_SELECTED.findall(str(rule.get("expr")))):
            for one in _values(make_matcher(name, operator, value)):
                if not _answers(policy, name, one):
                    yield document.problem(path, f"selects {name}={one!r}, which no remediation matches")


def _match_route(policy: Policy, route: Any, document: Document, path: tuple[str | int, ...]) -> Iterator[Problem]:
    if not isinstance(route, Mapping):
        return
    for index, text in enumerate(as_list(as_map(route).get("matchers"))):
        try:
            matchers = parse_matchers(str(text))
        except ValueError as error:
            yield document.problem((*path, "matchers", index), str(error))
            continue
        for matcher in matchers:
            for value in _values(matcher):
                if (matcher.name, value) == ("remediation", HEARTBEAT):
                    continue
                if matcher.name in _deciding_labels(policy) and not _answers(policy, matcher.name, value):
                    message = f"sends {matcher.name}={value!r}, which no remediation matches"
                    yield document.problem((*path, "matchers", index), message)
    for index, inner in enumerate(as_list(as_map(route).get("routes"))):
        yield from _match_route(policy, inner, document, (*path, "routes", index))


def _deciding_labels(policy: Policy) -> set[str]:
    """The labels that select a remediation: those with an equality matcher in some remediation."""
    return {
        matcher.name
        for remediation in policy.remediations
        for matcher in remediation.matchers
        if matcher.operator in ("=", "=~")
    } - {"alertname"}


def _asking_labels(policy: Policy) -> set[str]:
    """The labels that an alert must have: without them no remediation matches."""
    wanted = [
        {matcher.name for matcher in remediation.matchers if not matcher.matches({})}
        for remediation in policy.remediations
    ]
    return set.intersection(*wanted) - {"alertname"}


def _answers(policy: Policy, label: str, value: str) -> bool:
    """Whether some remediation could match an alert with this label, whatever its other labels."""
    return any(
        all(matcher.matches({label: value}) for matcher in remediation.matchers if matcher.name == label)
        for remediation in policy.remediations
        if any(matcher.name == label for matcher in remediation.matchers)
    )


def _values(matcher: Matcher) -> list[str]:
    """The values that a matcher lists, or empty if they cannot be listed."""
    if matcher.operator == "=":
        return [matcher.value]
    if matcher.operator == "=~" and _ALTERNATIVES.fullmatch(matcher.value):
        return matcher.value.split("|")
    return []
