"""Loads unit tests of remediations: from YAML to scenarios with expectations, or to every problem.

The rule of this file: as strict as for remediations.yaml itself, so that no test passes because of a typo.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from remediator.config.document import InvalidDocument, Problem, parse_document, read_text
from remediator.config.document import Path as Keys
from remediator.config.loader import parse_policy
from remediator.config.schema import Duration, Strict, parse_if_text
from remediator.config.validation import validate
from remediator.core.alerts import Alert
from remediator.core.effects import Effect
from remediator.core.ladder import LADDER
from remediator.core.ledger import Entry, KillSwitch, Ledger, Pause
from remediator.core.outcome import Outcome
from remediator.core.policy import Policy, Target
from remediator.core.reasons import Reason
from remediator.core.rollout import Rollout
from remediator.core.scenario import Delivery, play
from remediator.core.workload import Workload

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""The time that a test's offsets are relative to; which one it is does not matter."""

_REASONS = (*dict.fromkeys(rung.reason for rung in LADDER if rung.reason is not Reason.MALFORMED_ALERT), Reason.APPLIED)


def _reason(value: object) -> object:
    if isinstance(value, str) and value not in _REASONS:
        close = difflib.get_close_matches(value, _REASONS, n=1)
        known = f"did you mean {close[0]}?" if close else f"known here: {', '.join(_REASONS)}"
        raise ValueError(f"{value[:60]!r} is not a reason that a test can expect; {known}")
    return value


ReasonName = Annotated[str, BeforeValidator(_reason), WithJsonSchema({"enum": [str(reason) for reason in _REASONS]})]
Moment = Annotated[
    timedelta,
    BeforeValidator(parse_if_text),
    WithJsonSchema({"type": "string", "examples": ["0s", "29m59s"], "pattern": "^([0-9]+(ms|[ywdhms]))+$"}),
]


class PastActSpec(Strict):
    """An act before the test begins."""

    ago: Duration
    """How long before the start of the test it was."""
    remediation: str | None = None
    """The remediation that acted; counts towards cooldown and budget."""
    operator: str | None = None
    """The person who set the canary's percentage."""
    before: Annotated[int | None, Field(alias="from")] = None
    """The percentage or the replicas before."""
    after: Annotated[int, Field(alias="to")]
    """The percentage or the replicas after."""


class StateSpec(Strict):
    """A Deployment at the start of the test."""

    percentage: int | None = None
    """The canary's percentage, with all flags of its profile; without it, the percentage is unknown."""
    flags: Annotated[dict[str, str], Field(default_factory=dict)]
    """Flags with other values than the profile's."""
    replicas: Annotated[int, Field(ge=0)] = 1
    """Its replicas."""
    autoscaler: str = ""
    """What owns the replicas, for example HorizontalPodAutoscaler denis-workers."""
    acts: Annotated[list[PastActSpec], Field(default_factory=list)]
    """The acts in its ledger."""
    paused_for: Duration | None = None
    """How long a pause lasts from the start of the test."""
    kill_switch: bool = False
    """Whether the kill switch is latched."""


class ExpectedSpec(Strict):
    """The expected outcome of an alert. Keys that are not given may have any value."""

    reason: ReasonName
    """The expected reason."""
    remediation: str | None = None
    """The remediation that takes it."""
    before: Annotated[int | None, Field(alias="from")] = None
    """The percentage or the replicas before the act."""
    after: Annotated[int | None, Field(alias="to")] = None
    """The percentage or the replicas after the act."""


class AlertSpec(Strict):
    """An alert of a notification."""

    labels: dict[str, str]
    """Its labels."""
    annotations: Annotated[dict[str, str], Field(default_factory=dict)]
    """Its annotations; only grafana_state_reason affects the decision."""
    status: Literal["firing", "resolved"] = "firing"
    """firing or resolved."""
    firing_for: Duration | None = None
    """How long it has been firing; default: since the first notification in an unbroken series that has it."""
    expect: ExpectedSpec
    """The expected outcome."""


class NotificationSpec(Strict):
    """Alerts that are delivered together."""

    at: Moment = timedelta(0)
    """How long after the start of the test it arrives."""
    alerts: Annotated[list[AlertSpec], Field(min_length=1)]
    """Its alerts."""


