"""Acts with Prometheus's word: what it says is in every record, and whatever it does, a rollback is done in time."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from demo.waiting import until
from remediator.core.actions.scale import Scale
from remediator.core.actions.set_percentage import SetPercentage
from remediator.core.confirmation import Confirmation
from remediator.core.ledger import LEDGER, PAUSE
from remediator.core.matchers import parse_matchers
from remediator.core.policy import Policy
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.rule_states import QUESTION_SECONDS, ask
from remediator.reflex.confirmations import PLACES, Confirmations
from remediator.sandbox import EmbeddedCluster
from remediator.sandbox.seed import FLAGS, deployment
from remediator.web.admission import TURNS, Admission
from remediator.web.webhook import create_app
from tests.conftest import MakeService
from tests.reflex.test_last_reads import set_flags
from tests.reflex.test_remediator import acts, writes
from tests.support.faults import Answer, FaultyApi, First
from tests.support.kubectl import patch_deployment
from tests.support.ruling_prometheus import RulingPrometheus
from tests.support.service import Clock, Service, alert, body, notification

Asking = Callable[..., Service]


@pytest.fixture
def prometheus() -> Iterator[RulingPrometheus]:
    """One where nothing is bad."""
    with RulingPrometheus() as running:
        yield running


def confirmations(*urls: str, cluster: str = "") -> Confirmations:
    """What the service asks these by; `cluster` is the fence."""
    prometheis = [Prometheus(url, timeout=QUESTION_SECONDS) for url in urls]
    return Confirmations(partial(ask, prometheis, cluster=cluster), wanted=lambda: True)


@pytest.fixture
def asking(make_service: MakeService, prometheus: RulingPrometheus, embedded: EmbeddedCluster) -> Asking:
    """Makes replicas that ask Prometheus, on a cluster whose rollouts are over."""
    embedded.await_settled()

    def make(**fields: Any) -> Service:
        return make_service(**{"confirmations": confirmations(prometheus.url), **fields})

    return make


def test_the_number_is_in_every_record(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster, events: Callable[[], list[Any]]
) -> None:
    """The outcome, the audit line, the ledger and the Event say why, and the metric counts the answer."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    service = asking()
    (outcome,) = service.handle(notification(alert()))
    (line,) = service.audit_lines()
    (act,) = acts(embedded)
    service.recorder.close(5)
    (event,) = events()

    assert outcome.reason == "Applied"
    words = outcome.message.removeprefix("set 10 % -> 0 %: ")
    assert words.startswith("error rate 8.3 % > 5 % since ")
    assert (line["message"], act["because"]) == (outcome.message, words.removesuffix("ago") + "before")
    assert words in event["message"]
    evidence = line["evidence"]
    assert (evidence["answer"], evidence["value"], evidence["threshold"]) == ("confirmed", 0.083, 0.05)
    assert service.value("remediator_evidence_total", remediation="rollback", answer="confirmed") == 1


@pytest.mark.parametrize("remediation", ["rollback", "scale"])
def test_an_alert_posted_by_hand_at_healthy_rates_is_recovered(
    asking: Asking, embedded: EmbeddedCluster, remediation: str
) -> None:
    """What good values refute is withheld, is answered with 200, and nothing is written."""
    service = asking()
    (outcome,) = service.handle(notification(alert(remediation)))

    assert (outcome.reason, outcome.reason.failed) == ("Recovered", False)
    assert "is inactive in Prometheus" in outcome.message
    assert writes(embedded) == 0


def test_the_prometheus_of_another_cluster_takes_no_alert_for_recovered(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster
) -> None:
    """Good values of a stranger withhold nothing: the canary is taken back, and workers wait for one who knows."""
    service = asking(fence="eu-1", confirmations=confirmations(prometheus.url, cluster="eu-1"))
    prometheus.external_labels = {"cluster": "eu-2"}
    rolled_back, scaled = service.handle(notification(alert(cluster="eu-1"), alert("scale", cluster="eu-1")))
    assert (rolled_back.reason, scaled.reason) == ("Applied", "Unconfirmed")
    assert all("the alerts of this Prometheus are of cluster eu-2" in one.message for one in (rolled_back, scaled))

    prometheus.external_labels = {"cluster": "eu-1"}
    assert service.reasons(alert("scale", cluster="eu-1")) == ["Recovered"]
    assert len(acts(embedded)) == 1


