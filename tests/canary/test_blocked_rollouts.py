"""What is served counts, not what is asked for: rollouts that a written 0 % does not get through."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.waiting import until
from remediator.core.forecast import forecast
from remediator.core.policy import Policy
from remediator.web.summary import Answer, about_canary
from tests.canary.place import Place
from tests.canary.test_terminal import terminal
from tests.support.control_plane import ControlPlane
from tests.support.service import Clock, Service, alert, notification

SECONDS = 60.0
PAUSED: dict[str, Any] = {"spec": {"paused": True}}
NOWHERE = {"template": {"spec": {"nodeSelector": {"disk": "of-no-node"}}}}
"""What keeps new pods Pending; the old ones go on."""


class Watch:
    """A service that looks at the place, and what its page says of the canary."""

    def __init__(self, place: Place) -> None:
        self.policy: Policy = place.policy()
        self._clock = Clock(datetime.now(UTC))
        self.service = Service(place.kubeconfig, policy=self.policy, clock=self._clock)

    def canary(self) -> Answer:
        """The first line of the page, after a look."""
        self._clock.now = datetime.now(UTC)
        self.service.observer.look()
        (target,) = (one for one in self.policy.targets if one.name == "denis")
        seen = self.service.observer.observations["denis"]
        told = [(one, forecast(one, seen.seen, seen.at, dry_run=False)) for one in self.policy.rollbacks(target)]
        return about_canary(target, seen, told, self.policy.profiles[0])

    def blocked(self) -> float:
        """The gauge of the last look."""
        value = self.service.value("remediator_rollback_blocked", target="denis")
        assert value is not None
        return value

    def says(self, answer: str, words: str = "", *, blocked: bool) -> Answer:
        """Wait until the page says this; the gauge has to agree at that moment."""
        last = self.canary()

        def is_said() -> bool:
            nonlocal last
            last = self.canary()
            return last.answer == answer and words in last.message

        until(f"{answer}: {words}; last was {last}", is_said, SECONDS)
        assert self.blocked() == blocked
        return last


@pytest.fixture
def watch() -> Iterator[Callable[[Place], Watch]]:
    """Makes services that look at a place."""
    made: list[Watch] = []

    def make(place: Place) -> Watch:
        made.append(Watch(place))
        return made[-1]

    yield make
    for one in made:
        one.service.recorder.close(5)


MakeWatch = Callable[[Place], Watch]


def pause(place: Place) -> None:
    """`kubectl rollout pause`, and the controller has seen it."""
    place.patch("denis", PAUSED)

    def is_seen(body: Any) -> bool:
        reasons = {one["type"]: one["reason"] for one in body["status"]["conditions"]}
        return bool(reasons["Progressing"] == "DeploymentPaused")

    place.api.await_object(place.path(), is_seen)


def test_a_paused_rollout_is_no_guard(place: Place, watch: MakeWatch) -> None:
    """Before it matters, the page, the commands and an alert's answer say that a rollback would reach no pod."""
    watching = watch(place)
    watching.says("10 %, guarded", blocked=False)
    pause(place)

    answer = watching.says("10 %, not guarded", blocked=True)
    assert answer.standing == "bad"
    assert answer.message == "The Deployment is paused, so a rollback would reach no pod"
    status = place.run("canary", "status").output
    assert "would set 10 % -> 0 %, and no pod would follow: the Deployment is paused" in status
    assert "✗ reflex" in status
    preflight = place.run("canary", "preflight", "50")
    assert preflight.code == 3
    assert "✗ reflex" in preflight.output
    explained = place.run("explain", "--label=remediation=rollback")
    assert "and no pod would follow: the Deployment is paused" in explained.output


def test_a_paused_rollout_is_not_raised(place: Place) -> None:
    """`set` refuses with a word of its own; overridden, the word is recorded and the pods are told not to follow."""
    pause(place)
    refused = place.run("canary", "set", "50", "--yes")
    assert refused.code == 3
    assert "RolloutPaused: the Deployment is paused, so neither this nor a rollback would reach a pod" in refused.output
    assert place.percentage() == "10"
    overridden = place.run("canary", "set", "50", "--yes", "--override", "--reason=x")
    assert overridden.code == 3
    assert "50 % is written, but not all pods follow: the Deployment is paused" in overridden.output
    assert place.acts()[-1]["overrode"] == ["RolloutPaused"]


