"""Where a route sends an alert: as Alertmanager itself would."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.loopback import send_json
from demo.shipped import RULES
from demo.stack import Alertmanager as AlertmanagerProcess
from demo.waiting import until
from remediator.core.checks import Check
from remediator.core.routes import Labels, find_destinations
from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.routing import Asked, check_inhibitions, check_routing, check_silences
from tests.support.components import component
from tests.support.documents import dump_yaml

LABELS = {"alertname": "DenisErrorRateHigh", "remediation": "rollback", "namespace": "denis", "severity": "critical"}


def child(receiver: str, *matchers: str, **keys: Any) -> dict[str, Any]:
    """A route below another."""
    return {"receiver": receiver, "matchers": list(matchers), **keys}


def route(*children: dict[str, Any], receiver: str = "root") -> dict[str, Any]:
    """The route at the top."""
    return {"receiver": receiver, "routes": list(children)}


ROUTES = {
    "no-child": (route(), ("root",)),
    "no-match": (route(child("a", "remediation=scale")), ("root",)),
    "first-alone": (route(child("a", "remediation=rollback"), child("b", "remediation=rollback")), ("a",)),
    "continue": (
        route(child("a", 'remediation=~".+"', **{"continue": True}), child("b", "severity=critical"), child("c")),
        ("a", "b"),
    ),
    "continue-last": (route(child("a", 'remediation=~".+"', **{"continue": True})), ("a",)),
    "inherited": (route({"matchers": ["remediation=rollback"]}), ("root",)),
    "nested": (route(child("a", "remediation=rollback", routes=[child("b", "severity!=warning")])), ("b",)),
    "nested-no-match": (route(child("a", "remediation=rollback", routes=[child("b", "severity=warning")])), ("a",)),
    "old-forms": (
        route({"receiver": "a", "match": {"remediation": "rollback"}, "match_re": {"severity": "crit.*|x"}}),
        ("a",),
    ),
    "old-form-anchored": (route({"receiver": "a", "match_re": {"severity": "crit"}}), ("root",)),
    "all-matchers": (route(child("a", "remediation=rollback", "severity=warning")), ("root",)),
    "twice": (route(child("a", **{"continue": True}), child("a")), ("a",)),
}


@pytest.mark.parametrize(("routes", "receivers"), ROUTES.values(), ids=ROUTES)
def test_the_receivers_of_an_alert(tmp_path: Path, routes: dict[str, Any], receivers: tuple[str, ...]) -> None:
    """Ours are the receivers that amtool names for the same route and labels."""
    found = find_destinations(routes, LABELS)
    assert tuple(dict.fromkeys(way.receiver for way in found if way.certain)) == receivers

    amtool = component("alertmanager-newest", "amtool")
    config = tmp_path / "alertmanager.yaml"
    config.write_text(dump_yaml({"route": routes, "receivers": [{"name": name} for name in ("root", *"abc")]}))
    labels = [f"{name}={value}" for name, value in LABELS.items()]
    command = [str(amtool), "config", "routes", "test", f"--config.file={config}", *labels]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert tuple(dict.fromkeys(said.strip().split(","))) == receivers


NOW = datetime(2026, 11, 29, 13, 0, tzinfo=UTC)
"""A Sunday."""
SHIPPED = (RULES / "alertmanager.yaml").read_text()


def asked(*alerts: Labels, remediator_url: str = "") -> Asked:
    """What the configuration is judged for."""
    return Asked(alerts=alerts or (LABELS,), cooldown=timedelta(minutes=10), now=NOW, remediator_url=remediator_url)


def checks(config: str | dict[str, Any], *alerts: Labels, remediator_url: str = "") -> dict[str, Check]:
    """The checks of the route by name."""
    text = config if isinstance(config, str) else dump_yaml(config)
    found = check_routing(text, asked(*alerts, remediator_url=remediator_url))
    return {check.name: check for check in found}


def configuration(*children: dict[str, Any], url: Any = "<secret>", **keys: Any) -> dict[str, Any]:
    """A configuration with our route below these, whose times are good."""
    times = {"group_by": ["remediation"], "group_wait": "5s", "group_interval": "1m", "repeat_interval": "5m"}
    ours = child("remediator", 'remediation=~".+"', **{"continue": True}, **keys.pop("ours", {}))
    return {
        "route": {**route(*children, ours), **times},
        "receivers": [
            {"name": "root"},
            {"name": "remediator", "webhook_configs": [{"url": url}]},
            {"name": "chat", "webhook_configs": [{"url": "http://chat-relay:2000/alerts"}]},
        ],
        **keys,
    }


def test_the_shipped_route() -> None:
    """The shipped files lead a rollback to Remediator's webhook, in time and at any time."""
    found = checks(SHIPPED)

    assert {name for name, check in found.items() if check.passed} == {"route", "webhook", "timing", "muting"}
    assert found["route"].found.endswith("severity=critical goes to the webhook of receiver remediator")
    assert "http://remediator:8080/webhook of receiver remediator is Remediator's" in found["webhook"].found
    assert found["timing"].found.startswith("group_wait 5s, group_interval 1m, repeat_interval 5m")