def test_workers_are_added_once_prometheus_is_back(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster
) -> None:
    """While it is down a scale-up is delivered again; once it confirms, the alert acts, and only once."""
    prometheus.fires("DenisQueueDepthHigh", 812)
    prometheus.fault = lambda: (503, b"")
    service = asking()
    first = service.handle(notification(alert("scale")))
    assert [(one.reason, one.reason.failed) for one in first] == [("Unconfirmed", True)]
    assert writes(embedded) == 0

    prometheus.well()
    assert service.reasons(alert("scale")) == ["Applied"]
    assert service.reasons(alert("scale")) == ["CoolingDown"]
    (act,) = acts(embedded, "denis-workers")
    assert act["because"].startswith("queue 812 > 500 since ")


def test_one_of_a_pair_adds_workers_while_the_other_hangs(asking: Asking, prometheus: RulingPrometheus) -> None:
    """The question to the one that hangs ends in time for the word of the other."""
    prometheus.fires("DenisQueueDepthHigh", 812)
    with RulingPrometheus() as other:
        other.hang()
        assert asking(confirmations=confirmations(other.url, prometheus.url)).reasons(alert("scale")) == ["Applied"]


def slow(prometheus: RulingPrometheus) -> None:
    """Every answer takes 30 s."""
    gone = threading.Event()
    prometheus.before = lambda: gone.wait(30)


def restarted(prometheus: RulingPrometheus) -> None:
    """Its process is 20 s old, and its rules are inactive."""
    prometheus.age = 20