class UnitTestSpec(Strict):
    """A sequence of notifications, each after the acts of the previous ones."""

    name: str
    """The name of the test."""
    targets: Annotated[dict[str, StateSpec], Field(default_factory=dict)]
    """The Deployments at the start, by their names in remediations.yaml; one that is not listed is missing."""
    notifications: Annotated[list[NotificationSpec], Field(min_length=1)]
    """The notifications, in chronological order."""


class UnitTestFile(Strict):
    """Unit tests of a remediations.yaml."""

    config_file: str
    """The remediations.yaml, relative to the folder of this file."""
    cluster: str = ""
    """The cluster filter (the fence) of the service, as for --cluster; empty for none."""
    tests: Annotated[list[UnitTestSpec], Field(min_length=1)]
    """The tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An alert with an unexpected outcome."""

    file: str
    line: int
    at: timedelta
    alert: Alert
    expected: str
    got: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTest:
    """A test, ready to run."""

    name: str
    file: str
    policy: Policy
    fence: str
    targets: Mapping[Target, Workload]
    deliveries: Sequence[Delivery]
    expected: Sequence[Sequence[tuple[ExpectedSpec, int]]]
    """The expectations for each alert of each delivery, with lines in the file."""

    def run(self) -> Iterator[Difference]:
        """Run the test, and return the differences."""
        played = play(self.policy, self.fence, self.targets, self.deliveries)
        for delivery, wanted, outcomes in zip(self.deliveries, self.expected, played, strict=True):
            for alert, (expected, line), outcome in zip(delivery.alerts, wanted, outcomes, strict=True):
                if not _meets(outcome, expected):
                    yield Difference(
                        file=self.file,
                        line=line,
                        at=delivery.at - BEGINNING,
                        alert=alert,
                        expected=_in_words(expected.reason, expected.remediation, expected.before, expected.after),
                        got=f"{_in_words(outcome.reason, outcome.remediation_name)}: {outcome.message}",
                    )


def _meets(outcome: Outcome, expected: ExpectedSpec) -> bool:
    found = (outcome.reason, outcome.remediation_name, outcome.before, outcome.after)
    wanted = (expected.reason, expected.remediation, expected.before, expected.after)
    return all(want is None or want == got for want, got in zip(wanted, found, strict=True))


def _in_words(reason: str, remediation: str | None, before: int | None = None, after: int | None = None) -> str:
    by = f" ({remediation})" if remediation else ""
    change = f", from {before}" if before is not None else ""
    return f"{reason}{by}{change}{f', to {after}' if after is not None else ''}"


def load_tests(path: Path) -> list[UnitTest]:
    """Load the tests in a file. Raises InvalidDocument with every problem found."""
    document = parse_document(read_text(path), str(path))
    spec = validate(document, UnitTestFile)
    config = path.parent / spec.config_file
    try:
        text = read_text(config)
    except InvalidDocument as error:
        message = f"{spec.config_file!r}: {error.problems[0].message}; it is relative to the folder of this file"
        raise InvalidDocument([document.problem(("config_file",), message)]) from None
    policy = parse_policy(text, str(config))
    problems: list[Problem] = []
    for index, test in enumerate(spec.tests):
        problems += [
            document.problem(("tests", index, *keys), message) for keys, message in _contradictions(test, policy)
        ]
    if problems:
        raise InvalidDocument(problems)
    targets = {target.name: target for target in policy.targets}
    return [
        UnitTest(
            name=test.name,
            file=str(path),
            policy=policy,
            fence=spec.cluster,
            targets={targets[name]: _workload(state, targets[name], policy) for name, state in test.targets.items()},
            deliveries=list(_deliveries(test)),
            expected=[
                [
                    (alert.expect, document.lines["tests", index, "notifications", number, "alerts", which, "expect"])
                    for which, alert in enumerate(notification.alerts)
                ]
                for number, notification in enumerate(test.notifications)
            ],
        )
        for index, test in enumerate(spec.tests)
    ]


