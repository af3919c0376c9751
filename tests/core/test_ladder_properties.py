"""What no sequence of alerts can do, whatever people and broken writers do to the targets in between.

A simulated API server holds both Deployments. Alerts go through the real screen, read_workload, decide and write_patch;
the patch is merged into the manifest as the API server would. What the service remembers of itself is there too.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from remediator.core import ledger as annotations
from remediator.core.alerts import Alert, MalformedAlert
from remediator.core.effects import Effect
from remediator.core.ladder import Act, Skip, decide, screen
from remediator.core.ledger import Entry, Ledger
from remediator.core.matchers import parse_matchers
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.workload import Workload, read_workload, write_patch
from tests.support.builders import DENIS, HOUR, MINUTE, NOW, PROFILES, WORKERS, policy, rollback, scale

POLICY = policy(
    rollback(cooldown=30 * MINUTE, acts=3, window=24 * HOUR),
    scale(minimum=2, maximum=9, step=3, cooldown=10 * MINUTE, acts=6, window=6 * HOUR),
)
COOLDOWN = {Effect.SET_PERCENTAGE: 30 * MINUTE, Effect.SCALE: 10 * MINUTE}
PERMITTED = {Effect.SET_PERCENTAGE: 3, Effect.SCALE: 6}
WINDOW = {Effect.SET_PERCENTAGE: 24 * HOUR, Effect.SCALE: 6 * HOUR}

alerts = st.one_of(
    st.builds(
        Alert,
        status=st.sampled_from(["firing", "firing", "firing", "resolved", ""]),
        labels=st.one_of(
            st.fixed_dictionaries(
                {"remediation": st.sampled_from(["rollback", "scale"])},
                optional={"cluster": st.sampled_from(["eu-1", "eu-2"]), "alertname": st.text(max_size=5)},
            ),
            st.dictionaries(st.sampled_from(["remediation", "cluster", "x"]), st.text(max_size=8), max_size=3),
        ),
        fingerprint=st.text("0123456789abcdef", max_size=16),
    ),
    st.builds(MalformedAlert, problem=st.text(max_size=5)),
)
flag_values = st.one_of(
    st.sampled_from(["true", "false", "0", "1", "10", "50", "100", "", "ten", "TRUE", "-1"]),
    st.text(max_size=4),
)
worker_counts = st.sampled_from([0, 0, 1, 2, 4, 8, 9, 12])
# Days too, so that cooldowns end and windows pass; a little backwards, as clocks of nodes do.
pauses_between = st.one_of(
    st.integers(min_value=-60, max_value=40 * 60).map(lambda seconds: timedelta(seconds=seconds)),
    st.sampled_from([10 * MINUTE, 30 * MINUTE, 6 * HOUR, 24 * HOUR, timedelta(milliseconds=1)]),
)
broken = st.one_of(
    st.sampled_from(["", "{", "null", "[]", '{"version":2,"acts":[]}', '{"version":1,"acts":[{}]}', "[" * 5000]),
    st.text(max_size=20),
    st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)).map(
        json.dumps
    ),
)


def merge(manifest: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest after a strategic-merge patch: maps are merged, lists of named things by their names."""
    merged = dict(manifest)
    for key, value in patch.items():
        old = merged.get(key)
        if isinstance(value, Mapping):
            merged[key] = merge(old if isinstance(old, Mapping) else {}, value)
        elif isinstance(value, list):
            items = {item["name"]: item for item in old or []}
            for item in value:
                items[item["name"]] = merge(items.get(item["name"], {}), item)
            merged[key] = list(items.values())
        else:
            merged[key] = value
    return merged


def deployment(target: Target, replicas: int, env: Mapping[str, str]) -> dict[str, Any]:
    """A Deployment as the API server shows it."""
    container = {"name": "denis", "image": "denis:1", "env": [{"name": k, "value": v} for k, v in env.items()]}
    return {
        "metadata": {"name": target.deployment, "uid": f"uid-{target.name}", "resourceVersion": "1"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [container]}}},
    }


