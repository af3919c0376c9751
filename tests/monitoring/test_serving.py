"""Whether a running Remediator would act: from the status that a real one gives, and from ones that differ."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.monitoring.remediator_api import check_service
from tests.support.builders import rollback

STATUS: dict[str, Any] = {
    "status": "success",
    "data": {
        "version": "0.1.0",
        "cluster": "eu-1",
        "dryRun": False,
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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "problem"]), inner),
    max_leaves=5,
)


@given(st.sampled_from(["data", "config", "remediations", "targets"]), json_values)
def test_no_answer_breaks_the_check(key: str, value: Any) -> None:
    """Whatever stands in the answer, it passes or it does not."""
    text = json.dumps(STATUS)
    status = json.loads(text, object_hook=lambda node: {**node, key: value} if key in node else node)
    assert check_service(status, rollback(), "").passed in (True, False)
    assert check_service(value, rollback(), "").passed is False
