"""Alertmanager's routing tree: certain ways, possible ways, and settings with which alerts come late."""

from datetime import timedelta
from typing import Any

import pytest

from remediator.core.routes import find_destinations, timing_problems

LABELS = {"alertname": "DenisErrorRateHigh", "remediation": "rollback", "namespace": "denis", "severity": "critical"}
OURS: dict[str, Any] = {"receiver": "remediator", "matchers": ['remediation=~".+"'], "continue": True}


def receivers(*children: dict[str, Any], **labels: str | None) -> dict[str, tuple[str, ...]]:
    """The receivers behind these routes, each with what it depends on that is not known."""
    found = find_destinations({"receiver": "people", "routes": list(children)}, {**LABELS, **labels})
    return {destination.receiver: destination.doubts for destination in found}


@pytest.mark.parametrize(
    "matcher",
    [
        'alertname=~".*Kube.*Node.*Disk.*"',
        r'alertname=~"\\pL+Kube"',
        'cluster=~"(team-[a-z]+-)*prod"',
        'alertname=~".*.*.*.*x"',
        'alertname=~"(a+)+b"',
        'alertname=~"[[:upper:]]+"',
        'alertname=~"\\Qa.b\\E"',
        'severity="info", Σ=x',
        'severity=info, alertname=~"(?=x)"',
    ],
)
def test_a_strangers_matcher_that_cannot_match(matcher: str) -> None:
    """What another route asks for costs our way nothing: it is read as Go reads it, or cannot matter."""
    assert receivers({"receiver": "people", "matchers": [matcher]}, OURS) == {"remediator": ()}


@pytest.mark.parametrize(
    ("stranger", "doubt"),
    [
        ({"matchers": ["Σ=x"]}, "Σ=x"),
        ({"matchers": ['alertname=~"(?=x)"']}, 'alertname=~"(?=x)"'),
        ({"matchers": "severity=critical"}, "severity"),
        ({"match": {"severity": True}}, "severity=True"),
        ({"match_re": ["x"]}, "match_re: ['x']"),
        ({"matchers": [7]}, "7"),
    ],
    ids=["name", "expression", "no-list", "boolean", "no-map", "number"],
)
def test_a_matcher_that_could_matter(stranger: dict[str, Any], doubt: str) -> None:
    """A way behind a route that may have taken the alert is possible, not certain, and names what was not read."""
    if doubt == "severity":
        assert receivers({"receiver": "chat", **stranger}, OURS) == {"chat": ()}
        return
    assert receivers({"receiver": "chat", **stranger}, OURS) == {"chat": (doubt,), "remediator": (doubt,)}
    assert receivers({"receiver": "chat", **stranger, "continue": True}, OURS) == {"chat": (doubt,), "remediator": ()}
    assert receivers(OURS, {"receiver": "chat", **stranger})["remediator"] == ()


def test_a_label_whose_value_is_not_known() -> None:
    """A label that the rule computes can meet a matcher or not."""
    tier = {"receiver": "chat", "matchers": ["tier=gold"]}

    assert receivers(tier, OURS, tier=None) == {"chat": ('tier="gold"',), "remediator": ('tier="gold"',)}
    assert receivers(tier, OURS) == {"remediator": ()}
    assert receivers(tier, tier=None) == {"chat": ('tier="gold"',), "people": ('tier="gold"',)}


def test_a_null_is_nothing() -> None:
    """Keys that are there without a value are as if they were not there."""
    empty = {"receiver": None, "matchers": None, "match": None, "match_re": None, "routes": None, "group_by": None}
    (found,) = find_destinations({"receiver": "people", "routes": [None, empty]}, LABELS)

    assert (found.receiver, found.path, found.certain) == ("people", ("route", "routes", 1), True)
    assert receivers({"receiver": "chat", "match": {"team": None}}) == {"chat": ()}


def problems(top: dict[str, Any], own: dict[str, Any], cooldown: timedelta = timedelta(minutes=10)) -> dict[str, str]:
    """The problems of the times of our route, by the place of the key."""
    (found,) = find_destinations({"receiver": "people", **top, "routes": [{**OURS, **own}]}, LABELS)
    return {".".join(map(str, one.path)): one.message for one in timing_problems(found, cooldown)}


GOOD = {"group_by": ["remediation"], "group_wait": "5s", "group_interval": "1m", "repeat_interval": "5m"}


def test_times_that_are_good() -> None:
    """The shipped times are good, at half of the cooldown too, and one that is inherited is as good as its own."""
    assert problems({}, GOOD) == {}
    assert problems(GOOD, {}) == {}
    assert problems({}, {**GOOD, "group_by": ["..."]}) == {}


@pytest.mark.parametrize(
    ("top", "own", "place", "message"),
    [
        ({"repeat_interval": "12h"}, {}, "route.repeat_interval", "repeat_interval 12h is longer than half of"),
        ({"repeat_interval": "12h"}, GOOD, None, ""),
        ({}, {"repeat_interval": "5m1s"}, "route.routes.0.repeat_interval", "shortest cooldown (5m): an alert"),
        ({}, {"repeat_interval": None}, "route.routes.0", "4h, Alertmanager's default, is longer"),
        ({}, {"group_interval": "6m"}, "route.routes.0.group_interval", "a new alert of a known group"),
        ({}, {"group_wait": "31s"}, "route.routes.0.group_wait", "longer than Alertmanager's default (30s)"),
        ({}, {"group_wait": "soon"}, "route.routes.0.group_wait", "'soon' is not a duration"),
        ({}, {"group_by": ["alertname"]}, "route.routes.0.group_by", "group_by has no remediation: a rollback can"),
        ({"group_by": ["job"]}, {"group_by": []}, "route.routes.0.group_by", "group_by has no remediation"),
    ],
)
def test_times_with_which_an_alert_comes_late(
    top: dict[str, Any], own: dict[str, Any], place: str | None, message: str
) -> None:
    """A time is held against the shortest cooldown where it is set, or at the route that inherits the default."""
    found = problems(top, {**{key: value for key, value in GOOD.items() if key not in top}, **own})

    assert list(found) == ([place] if place else [])
    assert message in found.get(place or "", "")


def test_intervals_are_not_inherited() -> None:
    """Alertmanager mutes the route that says so and none below it; those above are known all the same."""
    child = {**OURS, "active_time_intervals": ["days"]}
    above = {"mute_time_intervals": ["nights"], "routes": [child]}
    (found,) = find_destinations({"receiver": "people", "routes": [above]}, LABELS)

    assert found.intervals == {"mute_time_intervals": (), "active_time_intervals": ("days",)}
    assert found.intervals_above == ("nights",)