@pytest.mark.parametrize(
    ("old", "new", "passed", "found"),
    [
        ('remediation=~".+"', 'remediation="restart"', False, "goes to on-call, and no webhook is there"),
        ("max_alerts: 0", "max_alerts: 5", False, "receiver remediator cuts alerts off by max_alerts"),
        ("  webhook_configs:", "  slack_configs:", False, "goes to remediator, on-call, and no webhook is there"),
        ('remediation=~".+"', "remediation=~((", None, "depends on remediation=~((, which is not known"),
        ("route:", "routes:", False, "goes to , and no webhook is there"),
        ("receivers:", "receivers: 7\nothers:", False, "goes to remediator, on-call, and no webhook is there"),
        ("route:", "route: [", None, "is not known: "),
        (
            "http://remediator:8080/webhook",
            "http://u:s3cret@chat:2000/x?t=s3cret",
            False,
            "not Remediator's: http://chat",
        ),
    ],
    ids=["unmatched", "max-alerts", "no-webhook", "regex", "no-route", "no-receivers", "yaml", "other-webhook"],
)
def test_a_route_that_leads_nowhere(old: str, new: str, passed: bool | None, found: str) -> None:
    """What keeps a rollback from Remediator's webhook is named, and what cannot be read is no success."""
    assert old in SHIPPED
    check = checks(SHIPPED.replace(old, new, 1))["route"]

    assert check.passed is passed
    assert found in check.found
    assert "s3cret" not in check.found


def test_each_alert_has_to_get_there() -> None:
    """A route that takes one of two alerts elsewhere is a cross, with that alert's name."""
    other = {**LABELS, "alertname": "DenisMaterializerSuccessRateLow"}
    check = checks(configuration(child("chat", "alertname=DenisMaterializerSuccessRateLow")), LABELS, other)["route"]

    assert check.passed is False
    assert check.found.startswith("alertname=DenisMaterializerSuccessRateLow, namespace=denis")
    assert check.found.endswith("goes to chat, whose webhook is not Remediator's: http://chat-relay:2000/alerts")
    assert checks(configuration(), LABELS, other)["route"].found.startswith(
        "alertname=DenisErrorRateHigh|DenisMaterializerSuccessRateLow, namespace=denis"
    )


@pytest.mark.parametrize(
    ("url", "remediator_url", "passed", "found"),
    [
        ("<secret>", "", None, "not known: Alertmanager does not show the URL of receiver remediator"),
        ("http://denis-remediator.ops.svc:8080/webhook", "", True, "is Remediator's, by its path"),
        ("https://guard.example.com/webhook/", "https://guard.example.com:9090", True, "is Remediator's, by its path"),
        ("https://guard.example.com/webhook", "http://localhost:9090", None, "is not that of --remediator.url"),
        ("https://guard.example.com/webhook", "", None, "may be Remediator's"),
        ("{{ .url }}", "", None, "does not show the URL"),
        (None, "", None, "does not show the URL"),
    ],
)
def test_whose_webhook_it_is(url: Any, remediator_url: str, passed: bool | None, found: str) -> None:
    """A webhook is Remediator's by its path and host; where its URL is hidden that is not known."""
    check = checks(configuration(url=url), remediator_url=remediator_url)["webhook"]

    assert check.passed is passed
    assert found in check.found


def test_a_webhook_of_somebody_else_beside_ours() -> None:
    """Of several webhooks the one that is Remediator's, or is called so, is judged, and the others are not."""
    chat = child("chat", **{"continue": True}, repeat_interval="12h", mute_time_intervals=["nights"])
    found = checks(configuration(chat))
    hidden = configuration(chat)
    hidden["receivers"][2]["webhook_configs"] = [{"url": "<secret>", "max_alerts": 5}]

    assert [found[name].passed for name in ("route", "webhook", "timing", "muting")] == [True, None, True, True]
    assert [check.passed for check in checks(hidden).values()] == [True, None, True, True]