def test_an_act_on_a_paused_rollout_says_that_no_pod_follows(place: Place, watch: MakeWatch) -> None:
    """The reflex writes, does not resume, and says what that is worth; once at 0 %, nothing is called safe."""
    watching = watch(place)
    pause(place)
    (outcome,) = watching.service.handle(notification(alert()))
    assert outcome.reason == "Applied"
    assert outcome.message == "set 10 % -> 0 %: written, but the Deployment is paused, so no pod follows"
    assert place.deployment()["spec"]["paused"] is True
    assert watching.says("Not yet at 0 %", "no pod follows: 3 old pods still serve", blocked=True).standing == "bad"

    place.patch("denis", {"spec": {"paused": None}})
    assert watching.says("Safe at 0 %", "all 3 pods run with them", blocked=False).standing == "good"


def test_a_rollback_on_a_paused_rollout_says_what_to_do(place: Place) -> None:
    """0 % is written at once; that no pod follows ends with 3 and the way on, every time; --resume is that way."""
    pause(place)
    for flags in (("--no-wait",), ("--timeout=1s",), ("--yes",)):
        ended = place.run("canary", "rollback", *flags)
        assert ended.code == 3
        assert "nothing to do" not in ended.output
        assert "resume it: remediator canary rollback --resume, or kubectl" in ended.output
        assert f"-n {place.namespace} rollout resume deployment/denis" in ended.output
        assert place.percentage() == "0"
    resumed = place.run("canary", "rollback", "--resume")
    assert resumed.code == 0
    assert "denis: all pods follow: 3 of 3 pods updated" in resumed.output
    assert "paused" not in place.deployment()["spec"]
    assert [act["to"] for act in place.acts()] == [0, 0]


def test_resume_takes_back_and_resumes_in_one_write(place: Place) -> None:
    """With --resume no pod of what was paused is ever made: flags and pause are one generation."""
    pause(place)
    before = place.deployment()["metadata"]["generation"]
    ended = place.run("canary", "rollback", "--resume")
    assert ended.code == 0
    assert "10 % -> 0 %, written and the rollout resumed" in ended.output
    assert place.deployment()["metadata"]["generation"] == before + 1


def test_resume_on_a_rollout_that_is_not_paused_is_a_rollback(here: Place) -> None:
    """Who gives it to be sure gets what they want."""
    assert here.run("canary", "rollback", "--resume").code == 0
    assert "nothing to do" in here.run("canary", "rollback", "--resume").output


@pytest.mark.parametrize(("answer", "code", "paused"), [("y", 0, False), ("n", 3, True), ("", 3, True)])
def test_on_a_terminal_it_is_asked_after_the_write(here: Place, answer: str, code: int, paused: bool) -> None:
    """0 % is written before the question; only a yes resumes."""
    pause(here)
    with terminal(here, "canary", "rollback") as opened:
        opened.shows("Resume it?")
        assert here.percentage() == "0"
        opened.type(answer)
        assert opened.ends() == code
    assert here.deployment()["spec"].get("paused", False) is paused


def test_paused_after_the_pods_followed_is_safe(place: Place, watch: MakeWatch) -> None:
    """At 0 % by every pod it is safe, paused or not, and a rollback has nothing to do."""
    assert place.run("canary", "rollback").code == 0
    pause(place)
    watching = watch(place)
    watching.says("Safe at 0 %", "The Deployment is paused, so the next change reaches no pod", blocked=False)
    ended = place.run("canary", "rollback")
    assert (ended.code, "nothing to do" in ended.output) == (0, True)


def test_0_replicas_reach_the_pods_of_a_paused_rollout(place: Place, watch: MakeWatch) -> None:
    """The last resort of the runbook: scaled to 0, a paused canary serves nothing, and that is called safe."""
    pause(place)
    place.run("canary", "rollback", "--no-wait")
    watching = watch(place)
    watching.says("Not yet at 0 %", blocked=True)
    place.patch("denis", {"spec": {"replicas": 0}})
    watching.says("Safe at 0 %", blocked=False)