def _contradictions(test: UnitTestSpec, policy: Policy) -> Iterator[tuple[Keys, str]]:
    """Problems between parts of the file, which the schema cannot find."""
    targets = {target.name: target for target in policy.targets}
    for name, state in test.targets.items():
        if name not in targets:
            yield ("targets", name), f"is not one of the targets of config_file ({', '.join(targets)})"
            continue
        yield from (((*("targets", name), *keys), message) for keys, message in _state(state, targets[name], policy))
    answers = [remediation.name for remediation in policy.remediations]
    for number, notification in enumerate(test.notifications):
        path: Keys = ("notifications", number)
        if number and notification.at <= test.notifications[number - 1].at:
            yield (*path, "at"), "is not after the previous notification"
        for index, alert in enumerate(notification.alerts):
            expect, inner = alert.expect, (*path, "alerts", index, "expect")
            if expect.remediation is not None and expect.remediation not in answers:
                yield (*inner, "remediation"), f"is not one of the remediations of config_file ({', '.join(answers)})"
            if expect.reason != Reason.APPLIED and (expect.before is not None or expect.after is not None):
                key = "to" if expect.before is None else "from"
                yield (*inner, key), f"belongs to reason Applied; {expect.reason} changes nothing"


def _state(state: StateSpec, target: Target, policy: Policy) -> Iterator[tuple[Keys, str]]:
    if not target.container and (state.percentage is not None or state.flags):
        key = "flags" if state.percentage is None else "percentage"
        yield (key,), f"{target.name} has no container in config_file, so no flags"
    elif state.percentage is not None and state.percentage not in policy.profiles:
        yield ("percentage",), f"{state.percentage} is not one of profiles ({', '.join(map(str, policy.profiles))})"
    answers = [remediation.name for remediation in policy.remediations if remediation.target == target]
    for index, act in enumerate(state.acts):
        if (act.remediation is None) == (act.operator is None):
            yield ("acts", index), "needs exactly one of remediation and operator"
        if act.remediation is not None and act.remediation not in answers:
            which = ", ".join(answers) or "none"
            yield ("acts", index, "remediation"), f"is not a remediation of {target.name} ({which})"


def _workload(state: StateSpec, target: Target, policy: Policy) -> Workload:
    effects = {remediation.name: remediation.action.effect for remediation in policy.remediations}
    profile = {} if state.percentage is None else policy.profiles[state.percentage]
    acts = tuple(
        Entry(
            id=f"act-{index}",
            time=BEGINNING - act.ago,
            effect=effects[act.remediation] if act.remediation else Effect.SET_PERCENTAGE,
            before=act.before,
            after=act.after,
            remediation=act.remediation or "",
            operator=act.operator or "",
        )
        for index, act in enumerate(state.acts)
    )
    pause = state.paused_for and Pause(reason="as the test says", author="the test", until=BEGINNING + state.paused_for)
    count = state.replicas
    return Workload(
        uid="test",
        resource_version="1",
        replicas=count,
        env=tuple({**profile, **state.flags}.items()),
        ledger=Ledger().with_entries(acts),
        pause=pause or None,
        kill_switch=KillSwitch(reason="as the test says", author="the test") if state.kill_switch else None,
        autoscaler=state.autoscaler,
        rollout=Rollout(seen=True, updated=count, total=count, available=count, terminating=0),
    )


def _deliveries(test: UnitTestSpec) -> Iterator[Delivery]:
    """The notifications; an alert that was in the previous one keeps its start."""
    since: dict[frozenset[tuple[str, str]], datetime] = {}
    for notification in test.notifications:
        now, alerts = BEGINNING + notification.at, []
        for spec in notification.alerts:
            labels = frozenset(spec.labels.items())
            began = since.get(labels, now) if spec.firing_for is None else now - spec.firing_for
            alerts.append(
                Alert(
                    status=spec.status,
                    labels=spec.labels,
                    starts_at=began,
                    value=spec.annotations.get("value", ""),
                    state_reason=spec.annotations.get("grafana_state_reason", ""),
                )
            )
            since[labels] = began
            if spec.status == "resolved":
                del since[labels]
        yield Delivery(at=now, alerts=alerts)