@pytest.mark.parametrize(
    ("key", "intervals", "passed", "found"),
    [
        ("mute_time_intervals", [{"weekdays": ["sunday:saturday"]}], False, "(x) mutes the route now"),
        ("mute_time_intervals", [{"weekdays": ["monday"]}], False, "(x) mutes the route on 2026-11-30"),
        ("mute_time_intervals", [{"years": ["2020"]}], True, "never mute the route within a year"),
        ("mute_time_intervals", [{"location": "Local"}], None, "its location is Alertmanager's own"),
        ("mute_time_intervals", [{"moon": "full"}], None, "moon is not known here"),
        ("active_time_intervals", [{"times": [{"start_time": "09:00", "end_time": "17:00"}]}], False, "on 2026-11-29"),
        ("active_time_intervals", [{"weekdays": ["monday:friday"]}], False, "mutes the route now"),
        ("active_time_intervals", [{"weekdays": ["monday:saturday"]}, {"weekdays": ["sunday"]}], True, "never mute"),
        ("active_time_intervals", None, None, "the interval 'x' is not a list"),
    ],
)
def test_times_at_which_the_route_is_mute(key: str, intervals: Any, passed: bool | None, found: str) -> None:
    """A time at which nothing is sent is a cross, now or later; one that cannot be read is not known."""
    for place in ("time_intervals", "mute_time_intervals"):
        config = configuration(ours={key: ["x"]}, **{place: [{"name": "x", "time_intervals": intervals}]})
        check = checks(config)["muting"]

        assert check.passed is passed
        assert found in check.found


def test_an_interval_that_is_not_there_or_is_above() -> None:
    """A name without its interval is not known, nor is what an interval on the route above ours is meant for."""
    absent = checks(configuration(ours={"mute_time_intervals": ["x"]}))["muting"]
    above = configuration()
    (ours,) = above["route"]["routes"]
    above["route"]["routes"] = [{"receiver": "root", "mute_time_intervals": ["nights"], "routes": [ours]}]
    inherited = checks(above)["muting"]

    assert (absent.passed, inherited.passed) == (None, None)
    assert "there is no interval 'x'" in absent.found
    assert "whether nights of a route above is meant here too" in inherited.found


def inhibitions(rules: Sequence[Any], *firing: Labels | None) -> Check:
    """What the inhibit rules come to, while these alerts fire."""
    return check_inhibitions(dump_yaml({"inhibit_rules": list(rules)}), asked(), firing)


STACK = [
    {
        "source_matchers": ["severity = critical"],
        "target_matchers": ["severity =~ warning|info"],
        "equal": ["namespace"],
    },
    {"source_matchers": ["alertname = InfoInhibitor"], "target_matchers": ["severity = info"], "equal": ["namespace"]},
    {"target_matchers": ["alertname = InfoInhibitor"]},
]


@pytest.mark.parametrize(
    ("rule", "firing", "passed", "found"),
    [
        ({"target_match": {"severity": "warning"}}, (), True, "none of 1 inhibit rules can inhibit our alerts"),
        (
            {"source_matchers": ["alertname=Down"], "target_matchers": ["severity=critical"]},
            ({"alertname": "Down"},),
            False,
            "inhibit_rules[0] inhibits DenisErrorRateHigh, because Down fires",
        ),
        (
            {"source_matchers": ["alertname=Down"], "target_match_re": {"severity": "crit.*"}, "equal": ["namespace"]},
            ({"alertname": "Down", "namespace": "other"}, None),
            None,
            'while an alert with alertname="Down" and the same namespace fires',
        ),
        (
            {
                "source_matchers": ["namespace=kube-system"],
                "target_matchers": ["severity=critical"],
                "equal": ["namespace"],
            },
            (),
            True,
            "none of 1",
        ),
        ({"source_match": {"a": "b"}, "target_matchers": ["Σ=x"]}, (), None, "which depends on Σ=x"),
        ({"source_match": {"a": "b"}, "target_matchers": ["severity=info", "Σ=x"]}, (), True, "none of 1"),
    ],
)
def test_inhibitions(rule: dict[str, Any], firing: tuple[Labels | None, ...], passed: bool | None, found: str) -> None:
    """A rule whose target is one of our alerts withholds it while its source fires; a stranger's costs nothing."""
    check = inhibitions([*STACK, rule][-1:], *firing)

    assert check.passed is passed
    assert found in check.found
    assert inhibitions(STACK).passed


def silence(*matchers: dict[str, Any], state: str = "active", **keys: Any) -> dict[str, Any]:
    """A silence as Alertmanager has it."""
    times = {"startsAt": "2026-11-29T12:00:00Z", "endsAt": "2026-11-29T18:00:00Z"}
    who = {"id": "7f", "createdBy": "ada", "comment": "load test"}
    return {**who, **times, "matchers": list(matchers), "status": {"state": state}, **keys}


