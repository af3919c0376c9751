"""How long alerts take to arrive, by the rule files and the route next to a remediations.yaml.

The rule of this file: a file that cannot be understood leaves its times unknown, and so does one that cannot be read,
which is tried again. What Prometheus and Alertmanager have loaded may differ; `remediator doctor` asks them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from remediator.config.delivery import Delivery
from remediator.config.document import InvalidDocument, Unreadable, parse_document, read_text
from remediator.config.rule_files import Alarm, RuleGroup, read_rule_groups
from remediator.core.denis_signals import concerns
from remediator.core.durations import parse_duration
from remediator.core.policy import Policy, Remediation


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTimes:
    """The longest times of the alerts that lead to one remediation; None for a time that is not known."""

    evaluation: timedelta | None = None
    """The interval of the alert's group."""
    hold: timedelta | None = None
    """The alert's `for`."""
    wait: timedelta | None = None
    """group_wait of its route."""


_RULES = ".rules.yaml"
_ROUTE = "alertmanager.yaml"


class AlertTimesReader:
    """The alert times of a remediations.yaml, recomputed only after a file or the policy has changed."""

    def __init__(self, remediations: Path) -> None:
        self._folder = remediations.parent
        self._read: tuple[Policy, Mapping[Path, tuple[int, int]]] | None = None
        self._times: Mapping[str, AlertTimes] = {}

    def times(self, policy: Policy) -> Mapping[str, AlertTimes]:
        """The times by the remediation's name."""
        try:
            paths = [path for path in self._folder.iterdir() if path.name == _ROUTE or path.name.endswith(_RULES)]
        except OSError:  # For example, out of file descriptors: keep the previous times.
            return self._times
        found = {path: stamp for path in paths if (stamp := _stamp(path))}
        if self._read != (policy, found):
            self._times, whole = _read_times(policy, sorted(found))
            self._read = (policy, found) if whole else None
        return self._times


def _stamp(path: Path) -> tuple[int, int] | None:
    """A signature that changes with the file's content, or None if there is no file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _read_times(policy: Policy, paths: Sequence[Path]) -> tuple[Mapping[str, AlertTimes], bool]:
    """The times by remediation, and whether all files could be read."""
    groups, delivery, whole = tuple[RuleGroup, ...](), None, True
    routes = [path for path in paths if path.name == _ROUTE]
    try:
        groups = read_rule_groups(path for path in paths if path not in routes)
    except InvalidDocument as error:
        whole = not isinstance(error, Unreadable)
    try:
        for path in routes:
            delivery = Delivery(parse_document(read_text(path), str(path)))
    except InvalidDocument as error:
        whole = whole and not isinstance(error, Unreadable)
    return {one.name: _times_of(one, policy, groups, delivery) for one in policy.remediations}, whole


def _times_of(
    remediation: Remediation, policy: Policy, groups: Iterable[RuleGroup], delivery: Delivery | None
) -> AlertTimes:
    asking = [
        (group, rule, labels)
        for group in groups
        for rule in group.rules
        if isinstance(rule, Alarm)
        if policy.match(labels := _static(rule.all_labels)) == remediation
        # A stuck queue rolls the canary back too, but says nothing about how long bad rates would last.
        if concerns(rule.expression, remediation.action.signals)
    ]
    intervals = [group.interval for group, _, _ in asking if group.interval]
    try:
        ways = [way for _, _, labels in asking if delivery for way in delivery.ways(labels, labels.keys())]
        waits = [parse_duration(str(way.settings["group_wait"].value)) for way in ways]
    except ValueError:
        waits = []
    return AlertTimes(
        # A group without an interval uses Prometheus's own, which is in no file here.
        evaluation=max(intervals) if intervals and len(intervals) == len(asking) else None,
        hold=max((rule.duration for _, rule, _ in asking), default=None),
        wait=max(waits, default=None),
    )


def _static(labels: Mapping[str, str]) -> Mapping[str, str]:
    """The labels, except those with templates."""
    return {name: value for name, value in labels.items() if "{{" not in value}
