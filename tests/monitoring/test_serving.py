"""Whether a running Remediator would act: from the status that a real one gives, and from ones that differ."""

import copy
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.core.checks import State
from remediator.monitoring.remediator_api import check_evidence, check_service, check_webhook_certificate
from tests.support.builders import NOW, rollback

STATUS: dict[str, Any] = {
    "status": "success",
    "data": {
        "version": "0.1.0",
        "cluster": "eu-1",
        "dryRun": False,
        "tls": None,
        "evidence": None,
        "config": {
            "reloadSuccessful": True,
            "problem": "",
            "remediations": [
                {
                    "name": "rollback",
                    "matchers": ['remediation="rollback"'],
                    "target": "denis",
                    "effect": "SetPercentage",
                    "cooldown": "30m",
                    "mode": "act",
                }
            ],
        },
        "targets": [{"name": "denis", "namespace": "denis", "deployment": "denis", "problem": ""}],
    },
}


def test_a_service_that_would_act() -> None:
    """The same remediation, nothing dry, the file as it is: that passes."""
    check = check_service(STATUS, rollback(), "eu-1")
    assert (check.passed, check.found) == (
        True,
        "Remediator 0.1.0 has rollback, would act on it, and cools down for 30m",
    )


@pytest.mark.parametrize(("accepted", "passed"), [(True, True), (None, True), (False, False)])
def test_a_service_whose_act_is_refused(accepted: bool | None, passed: bool) -> None:
    """What the API server said of its last dry run counts; where that is not known, nothing is concluded."""
    status = copy.deepcopy(STATUS)
    actable = {"accepted": accepted, "problem": "patch: forbidden"}
    status["data"]["config"]["remediations"][0]["actable"] = actable
    check = check_service(status, rollback(), "eu-1")
    assert (check.passed, "patch: forbidden" in check.found) == (passed, not passed)


@pytest.mark.parametrize(
    ("now", "passed", "found"),
    [
        (
            {"reason": "Applied", "message": "10 % -> 0 %"},
            True,
            "has rollback, would act on it, and cools down for 30m",
        ),
        ({"reason": "AlreadySafe", "message": "at 0 %"}, True, "would act on it, and cools down"),
        (
            {"reason": "CoolingDown", "message": "another 29m"},
            False,
            "would act on it, but for CoolingDown: another 29m",
        ),
        ({"reason": "Paused", "message": "by ada"}, False, "would act on it, but for Paused: by ada"),
        ({"reason": "NewerReason", "message": None}, False, "would act on it, but for NewerReason: None"),
        (None, True, "would act on it, and cools down"),
    ],
)
def test_a_service_that_would_withhold_it_now(now: Any, passed: bool, found: str) -> None:
    """What the service says it would do this moment is no tick where it would not act, as in a cooldown."""
    status = copy.deepcopy(STATUS)
    status["data"]["config"]["remediations"][0]["now"] = now
    check = check_service(status, rollback(), "eu-1")

    assert check.passed is passed
    assert found in check.found
    told = check_service(status, rollback(), "eu-1", "it cools down for another 29m")
    assert (told.passed, told.found.partition(", and ")[2]) == (
        True,
        "would act on it, but for this: it cools down for another 29m",
    )


@pytest.mark.parametrize(
    ("place", "value", "found"),
    [
        ("data.dryRun", True, "it runs with --dry-run, so it changes nothing"),
        ("data.dryRun", None, "it runs with --dry-run, so it changes nothing"),
        ("data.config.reloadSuccessful", False, "it runs on an old configuration: it does not say why"),
        ("data.config.remediations", [], "it has no remediation rollback"),
        ("data.config.remediations.0.mode", "observe", "its rollback has mode observe, wanted is act"),
        ("data.config.remediations.0.target", "other", "its rollback has target other, wanted is denis"),
        ("data.config.remediations.0.cooldown", "1h", "its rollback has cooldown 1h, wanted is 30m"),
        (
            "data.config.remediations.0.matchers",
            ['a="b"'],
            'its rollback has matchers a="b", wanted is remediation="rollback"',
        ),
        ("data.cluster", "eu-2", "its fence is cluster 'eu-2', wanted is 'eu-1'"),
        ("data.targets.0.namespace", "staging", "its target denis is staging/denis"),
        ("data.targets.0.problem", "get: 403: no", "it cannot use denis: get: 403: no"),
        ("data", None, "the answer is not the status of a Remediator"),
    ],
)
def test_a_service_that_would_not(place: str, value: Any, found: str) -> None:
    """Each difference from the file is named."""
    status = copy.deepcopy(STATUS)
    *above, last = (int(key) if key.isdigit() else key for key in place.split("."))
    node: Any = status
    for key in above:
        node = node[key]
    node[last] = value
    check = check_service(status, rollback(), "eu-1")

    assert (check.passed, check.found) == (False, found)


