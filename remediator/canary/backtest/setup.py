"""What is back-tested: the alerts of rule files that lead to a remediation, how they are notified, and the policy."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from remediator.config.delivery import Delivery
from remediator.config.document import parse_document, read_text
from remediator.config.loader import parse_policy
from remediator.config.rule_files import Alarm, RuleGroup, read_rule_groups
from remediator.config.shipped import shipped_rules
from remediator.core.alert_groups import Timing
from remediator.core.alert_states import Threshold
from remediator.core.denis_signals import SIGNALS
from remediator.core.durations import parse_duration
from remediator.core.parts import as_map
from remediator.core.policy import Policy, Remediation
from remediator.core.routes import Destination
from remediator.monitoring.inlining import inline
from remediator.monitoring.promql import Inlined, split_comparison

SERIES_LABELS = ("namespace", "job", "cluster")
"""Labels that a rule's alerts get from its series, so a matcher on them cannot rule the rule out."""


class CannotTest(ValueError):
    """The files or options leave nothing to test; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedAlert:
    """An alert that asks for an act, ready to be evaluated over history."""

    alarm: Alarm
    inlined: Inlined
    """The expression of its value if it has a threshold, else its whole expression."""
    presence: Inlined
    """An expression that has samples wherever the alert can be judged."""
    threshold: Threshold | None
    signal: str
    """The signal of DENIS that it judges, or empty."""
    timing: Timing
    group_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its rule."""
        return self.alarm.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is tested: the files, with the changes that the options make to them."""

    name: str
    """The folder or the files."""
    policy: Policy
    alerts: tuple[TestedAlert, ...]
    step: int
    notes: tuple[str, ...] = ()
    """Differences from production that cannot be tested."""

    @property
    def lookback(self) -> int:
        """How far before a moment samples can matter, in seconds."""
        return max(alert.inlined.lookback for alert in self.alerts)

    @property
    def names(self) -> list[str]:
        """The names of its alerts and their signals."""
        return sorted({name for alert in self.alerts for name in (alert.signal, alert.name) if name})

    def alerts_of(self, name: str) -> list[TestedAlert]:
        """The alerts of a signal, or the one of this name."""
        return [alert for alert in self.alerts if name in (alert.signal, alert.name)]


def read_setup(config_file: Path, rule_files: Sequence[Path], route: Path | None, step: timedelta | None) -> Setup:
    """The setup of these files. Raises InvalidDocument, NotInlined, CannotTest."""
    policy = parse_policy(read_text(config_file), str(config_file))
    groups = read_rule_groups(rule_files)
    document = parse_document(read_text(route or shipped_rules() / "alertmanager.yaml"), str(route))
    delivery, notes = Delivery(document), []
    if not as_map(as_map(document.value).get("route")):
        raise CannotTest(f"{route}: is not an Alertmanager configuration: it has no route")
    if not delivery.known:
        notes.append(
            f"No receiver in {route} is Remediator's, a webhook to .../webhook: Alertmanager's default times are used."
        )
    if route is None:
        notes.append("There is no alertmanager.yaml next to the remediations: the shipped route's times are used.")
    asking = [rule for group in groups for rule in group.rules if isinstance(rule, Alarm) and asked_by(rule, policy)]
    if not asking:
        shown = ", ".join(map(str, rule_files)) or "no file"
        raise CannotTest(
            f"no alert of the rules ({shown}) leads to a remediation of {config_file}; see `remediator check`"
        )
    default = int(step.total_seconds()) if step else 0
    alerts = [_tested(rule, groups, default, delivery, notes) for rule in asking]
    longest = max(alert.inlined.step for alert in alerts)
    if other := next((alert for alert in alerts if longest % alert.inlined.step), None):
        raise CannotTest(f"{other.name} is evaluated every {other.inlined.step} s, which does not divide {longest} s")
    return Setup(
        name=" and ".join([*dict.fromkeys(rule.place.rpartition(":")[0] for rule in asking), str(config_file)]),
        policy=policy,
        alerts=tuple(alerts),
        step=longest,
        notes=tuple(dict.fromkeys(notes)),
    )


def asked_by(rule: Alarm, policy: Policy) -> Remediation | None:
    """The remediation that an alert of this rule can lead to, whatever its series, or None."""
    of_series = {label for label in SERIES_LABELS if label not in rule.labels}
    return next(
        (
            remediation
            for remediation in policy.remediations
            if all(matcher.matches(rule.all_labels) or matcher.name in of_series for matcher in remediation.matchers)
        ),
        None,
    )


def _tested(alarm: Alarm, groups: Sequence[RuleGroup], step: int, delivery: Delivery, notes: list[str]) -> TestedAlert:
    if computed := [label for label, value in alarm.labels.items() if "{{" in value]:
        raise CannotTest(f"{alarm.name} cannot be back-tested: its label {computed[0]} is a template ({alarm.place})")
    ways = delivery.ways(alarm.all_labels, set(alarm.labels))
    if delivery.known and not ways:
        raise CannotTest(f"the route never sends {alarm.name} to Remediator, so it leads to nothing")
    way = ways[0] if ways else None
    if way and (way.intervals_above or any(way.intervals.values())):
        notes.append(f"The route of {alarm.name} has time intervals; they are ignored.")
    return as_tested(alarm, inline(alarm, groups, step), way)


def as_tested(alarm: Alarm, inlined: Inlined, way: Destination | None) -> TestedAlert:
    """The alert with the expression to test, and with the times of the route that it takes, else of the shipped one.

    Raises ValueError if the expression is not valid PromQL.
    """
    comparison, presence = split_comparison(inlined.text), inlined
    if comparison:
        inlined, presence = replace(inlined, text=comparison.value), replace(inlined, text=comparison.left)
    signals = [signal for signal in SIGNALS if signal in alarm.expression]
    return TestedAlert(
        alarm=alarm,
        inlined=inlined,
        presence=presence,
        threshold=Threshold(operator=comparison.operator, value=comparison.threshold) if comparison else None,
        # The alert's own signal comes first in its expression; guards on other signals follow.
        signal=min(signals, key=alarm.expression.index, default=""),
        timing=_timing(way),
        group_by=tuple(map(str, way.settings["group_by"].value or ())) if way else (),
    )


def _timing(way: Destination | None) -> Timing:
    def value(key: str, default: str) -> timedelta:
        return parse_duration(str(way.settings[key].value if way else default))

    return Timing(
        group_wait=value("group_wait", "30s"),
        group_interval=value("group_interval", "5m"),
        repeat_interval=value("repeat_interval", "4h"),
    )


def change(setup: Setup, changes: Mapping[str, str]) -> Setup:
    """The setup with other thresholds and times: SIGNAL=NUMBER, SIGNAL.for=DURATION, for=DURATION.

    Raises CannotTest.
    """
    alerts = {alert.name: alert for alert in setup.alerts}
    for key, value in changes.items():
        name, _, what = key.rpartition(".")
        if what != "for":
            name = key
        found = setup.alerts_of(name) if name else list(setup.alerts)
        if not found:
            raise CannotTest(
                f"--set {key}: there is no alert or signal {name!r}; there are {', '.join(setup.names)}, and for"
            )
        if len(found) > 1 and name:
            raise CannotTest(
                f"--set {key}: several alerts judge {name}; choose one of {', '.join(one.name for one in found)}"
            )
        for alert in found:
            alerts[alert.name] = _changed(alerts[alert.name], key, value, duration=what == "for")
    shown = ", ".join(f"{key}={value}" for key, value in changes.items())
    name = f"{setup.name}, with {shown}" if changes else setup.name
    return replace(setup, alerts=tuple(alerts.values()), name=name)


def _changed(alert: TestedAlert, key: str, value: str, *, duration: bool) -> TestedAlert:
    if duration:
        try:
            return replace(alert, alarm=replace(alert.alarm, duration=parse_duration(value)))
        except ValueError as error:
            raise CannotTest(f"--set {key}: {error}") from error
    if alert.threshold is None:
        raise CannotTest(f"--set {key}: {alert.name} is not compared with a number, so it has no threshold to set")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CannotTest(f"--set {key}: {value!r} is no number; the rule has {alert.threshold.value:g}")
    return replace(alert, threshold=replace(alert.threshold, value=number))


def questions_of(setup: Setup) -> list[Inlined]:
    """The expressions that a back-test queries, as far as they are known in advance."""
    alerts = {one.text: one for alert in setup.alerts for one in (alert.inlined, alert.presence)}
    targets = {(one.target, one.action.effect) for one in setup.policy.remediations}
    return [*alerts.values(), *(Inlined(text="") for _ in range(3 * len(targets) + len(setup.alerts)))]