def matcher(name: str, value: Any, *, regex: bool = False, equal: bool | None = True) -> dict[str, Any]:
    """A matcher as it is in a silence."""
    return {"name": name, "value": value, "isRegex": regex, "isEqual": equal}


@pytest.mark.parametrize(
    ("one", "passed", "found"),
    [
        (
            silence(matcher("namespace", "denis")),
            False,
            "silence 7f by ada keeps DenisErrorRateHigh from being sent until",
        ),
        (silence(matcher("namespace", "den.*", regex=True)), False, "load test"),
        (silence(matcher("severity", "info", equal=False)), False, "silence 7f"),
        (silence({"name": "namespace", "value": "denis", "isRegex": False}), False, "silence 7f"),
        (silence(matcher("namespace", "denis"), state="pending"), False, "from 2026-11-29T12:00:00Z until"),
        (silence(matcher("namespace", "denis"), state="expired"), True, "none of 0 silences"),
        (silence(matcher("namespace", "other")), True, "none of 1 silences is about our alerts"),
        (silence(matcher("namespace", r"\pL+x", regex=True)), True, "none of 1"),
        (silence(matcher("namespace", "(?=x)", regex=True)), None, "whether silence 7f by ada is about our alerts"),
        (silence(matcher("namespace", "(?=x)", regex=True), matcher("job", "kube")), True, "none of 1"),
        (silence(matcher("namespace", ["denis"])), None, "whether silence 7f"),
        (silence(), None, "whether silence 7f"),
        (silence(matchers="x"), None, "whether silence 7f"),
        (None, None, "whether silence None"),
    ],
)
def test_silences(one: Any, passed: bool | None, found: str) -> None:
    """A silence on our alerts is a cross, to come or there; one that cannot be read counts if it could be on them."""
    check = check_silences([silence(matcher("namespace", "other")), one][1:], asked())

    assert check.passed is passed
    assert found in check.found


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_a_real_alertmanager(tmp_path: Path, age: str) -> None:
    """What keeps an alert back is found in the configuration as Alertmanager itself writes it, and in its silences."""
    config = configuration(
        child("root", 'alertname=~".*.*.*.*Kube"', "severity!=info"),
        url="http://127.0.0.1:9/webhook",
        ours={"mute_time_intervals": ["week"], "repeat_interval": "12h"},
        time_intervals=[
            {"name": "week", "time_intervals": [{"weekdays": ["sunday:saturday"], "months": ["1:december"]}]}
        ],
        inhibit_rules=[{"source_matchers": ["alertname=Down"], "target_matchers": ["severity=critical"]}],
    )
    program = component(f"alertmanager-{age}", "prometheus-alertmanager")
    with AlertmanagerProcess(program, tmp_path, config=dump_yaml(config)).ready() as running:
        alertmanager = Alertmanager(f"http://{running.address}")
        quiet = check_silences(alertmanager.silences(), asked())
        unfired = check_inhibitions(alertmanager.config(), asked(), alertmanager.firing_alerts())
        send_json(f"http://{running.address}/api/v2/alerts", [{"labels": {"alertname": "Down"}}])
        begins, ends = "2026-01-01T00:00:00Z", "2096-01-01T00:00:00Z"
        for value in ("Other.*", "Denis.*"):
            wanted = {"name": "alertname", "value": value, "isRegex": True}
            running.silence(
                {"matchers": [wanted], "startsAt": begins, "endsAt": ends, "createdBy": "ada", "comment": "x"}
            )
        until("it fires", lambda: alertmanager.firing_alerts() == ({"alertname": "Down"},), 60)
        found = checks(alertmanager.config(), remediator_url="http://127.0.0.1:9090")
        silenced = check_silences(alertmanager.silences(), asked())
        inhibited = check_inhibitions(alertmanager.config(), asked(), alertmanager.firing_alerts())

    # Since 0.26, Alertmanager hides the URLs of webhooks.
    shown = True if age == "oldest" else None
    assert {name: check.passed for name, check in found.items()} == {
        "route": True,
        "webhook": shown,
        "timing": False,
        "muting": False,
    }
    assert "route.routes[1].mute_time_intervals (week) mutes the route now" in found["muting"].found
    assert "route.routes[1].repeat_interval: repeat_interval 12h is longer" in found["timing"].found
    assert (quiet.passed, silenced.passed, unfired.passed, inhibited.passed) == (True, False, None, False)