class Incidents(RuleBasedStateMachine):
    """Alerts, people and faults in any order; the promises are asserted at each act and after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.latest = NOW
        self.numbers = iter(range(1_000_000))
        self.acts: dict[Effect, list[datetime]] = {effect: [] for effect in Effect}
        self.memory: dict[Target, Ledger] = {DENIS: Ledger(), WORKERS: Ledger()}
        self.manifests: dict[Target, dict[str, Any]] = {}

    @initialize(percentage=st.sampled_from(list(PROFILES)), replicas=worker_counts)
    def begin(self, percentage: int, replicas: int) -> None:
        """A canary at any percentage and a queue with any workers."""
        self.manifests = {
            DENIS: deployment(DENIS, 3, {"LOG_LEVEL": "info", **PROFILES[percentage]}),
            WORKERS: deployment(WORKERS, replicas, {}),
        }

    @rule(delay=pauses_between)
    def wait(self, delay: timedelta) -> None:
        """Time passes, or a clock is put back a little."""
        self.now = max(self.now + delay, self.latest - annotations.CLOCK_SKEW)
        self.latest = max(self.now, self.latest)

    @rule(received=st.lists(alerts, min_size=1, max_size=4), fence=st.sampled_from(["", "", "eu-1"]))
    def notify(self, received: list[Alert | MalformedAlert], fence: str) -> None:
        """A notification arrives; each of its alerts is answered with exactly one reason."""
        reasons = [self.answer(alert, POLICY, fence) for alert in received]

        assert len(reasons) == len(received)
        assert all(isinstance(reason, Reason) for reason in reasons)

    @rule(remediation=st.sampled_from(["rollback", "scale"]))
    def fire(self, remediation: str) -> None:
        """The alert that matters fires."""
        self.answer(Alert(status="firing", labels={"remediation": remediation}), POLICY, "")

    @rule(times=st.integers(min_value=1, max_value=8))
    def insist(self, times: int) -> None:
        """A person switches the canary on and takes workers away after each act, and the alerts fire on."""
        for _ in range(times):
            self.wait(30 * MINUTE)
            self.kubectl_set_env("DENIS_MATERIALIZERS_ENABLED", "true")
            self.kubectl_set_env("DENIS_MATERIALIZERS_PCT", "50")
            if self.read(WORKERS).replicas > 0:
                self.kubectl_scale(WORKERS, 1)
            self.fire("rollback")
            self.fire("scale")

    @rule(replicas=worker_counts)
    def scale_up_in_spite_of_the_switch(self, replicas: int) -> None:
        """A person latches the workers, and somebody else scales them by hand."""
        self.kill("{}")
        self.kubectl_scale(WORKERS, replicas)
        self.fire("scale")

    @rule(percentage=st.sampled_from(list(PROFILES)))
    def set_canary(self, percentage: int) -> None:
        """A person sets the canary, with a record of it."""
        workload = self.read(DENIS)
        if isinstance(workload, Workload) and not workload.env_problem(PROFILES[percentage]):
            self.write(DENIS, workload, PROFILES[percentage], self.record(Effect.SET_PERCENTAGE, operator="ada"))

    @rule(on=st.sampled_from([DENIS, WORKERS]), replicas=worker_counts)
    def kubectl_scale(self, on: Target, replicas: int) -> None:
        """A person scales with kubectl, without a record."""
        self.edit(on, {"spec": {"replicas": replicas}})

    @rule(name=st.sampled_from([*PROFILES[0], "LOG_LEVEL"]), value=flag_values)
    def kubectl_set_env(self, name: str, value: str) -> None:
        """A person sets a variable with kubectl, to anything."""
        env = [{"name": name, "value": value}]
        self.edit(DENIS, {"spec": {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}})

    @rule(on=st.sampled_from([DENIS, WORKERS]), text=broken)
    def break_ledger(self, on: Target, text: str) -> None:
        """Somebody overwrites the record of acts."""
        self.edit(on, {"metadata": {"annotations": {annotations.LEDGER: text}}})

    @rule(on=st.sampled_from([DENIS, WORKERS]))
    def undo(self, on: Target) -> None:
        """A `kubectl rollout undo` rewinds the annotations."""
        self.edit(on, {"metadata": {"annotations": None}})

    @rule(on=st.sampled_from([DENIS, WORKERS]), hours=st.integers(min_value=-1, max_value=30))
    def pause(self, on: Target, hours: int) -> None:
        """A person pauses a target, for too long or until the past too."""
        text = json.dumps({"reason": "test", "author": "ada", "until": (self.now + hours * HOUR).isoformat()})
        self.edit(on, {"metadata": {"annotations": {annotations.PAUSE: text}}})

    @rule(text=broken)
    def kill(self, text: str) -> None:
        """A person latches the workers at 0; what the switch says may be unreadable."""
        self.edit(WORKERS, {"metadata": {"annotations": {annotations.KILL_SWITCH: text}}, "spec": {"replicas": 0}})

    @invariant()
    def everything_can_be_read_again(self) -> None:
        """Whatever was written, the targets can still be read."""
        for target in self.manifests:
            assert isinstance(self.read(target), Workload)

    def answer(self, alert: Alert | MalformedAlert, rules: Policy, fence: str) -> Reason:
        """The reason of one alert; an act is applied before the next alert is looked at."""
        remediation = screen(alert, rules, fence)
        if isinstance(remediation, Skip):
            return remediation.reason
        decision = decide(remediation, self.read(remediation.target), self.now)
        if isinstance(decision, Skip):
            return decision.reason
        self.apply(remediation, decision)
        return Reason.APPLIED

    def apply(self, remediation: Remediation, act: Act) -> None:
        """Apply an act to the simulated target, and hold it against the promises."""
        target, before = remediation.target, self.read(remediation.target)
        switch = annotations.KILL_SWITCH in (self.manifests[target]["metadata"].get("annotations") or {})
        self.keep_to_cooldown_and_budget(act.effect)
        record = self.record(act.effect, remediation=remediation.name)
        self.write(target, act.workload, act.patch, record)
        self.memory[target] = self.memory[target].with_entries((record,))
        after = self.read(target)
        assert isinstance(before, Workload)
        assert isinstance(after, Workload)
        if act.effect is Effect.SET_PERCENTAGE:
            assert after.percentage() == 0
            assert {name: after.flags()[name] for name in PROFILES[0]} == PROFILES[0]
            assert after.flags()["LOG_LEVEL"] == before.flags()["LOG_LEVEL"]
            assert after.replicas == before.replicas
        else:
            assert not switch
            assert 0 < before.replicas < after.replicas
            assert 2 <= after.replicas <= 9
            assert after.env == before.env

    def keep_to_cooldown_and_budget(self, effect: Effect) -> None:
        """An act now neither follows another within the cooldown nor is one too many in the window."""
        acts = self.acts[effect]
        assert all(self.now - earlier >= COOLDOWN[effect] for earlier in acts)
        assert sum(self.now - earlier < WINDOW[effect] for earlier in acts) < PERMITTED[effect]
        acts.append(self.now)

    def read(self, target: Target) -> Any:
        """The target as the service reads it, with its own acts added."""
        workload = read_workload(copy.deepcopy(self.manifests[target]), target)
        if isinstance(workload, Workload):
            return replace(workload, ledger=workload.ledger.with_entries(self.memory[target].entries))
        return workload

    def record(self, effect: Effect, *, remediation: str = "", operator: str = "") -> Entry:
        """An entry of the ledger for an act at this moment."""
        number = f"{next(self.numbers)}"
        return Entry(
            id=number, time=self.now, effect=effect, before=1, after=0, remediation=remediation, operator=operator
        )

    def write(self, target: Target, workload: Workload, spec: Mapping[str, Any], record: Entry) -> None:
        """Write through write_patch, under the precondition that it sets."""
        patch = write_patch(workload, spec, workload.ledger.as_of(self.now).with_entries((record,)))
        assert patch["metadata"]["resourceVersion"] == self.manifests[target]["metadata"]["resourceVersion"]
        assert patch["metadata"]["uid"] == self.manifests[target]["metadata"]["uid"]
        self.edit(target, patch)

    def edit(self, target: Target, patch: Mapping[str, Any]) -> None:
        """Merge a patch into the manifest, which becomes a new version."""
        manifest = merge(self.manifests[target], patch)
        version = int(self.manifests[target]["metadata"]["resourceVersion"]) + 1
        self.manifests[target] = merge(manifest, {"metadata": {"resourceVersion": str(version)}})


TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(
    # Under 20 steps, so that nobody's acts push an act of ours out of the ledger: see test_ledger.py.
    stateful_step_count=19,
    max_examples=150,
)


_matchers = st.builds(
    "{}{}{}".format,
    st.sampled_from(["remediation", "alertname", "severity", "namespace", "cluster", "x"]),
    st.sampled_from(["=", "!=", "=~", "!~"]),
    st.sampled_from(
        ['"heartbeat"', '".*"', '".+"', '"heart.*|rollback"', '"none"', '""', '"denis"', '"RemediatorHeartbeat"']
    ),
)


@given(
    matchers=st.lists(_matchers, min_size=1, max_size=3),
    labels=st.dictionaries(
        st.sampled_from(["alertname", "severity", "namespace", "cluster", "x"]), st.text(max_size=8)
    ),
    status=st.sampled_from(["firing", "resolved", ""]),
    fence=st.sampled_from(["", "eu-1"]),
)
def test_no_policy_acts_on_a_heartbeat(matchers: list[str], labels: dict[str, str], status: str, fence: str) -> None:
    """Whatever matchers match it and whatever else it carries, a heartbeat is answered without a remediation."""
    taken = tuple(replace(one, matchers=parse_matchers(", ".join(matchers))) for one in (rollback(), scale()))
    heartbeat = Alert(status=status, labels={**labels, "remediation": "heartbeat"})

    screened = screen(heartbeat, policy(*taken), fence)

    assert isinstance(screened, Skip)
    assert screened.reason.kind == "ignored"