def test_pods_that_have_to_be_ready_for_a_while(real: Place, watch: MakeWatch) -> None:
    """With minReadySeconds the old pods serve on; until they are gone nothing is safe."""
    real.patch("denis", {"spec": {"minReadySeconds": 2}})
    real.api.await_object(real.path(), lambda body: body["status"].get("observedGeneration") == 2)
    watching = watch(real)
    real.run("canary", "rollback", "--no-wait")
    watching.says("Going to 0 %", "old pods still serve", blocked=True)
    watching.says("Safe at 0 %", blocked=False)


@pytest.fixture
def full(real: Place) -> Place:
    """A canary that may lose no pod, without room for another: new pods stay Pending, and the deadline is short."""
    strategy = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    real.patch("denis", {"spec": {"strategy": strategy, "progressDeadlineSeconds": 2, "paused": True, **NOWHERE}})
    return real


def test_no_room_with_no_pod_to_lose(full: Place, watch: MakeWatch) -> None:
    """Before the deadline it is on its way with old pods that serve; after it it is stuck, and the commands say so."""
    watching = watch(full)
    ended = full.run("canary", "rollback", "--resume", "--timeout=60s")
    assert ended.code == 3
    assert "1 of 3 pods updated" in ended.output
    assert "3 old ones left, past the progress deadline" in ended.output
    assert watching.says("Not yet at 0 %", "they are not available in time", blocked=True).standing == "bad"
    again = full.run("canary", "rollback", "--timeout=1s")
    assert again.code == 3
    assert "nothing to do" not in again.output


def test_a_stuck_rollout_is_neither_guarded_nor_raised(full: Place, watch: MakeWatch) -> None:
    """Over 0 %, pods of the last change that do not come are a reason to expect none after a rollback either."""
    full.patch("denis", {"spec": {"paused": None}})
    watching = watch(full)
    watching.says("10 %, not guarded", "new pods do not become available in time", blocked=True)
    refused = full.run("canary", "set", "50", "--yes")
    assert refused.code == 3
    assert "RolloutStuck" in refused.output


def test_a_quota_keeps_the_old_pods(real: Place, watch: MakeWatch) -> None:
    """Pods that cannot be created leave the old ones serving."""
    quota = {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "1"}}}
    quotas = f"/api/v1/namespaces/{real.namespace}/resourcequotas"
    assert real.api.post(quotas, quota).code == 201
    real.api.await_object(f"{quotas}/full", lambda body: "pods" in body.get("status", {}).get("used", {}))
    watching = watch(real)
    real.run("canary", "rollback", "--no-wait")
    watching.says("Not yet at 0 %", "exceeded quota", blocked=True)


def is_denis(pod: Any) -> bool:
    """Whether a pod is the canary's, and not a worker."""
    return not str(pod["metadata"]["name"]).startswith("denis-workers")


def test_old_pods_that_do_not_end_may_still_serve(real: Place, control_plane: ControlPlane, watch: MakeWatch) -> None:
    """Pods that hang in Terminating are not safe, however complete the rollout; without their finalizers it is."""
    pods = [one for one in real.api.get(f"/api/v1/namespaces/{real.namespace}/pods").body["items"] if is_denis(one)]

    def hold(finalizers: list[str] | None) -> None:
        for pod in pods:
            patch = json.dumps({"metadata": {"finalizers": finalizers}})
            name = pod["metadata"]["name"]
            control_plane.kubectl("patch", "pod", name, "-n", real.namespace, "--type=merge", "--patch", patch)

    hold(["denis.run/held"])
    watching = watch(real)
    assert real.run("canary", "rollback").code == 0
    watching.says("Going to 0 %", "3 old ones are still being deleted", blocked=True)
    hold(None)
    watching.says("Safe at 0 %", blocked=False)


def test_without_a_controller_nothing_is_safe(real: Place, control_plane: ControlPlane, watch: MakeWatch) -> None:
    """What the controller has not seen has reached nobody: its old numbers are about what was before."""
    watching = watch(real)
    control_plane.stop_controllers()
    try:
        real.run("canary", "rollback", "--no-wait")
        watching.says("Going to 0 %", "no pod follows yet", blocked=True)
        again = real.run("canary", "rollback", "--timeout=1s")
        assert again.code == 3
        assert "the Deployment controller has not seen it yet" in again.output
        switched = real.run("kill-switch", "on")
        assert switched.code == 0
        assert "the Deployment controller has not seen it yet" in real.run("kill-switch", "on").output
    finally:
        control_plane.start_controllers()
    watching.says("Safe at 0 %", blocked=False)
