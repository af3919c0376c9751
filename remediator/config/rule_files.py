"""Parses Prometheus rule files: groups with their records and alerts, in the order of evaluation.

The rule of this file: an unsupported key that changes when or how a rule is evaluated is a problem, with its line; it
is never ignored.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from remediator.config.document import Document, InvalidDocument, Problem, parse_document, read_text
from remediator.core.durations import parse_duration
from remediator.core.parts import as_list, as_map

_GROUP_KEYS = {"name", "interval", "rules", "labels"}
_RULE_KEYS = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}

ZERO = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A recording rule."""

    name: str
    expression: str
    labels: Mapping[str, str]
    place: str
    """File and line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alerting rule."""

    name: str
    expression: str
    duration: timedelta
    keep_firing_for: timedelta
    labels: Mapping[str, str]
    place: str

    @property
    def all_labels(self) -> Mapping[str, str]:
        """The labels that all its alerts have, whatever their series."""
        return {**self.labels, "alertname": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGroup:
    """Rules that are evaluated in sequence, for the same timestamp."""

    name: str
    interval: timedelta | None
    """None for the default of Prometheus's configuration."""
    rules: tuple[Record | Alarm, ...]


def read_rule_groups(paths: Iterable[Path]) -> tuple[RuleGroup, ...]:
    """Parse the groups of these files. Raises InvalidDocument with every problem found."""
    problems: list[Problem] = []
    groups: list[RuleGroup] = []
    for path in paths:
        document = parse_document(read_text(path), str(path))
        for index, group in enumerate(as_list(as_map(document.value).get("groups"))):
            groups.append(_group(document, ("groups", index), as_map(group), problems))
    if problems:
        raise InvalidDocument(problems)
    return tuple(groups)


def _group(
    document: Document, path: tuple[str | int, ...], group: Mapping[str, Any], problems: list[Problem]
) -> RuleGroup:
    problems += (
        document.problem((*path, key), "changes the evaluation in a way that is not supported here")
        for key in group.keys() - _GROUP_KEYS
    )
    shared = _texts(document, (*path, "labels"), group.get("labels"), problems)
    interval = _duration(document, (*path, "interval"), group.get("interval"), problems)
    rules = (
        _rule(document, (*path, "rules", index), as_map(rule), shared, problems)
        for index, rule in enumerate(as_list(group.get("rules")))
    )
    return RuleGroup(name=str(group.get("name")), interval=interval, rules=tuple(filter(None, rules)))


def _rule(
    document: Document,
    path: tuple[str | int, ...],
    rule: Mapping[str, Any],
    shared: Mapping[str, str],
    problems: list[Problem],
) -> Record | Alarm | None:
    found = list(_faults(rule))
    problems += (document.problem((*path, key), message) for key, message in found)
    if found:
        return None
    labels = {**shared, **_texts(document, (*path, "labels"), rule.get("labels"), problems)}
    place = f"{document.file}:{document.lines.get(path, 1)}"
    if "record" in rule:
        return Record(name=str(rule["record"]), expression=str(rule["expr"]), labels=labels, place=place)
    return Alarm(
        name=str(rule["alert"]),
        expression=str(rule["expr"]),
        duration=_duration(document, (*path, "for"), rule.get("for"), problems) or ZERO,
        keep_firing_for=_duration(document, (*path, "keep_firing_for"), rule.get("keep_firing_for"), problems) or ZERO,
        labels=labels,
        place=place,
    )


def _faults(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if ("record" in rule) == ("alert" in rule):
        yield "", "needs exactly one of record and alert"
    if not str(rule.get("expr") or "").strip():
        yield "expr", "is required"
    for key in rule.keys() - _RULE_KEYS:
        yield key, "is not a supported key of a rule"


def _duration(document: Document, path: tuple[str | int, ...], value: Any, problems: list[Problem]) -> timedelta | None:
    if value is None:
        return None
    try:
        return parse_duration(str(value))
    except ValueError as error:
        problems.append(document.problem(path, str(error)))
        return None


def _texts(document: Document, path: tuple[str | int, ...], value: Any, problems: list[Problem]) -> Mapping[str, str]:
    if value is not None and not isinstance(value, Mapping):
        problems.append(document.problem(path, "must be a mapping"))
    return {str(name): str(text) for name, text in as_map(value).items()}