FAULTS: dict[str, Callable[[RulingPrometheus], object]] = {
    "hangs": RulingPrometheus.hang,
    "takes 30 s": slow,
    "HTML": lambda prometheus: setattr(prometheus, "fault", lambda: b"<html>log in</html>"),
    "an error": lambda prometheus: setattr(prometheus, "fault", lambda: (500, b"")),
    "a partial answer": lambda prometheus: prometheus.warnings.append("no store"),
    "restarted": restarted,
    "no rules": lambda prometheus: prometheus.rules.clear(),
    "another rule": lambda prometheus: prometheus.rules["DenisErrorRateHigh"].update(query="absent(up)"),
    "a unit that does not fit": lambda prometheus: prometheus.values.clear(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_rollback_without_an_answer_is_done_in_time(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster, fault: str
) -> None:
    """Whatever is wrong with Prometheus, the canary is taken back, and the record says that nothing confirmed it."""
    FAULTS[fault](prometheus)
    service = asking()
    began = time.monotonic()
    (outcome,) = service.handle(notification(alert()))
    took = time.monotonic() - began

    assert outcome.reason == "Applied"
    assert outcome.message.startswith("set 10 % -> 0 %: unconfirmed: ")
    (act,) = acts(embedded)
    assert act["because"].startswith("unconfirmed: ")
    assert len(act["because"]) <= 100
    # As long as Alertmanager waits for an answer; how long it takes is a benchmark's to say.
    assert took < SetPercentage.longest_question + 20


def test_no_word_of_others_hides_an_act_from_the_admission_policy(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster
) -> None:
    """It finds acts by braces and refuses escapes: whatever Prometheus or a sender says, there are none of them."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    problem = 'found duplicate series {namespace="denis"} \\u0041'
    prometheus.rules["DenisErrorRateHigh"].update(health="err", lastError=problem)
    forged = {**alert(), "fingerprint": '"}\\u0041'}

    assert asking().reasons(forged) == ["Applied"]
    text = embedded.deployment("denis")["metadata"]["annotations"][LEDGER]
    assert (text.count("{"), text.count("}"), "\\" in text) == (2, 2, False), text
    (act,) = acts(embedded)
    assert act["because"].startswith(
        "unconfirmed: the evaluation of DenisErrorRateHigh fails: found duplicate series ("
    )


def test_nothing_is_asked_where_the_ladder_would_not_act(asking: Asking, prometheus: RulingPrometheus) -> None:
    """A storm in the cooldown is no load for Prometheus."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    service = asking()
    assert service.reasons(alert()) == ["Applied"]
    asked = len(prometheus.paths)
    assert service.reasons(*[alert()] * 20) + service.reasons(alert()) == ["CoolingDown"] * 21
    assert len(prometheus.paths) == asked == 1


def test_states_from_a_moment_ago_confirm_at_once(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster
) -> None:
    """The regular question has the answer before the alert comes: the act waits for nothing, and is one request."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    asked = confirmations(prometheus.url)
    asked.ask()
    service = asking(confirmations=asked)
    service.observer.look()
    reads, questions = service.requests("get"), len(prometheus.paths)
    prometheus.hang()

    (outcome,) = service.handle(notification(alert()))
    assert outcome.message.startswith("set 10 % -> 0 %: error rate 8.3 % > 5 % since ")
    assert (service.requests("get"), len(prometheus.paths)) == (reads, questions)


class Broken:
    """States that nothing can be made of, for want of a fault that is known."""

    problem = ""

    def lacks(self, remediation: object) -> str:
        """Fails."""
        raise ZeroDivisionError

    def confirm(self, alerts: object) -> Confirmation | None:
        """Fails."""
        raise ZeroDivisionError

    def examine(self, alerts: object) -> Confirmation:
        """Fails."""
        raise ZeroDivisionError


def test_a_fault_of_ours_keeps_no_rollback(asking: Asking) -> None:
    """Whatever goes wrong with what Prometheus said costs the confirmation, and not the act."""
    asked = Confirmations(Broken, wanted=lambda: True)
    asked.ask()
    service = asking(confirmations=asked)
    service.observer.look()
    (outcome,) = service.handle(notification(alert()))

    assert outcome.reason == "Applied"
    assert "unconfirmed: an internal error" in outcome.message


def test_a_service_that_understands_no_answer_is_not_armed_to_add_workers(asking: Asking) -> None:
    """The gauge says what the next alert would come to, whoever is at fault."""
    asked = Confirmations(Broken, wanted=lambda: True)
    asked.ask()
    service = asking(confirmations=asked)
    service.observer.look()
    armed = {name: service.value("remediator_armed", remediation=name) for name in ("rollback", "scale-workers")}
    assert armed == {"rollback": 1, "scale-workers": 0}
    assert service.reasons(alert("scale")) == ["Unconfirmed"]


def test_states_from_before_the_alert_refute_nothing(asking: Asking, prometheus: RulingPrometheus) -> None:
    """Where the regular question found a rule inactive, it is asked again once the alert is there."""
    asked = confirmations(prometheus.url)
    asked.ask()
    prometheus.fires("DenisErrorRateHigh", 0.083)

    assert asking(confirmations=asked).reasons(alert()) == ["Applied"]


def test_an_act_after_a_question_is_still_one_request(asking: Asking, prometheus: RulingPrometheus) -> None:
    """Where the target was read a moment ago, waiting for Prometheus costs no further read of it."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    service = asking()
    service.observer.look()
    reads = service.requests("get")

    assert service.reasons(alert()) == ["Applied"]
    assert (service.requests("get") - reads, service.requests("patch")) == (0, 1)


def test_a_pause_that_comes_while_prometheus_is_asked_is_obeyed(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster
) -> None:
    """What people write in the meantime refuses the patch, and the alert is decided again."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    service = asking()
    service.observer.look()
    pause = json.dumps({"reason": "maintenance", "author": "ada", "until": "2026-11-23T13:00:00Z"})
    prometheus.before = lambda: patch_deployment(embedded, {"metadata": {"annotations": {PAUSE: pause}}})

    assert service.reasons(alert()) == ["Paused"]


def test_prometheus_is_asked_once_however_often_the_patch_is_refused(
    asking: Asking, prometheus: RulingPrometheus, api: FaultyApi, embedded: EmbeddedCluster
) -> None:
    """A lost race is decided again with the answer that is there."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    api.next("PATCH", *[First(do=lambda: patch_deployment(embedded, {"metadata": {"labels": {"who": "ada"}}}))])
    api.next("PATCH", Answer(status=409))

    assert asking().reasons(alert()) == ["Applied"]
    assert len(prometheus.paths) == 1
    assert len(acts(embedded)) == 1


def test_a_question_holds_up_no_other_target(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster
) -> None:
    """While a scale-up waits for Prometheus, and later for its time to end, the canary is taken back."""
    prometheus.hang()
    service, outcomes = asking(), dict[str, Any]()

    def scale() -> None:
        outcomes["scale"] = service.reasons(alert("scale"))

    thread = threading.Thread(target=scale)
    thread.start()
    assert service.reasons(alert()) == ["Applied"]
    assert "scale" not in outcomes
    thread.join()
    assert outcomes["scale"] == ["Unconfirmed"]
    assert Scale.longest_question > SetPercentage.longest_question


def test_many_who_ask_about_a_target_share_the_question(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster
) -> None:
    """A storm is one act, and a handful of questions."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    service = asking()
    service.observer.look()
    together = threading.Barrier(20)
    reasons: list[str] = []

    def deliver() -> None:
        together.wait()
        reasons.extend(service.reasons(alert()))

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(reasons) == ["Applied"] + ["CoolingDown"] * 19
    assert len(acts(embedded)) == 1
    assert len(prometheus.paths) <= 5


def test_a_storm_while_prometheus_hangs_holds_up_no_rollback(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster
) -> None:
    """However many alerts wait for Prometheus, they leave turns for others, and take a bounded number of threads."""
    prometheus.hang()
    service = asking()
    app = create_app(service.handle, None, service.metrics, service.notifications)
    client = Client(Admission(app, refused=lambda *what: None))

    def deliver(remediation: str) -> Any:
        return client.post("/webhook", data=body(alert(remediation)), content_type="application/json")

    def questions() -> int:
        return sum(thread.name == "question" for thread in threading.enumerate())

    with ThreadPoolExecutor(TURNS) as pool:
        storm = [pool.submit(deliver, "scale") for _ in range(TURNS)]
        until("the storm has come", lambda: questions() == PLACES, 60)
        (outcome,) = deliver("rollback").json["outcomes"]
        assert questions() <= PLACES < TURNS
        assert {answer.result().status_code for answer in storm} == {503}
    assert outcome["reason"] == "Applied"
    assert outcome["message"].startswith("set 10 % -> 0 %: unconfirmed: ")


def many_canaries(cluster: EmbeddedCluster, policy: Policy, count: int) -> Policy:
    """The policy with so many rollbacks, each of another Deployment, by the label `canary` of its alerts."""
    template = policy.remediations[0]
    names = [f"canary-{number}" for number in range(count)]
    cluster.add(*[deployment(name, replicas=1, env=FLAGS) for name in names])
    cluster.await_settled()
    rollbacks = tuple(
        replace(
            template,
            name=name,
            matchers=parse_matchers(f'remediation="rollback",canary="{name}"'),
            target=replace(template.target, name=name, deployment=name, container=name),
        )
        for name in names
    )
    return replace(policy, targets=tuple(one.target for one in rollbacks), remediations=rollbacks)


def test_a_notification_waits_for_prometheus_as_long_as_one_alert(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster
) -> None:
    """While Prometheus hangs, the alerts of one notification share one second: all canaries are back before its end."""
    prometheus.hang()
    service = asking()
    service.policy = many_canaries(embedded, service.policy, 12)
    names = [one.name for one in service.policy.remediations]
    began = time.monotonic()
    outcomes = service.handle(notification(*[alert(canary=name) for name in names]))
    took = time.monotonic() - began

    assert [outcome.reason for outcome in outcomes] == ["Applied"] * 12
    assert "unconfirmed: Prometheus gave no answer in 0.9 s" in outcomes[0].message
    assert outcomes[-1].message.endswith("Prometheus kept other alerts of the notification waiting for too long")
    assert [len(acts(embedded, name)) for name in names] == [1] * 12
    assert took < SetPercentage.longest_question + 5


def test_what_prometheus_answers_in_time_is_heard_for_each_alert(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster
) -> None:
    """Of many alerts in one notification each is refuted, however many questions that takes."""
    service = asking()
    service.policy = many_canaries(embedded, service.policy, 12)
    alerts = [alert(canary=one.name) for one in service.policy.remediations]

    assert service.reasons(*alerts) == ["Recovered"] * 12
    assert writes(embedded) == 0


def test_a_question_that_does_not_end_disarms(asking: Asking) -> None:
    """Finding the address of a Prometheus may take longer than any timeout, and nothing confirms workers meanwhile."""
    seconds, ended, stop, asked = [100.0], threading.Event(), threading.Event(), threading.Event()

    def never() -> Any:
        asked.set()
        ended.wait(300)
        return ask([Prometheus("http://127.0.0.1:1")])

    confirming = Confirmations(never, wanted=lambda: True, steady=lambda: seconds[0])
    service = asking(confirmations=confirming)
    thread = threading.Thread(target=confirming.watch, args=(stop,))
    thread.start()
    assert asked.wait(60)
    service.observer.look()
    assert service.value("remediator_armed", remediation="scale-workers") == 1

    seconds[0] += 60
    service.observer.look()
    assert service.value("remediator_armed", remediation="scale-workers") == 0
    assert service.value("remediator_armed", remediation="rollback") == 1
    assert confirming.problem() == "no answer for 60 s"
    stop.set()
    ended.set()
    thread.join()


def test_a_service_whose_prometheus_is_gone_is_not_armed_to_add_workers(
    asking: Asking, prometheus: RulingPrometheus
) -> None:
    """The gauge says so before an alert comes, and the rollback, which needs no confirmation, stays armed."""
    asked = confirmations(prometheus.url)
    service = asking(confirmations=asked)
    prometheus.fault = lambda: (503, b"")
    asked.ask()
    service.observer.look()
    armed = {name: service.value("remediator_armed", remediation=name) for name in ("rollback", "scale-workers")}
    assert armed == {"rollback": 1, "scale-workers": 0}
    assert service.value("remediator_armed_info", remediation="scale-workers", reason="Unconfirmed") == 1

    prometheus.well()
    asked.ask()
    service.observer.look()
    assert service.value("remediator_armed", remediation="scale-workers") == 1


def test_whether_prometheus_answers(prometheus: RulingPrometheus) -> None:
    """Known by the last question, for half a minute; before, and after that, it is not known."""
    seconds = [100.0]
    once = partial(ask, [Prometheus(prometheus.url, timeout=QUESTION_SECONDS)])
    asked = Confirmations(once, wanted=lambda: True, steady=lambda: seconds[0])
    assert asked.answered() is None
    asked.ask()
    assert asked.answered() is True
    seconds[0] += 30
    assert asked.answered() is True
    seconds[0] += 1
    assert asked.answered() is None

    prometheus.fault = lambda: (503, b"")
    asked.ask()
    assert asked.answered() is False
    seconds[0] += 31
    assert asked.answered() is None


@pytest.mark.parametrize(
    ("labels", "value"),
    [
        ({"remediation": "scale"}, 1),
        ({"remediation": "{{ $labels.act }}"}, 1),
        ({"remediation": "scale", "namespace": "staging"}, 0),
        ({"remediation": "rollback"}, 0),
        ({"severity": "warning"}, 0),
    ],
    ids=str,
)
def test_workers_that_no_rule_asks_for_are_not_armed(
    asking: Asking, prometheus: RulingPrometheus, labels: dict[str, str], value: int
) -> None:
    """A Prometheus that is well and has no rule of these alerts would never confirm one."""
    asked = confirmations(prometheus.url)
    service = asking(confirmations=asked)
    prometheus.rules["DenisQueueDepthHigh"]["labels"] = labels
    asked.ask()
    service.observer.look()
    armed = {name: service.value("remediator_armed", remediation=name) for name in ("rollback", "scale-workers")}
    assert armed == {"rollback": 1, "scale-workers": value}
    reason = "Applied" if value else "Unconfirmed"
    assert service.value("remediator_armed_info", remediation="scale-workers", reason=reason) == 1


def test_observing_says_what_it_would_have_been(asking: Asking, prometheus: RulingPrometheus) -> None:
    """In observe mode Prometheus is asked as well, so that two weeks of it show what would be confirmed."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    service = asking()
    service.policy = observing(service.policy)
    (outcome,) = service.handle(notification(alert()))

    assert outcome.reason == "Observing"
    assert "(error rate 8.3 % > 5 % since " in outcome.message
    assert service.value("remediator_evidence_total", remediation="rollback", answer="confirmed") == 1


@pytest.mark.parametrize(("observe", "word"), [(True, "Observing"), (False, "DryRun")])
def test_where_nothing_is_written_nothing_fails_for_want_of_prometheus(
    asking: Asking, prometheus: RulingPrometheus, embedded: EmbeddedCluster, observe: bool, word: str
) -> None:
    """In observe mode and in a dry run workers wait for no confirmation; the message says that an act would."""
    prometheus.fault = lambda: (503, b"")
    service = asking(dry_run=not observe)
    if observe:
        service.policy = observing(service.policy)
    (outcome,) = service.handle(notification(alert("scale")))

    assert (outcome.reason, outcome.reason.failed) == (word, False)
    assert "would have set 4 -> 6 replicas once Prometheus confirms the alert" in outcome.message
    assert "unconfirmed: Prometheus: 503" in outcome.message
    assert service.value("remediator_evidence_total", remediation="scale-workers", answer="unknown") == 1
    assert acts(embedded, "denis-workers") == []


def test_a_dry_run_whose_prometheus_is_gone_is_a_dry_run(asking: Asking, prometheus: RulingPrometheus) -> None:
    """What keeps workers from being added is the flag, so nobody is notified of a service that is not armed."""
    asked = confirmations(prometheus.url)
    service = asking(confirmations=asked, dry_run=True)
    prometheus.fault = lambda: (503, b"")
    asked.ask()
    service.observer.look()
    assert service.value("remediator_armed_info", remediation="scale-workers", reason="DryRun") == 1


@pytest.mark.parametrize("seed", range(3))
def test_without_an_answer_rollbacks_are_those_of_a_service_that_does_not_ask(seed: int, tmp_path: Path) -> None:
    """Through alerts, raises and hours, a service whose Prometheus is gone acts at the same moments."""
    numbers = random.Random(seed)
    story = [numbers.choice(("alert", "alert", "raise", "hour", "pause")) for _ in range(15)]

    def reasons(name: str, asked: Confirmations | None) -> list[str]:
        clock, told = Clock(), list[str]()
        with EmbeddedCluster() as cluster:
            kubeconfig = tmp_path / name
            cluster.write_kubeconfig(kubeconfig)
            service = Service(kubeconfig, clock=clock, confirmations=asked)
            for step in story:
                clock.move(minutes=61 if step == "hour" else 1)
                if step == "alert":
                    told += service.reasons(alert())
                elif step == "raise":
                    set_flags(cluster, 50)
                elif step == "pause":
                    until_then = clock().replace(minute=59)
                    pause = {"reason": "test", "author": "ada", "until": until_then.isoformat()}
                    patch_deployment(cluster, {"metadata": {"annotations": {PAUSE: json.dumps(pause)}}})
            service.recorder.close(5)
        return told

    alone = reasons("alone", None)
    assert "Applied" in alone
    assert reasons("asking", confirmations("http://127.0.0.1:1")) == alone


def observing(policy: Policy) -> Policy:
    """The policy with nothing but observe mode."""
    return replace(policy, remediations=tuple(replace(one, mode="observe") for one in policy.remediations))