def tls(good_for: float | None, client_ca: float | None = None, problem: str = "") -> Any:
    """What the status says of certificates that expire in so many days."""
    ends = [None if days is None else (NOW + timedelta(days=days)).isoformat() for days in (good_for, client_ca)]
    return {"notAfter": ends[0], "clientCaNotAfter": ends[1], "reloadSuccessful": not problem, "problem": problem}


@pytest.mark.parametrize(
    ("said", "state", "found"),
    [
        (None, State.OK, "the webhook listens without TLS, so there is none"),
        (tls(14), State.OK, "the first to end is the certificate, in 14d"),
        (tls(13.99), State.WARNING, "the certificate ends in 13d"),
        (tls(0), State.BROKEN, "the certificate ended 0s ago"),
        (tls(-1), State.BROKEN, "the certificate ended 1d ago"),
        (tls(90, 30), State.OK, "the first to end is the last client CA, in 30d"),
        (tls(90, 3), State.WARNING, "the last client CA ends in 3d"),
        (tls(90, -3), State.BROKEN, "the last client CA ended 3d ago"),
        (
            tls(90, problem="no start line"),
            State.WARNING,
            "the new one cannot be used, the previous one stays: no start",
        ),
        (tls(-1, problem="no start line"), State.BROKEN, "the certificate ended 1d ago"),
        (tls(None), State.UNKNOWN, "it could not read when it expires"),
        (tls(None, 90), State.UNKNOWN, "it could not read when it expires"),
        (tls(None, -3), State.BROKEN, "the last client CA ended 3d ago"),
        ("nonsense", State.UNKNOWN, "it could not read when it expires"),
        ({"notAfter": "soon"}, State.UNKNOWN, "it could not read when it expires"),
    ],
)
def test_the_webhooks_certificate(said: Any, state: State, found: str) -> None:
    """The first to end counts, 14 days before; a new one that was refused is said, and what is not known is no tick."""
    check = check_webhook_certificate({"data": {**STATUS["data"], "tls": said}}, NOW)
    assert (check.state, found in check.found) == (state, True), check
    assert bool(check.remedy) is (state is not State.OK)


@pytest.mark.parametrize(
    ("said", "state", "found"),
    [
        (None, State.OK, "it asks no Prometheus before an act"),
        ({"answered": True, "problem": ""}, State.OK, "alerts are confirmed before an act"),
        ({"answered": False, "problem": "no connection"}, State.WARNING, "confirms no alert: no connection"),
        ({"answered": None, "problem": ""}, State.UNKNOWN, "only while an alert would lead to an act"),
        ("nonsense", State.UNKNOWN, "only while an alert would lead to an act"),
    ],
)
def test_the_prometheus_that_confirms(said: Any, state: State, found: str) -> None:
    """One that gives no answer keeps no rollback, so it is a warning; one that is not asked now is no tick."""
    check = check_evidence({"data": {**STATUS["data"], "evidence": said}})
    assert (check.state, found in check.found) == (state, True), check
    assert check.state is State.OK or check.remedy


def test_an_older_service_says_nothing_of_either() -> None:
    """Then nothing is known, which is no tick, and the remedy is to upgrade."""
    older = {"data": {key: value for key, value in STATUS["data"].items() if key not in ("tls", "evidence")}}
    for check in (check_webhook_certificate(older, NOW), check_evidence(older)):
        assert (check.passed, check.remedy) == (None, "upgrade it")
        assert check.found.startswith("not checked: this Remediator does not report ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "problem"]), inner),
    max_leaves=5,
)


@given(st.sampled_from(["data", "config", "remediations", "targets", "tls", "evidence"]), json_values)
def test_no_answer_breaks_the_check(key: str, value: Any) -> None:
    """Whatever stands in the answer, it passes or it does not."""
    text = json.dumps(STATUS)
    status = json.loads(text, object_hook=lambda node: {**node, key: value} if key in node else node)
    assert check_service(status, rollback(), "").passed in (True, False)
    assert check_service(value, rollback(), "").passed is False
    for answer in (status, value):
        assert check_webhook_certificate(answer, NOW).found
        assert check_evidence(answer).found
