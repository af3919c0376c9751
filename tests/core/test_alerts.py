"""Whatever bytes arrive, the answer is a Notification or a NotANotification."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.core.alerts import (
    Alert,
    MalformedAlert,
    NotANotification,
    Notification,
    format_alerts,
    newest,
    parse_notification,
)

PAYLOADS = Path(__file__).parents[1] / "payloads"


def body(*alerts: Any, **more: Any) -> bytes:
    """A notification with these alerts, as bytes."""
    return json.dumps({"version": "4", "alerts": alerts, **more}).encode()


def given_alert(**fields: Any) -> dict[str, Any]:
    """A firing alert as JSON, with some of its fields replaced."""
    return {"status": "firing", "labels": {"alertname": "A"}, "startsAt": "2026-11-23T00:06:56.398Z", **fields}


def only(notification: Notification) -> Alert | MalformedAlert:
    """The one alert of a notification."""
    (alert,) = notification.alerts
    return alert


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("am0.25.0-single-firing", ["firing"]),
        ("am0.25.0-all-resolved", ["resolved", "resolved"]),
        ("am0.25.0-group3-first-notification", ["firing"] * 3),
        ("am0.25.0-no-annotations", ["firing"]),
        ("am0.33.1-single-firing", ["firing"]),
        ("am0.33.1-mixed-firing-resolved", ["resolved", "firing", "firing"]),
        ("am0.33.1-max-alerts-2-mixed", ["resolved", "firing"]),
        ("am0.33.1-weird-label-values", ["firing"]),
    ],
)
def test_what_real_alertmanagers_sent_is_read(name: str, statuses: list[str]) -> None:
    """Notifications of the oldest and the newest Alertmanager are read, each alert with its own status."""
    notification = parse_notification((PAYLOADS / f"{name}.json").read_bytes())

    assert [alert.status for alert in notification.alerts if isinstance(alert, Alert)] == statuses
    assert all(isinstance(alert, Alert) and alert.fingerprint for alert in notification.alerts)


def test_a_notification_keeps_what_decisions_need() -> None:
    """Receiver, group, labels and fingerprint are there after reading."""
    notification = parse_notification((PAYLOADS / "am0.33.1-single-firing.json").read_bytes())
    alert = only(notification)

    assert notification.receiver == "remediator"
    assert notification.group_key == '{}/{}:{alertname="MaterializerSuccessRateLow", namespace="prod"}'
    assert notification.truncated_alerts == 0
    assert isinstance(alert, Alert)
    assert alert.firing
    assert alert.name == "MaterializerSuccessRateLow"
    assert alert.labels["team"] == "équipe-💥"
    assert alert.fingerprint == "d329fabb8ad6f2c8"


def test_what_max_alerts_cut_off_is_counted() -> None:
    """The number of alerts that Alertmanager left out is kept, for they are lost for good."""
    payload = (PAYLOADS / "am0.33.1-max-alerts-2-mixed.json").read_bytes()

    assert parse_notification(payload).truncated_alerts == 1


def test_hostile_label_values_arrive_as_they_were_sent() -> None:
    """Newlines, NUL, right-to-left marks and long texts in labels are text like any other."""
    alert = only(parse_notification((PAYLOADS / "am0.33.1-weird-label-values.json").read_bytes()))

    assert isinstance(alert, Alert)
    assert alert.labels["newline"] == "a\nb\tc"
    assert alert.labels["nul"] == "a\x00b"
    assert "\u202e" in alert.labels["rtl"]


@pytest.mark.parametrize("name", ["", "a.b", "💥", "a b", "__name__", "\x00", "\u202e"])
def test_any_label_name_is_accepted(name: str) -> None:
    """Label names with dots, emoji or worse are read: newer Alertmanagers allow any."""
    alert = only(parse_notification(body(given_alert(labels={name: "x"}))))

    assert isinstance(alert, Alert)
    assert alert.labels == {name: "x"}
    assert alert.name == ""


@pytest.mark.parametrize(
    "field",
    [
        {"startsAt": "0001-01-01T00:00:00Z"},
        {"startsAt": "2026-11-23T02:06:00.707069+02:00"},
        {"startsAt": "yesterday"},
        {"startsAt": None},
        {"annotations": {"value": 80}},
        {"annotations": None},
        {"annotations": [1]},
        {"annotations": {"grafana_state_reason": 1}},
        {"startsAt": {"time": 1}},
        {"startsAt": "0001-01-01T00:00:00+14:00"},
        {"startsAt": 1e300},
        {"fingerprint": None},
        {"fingerprint": 17},
        {"labels": {"alertname": "A", "pod": None}},
        {"generatorURL": 1},
    ],
    ids=str,
)
def test_what_no_decision_rests_on_costs_no_alert(field: dict[str, Any]) -> None:
    """Times, annotations and URLs may hold anything: a firing alert stays one."""
    alert = only(parse_notification(body(given_alert(**field))))

    assert isinstance(alert, Alert)
    assert alert.firing


@pytest.mark.parametrize(
    "fields",
    [
        {"receiver": None},
        {"receiver": ["remediator"]},
        {"groupKey": None},
        {"groupKey": {"alertname": "A"}},
        {"truncatedAlerts": None},
        {"truncatedAlerts": "many"},
        {"truncatedAlerts": -1},
        {"truncatedAlerts": 10**400},
        {"groupLabels": None, "commonLabels": None, "commonAnnotations": None, "externalURL": None, "status": None},
    ],
    ids=str,
)
def test_what_no_decision_depends_on_costs_no_notification(fields: dict[str, Any]) -> None:
    """Values of the wrong type around the alerts count as absent: the alerts are read all the same."""
    received = parse_notification(body(given_alert(), **fields))

    assert isinstance(only(received), Alert)
    assert (received.receiver, received.group_key, received.truncated_alerts) == ("", "", 0)


def test_a_null_label_is_an_absent_one() -> None:
    """A label that is null is not there, and costs the alert nothing else."""
    alert = only(parse_notification(body(given_alert(labels={"alertname": "A", "pod": None}, fingerprint="f"))))

    assert isinstance(alert, Alert)
    assert (alert.labels, alert.fingerprint) == ({"alertname": "A"}, "f")
    assert alert.began is not None


@pytest.mark.parametrize(
    ("sent", "began"),
    [
        ("2026-11-23T00:06:56.398123456Z", "2026-11-23T00:06:56.398123+00:00"),
        ("2026-11-23T02:06:00+02:00", "2026-11-23T00:06:00+00:00"),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("2026-11-23T00:06:56", None),
        ("yesterday", None),
        (None, None),
        ([], None),
    ],
)
def test_when_an_alert_began_is_known_where_its_sender_said_so(sent: object, began: str | None) -> None:
    """A beginning that is a time with a zone is read; anything else, and Go's zero, is unknown."""
    alert = only(parse_notification(body(given_alert(startsAt=sent))))

    assert isinstance(alert, Alert)
    assert (alert.began and alert.began.isoformat()) == began


def test_the_value_of_the_shipped_rules_is_read() -> None:
    """The annotation `value` is kept, and one that is no text counts as none."""
    values = [
        alert.value
        for alert in parse_notification(
            body(given_alert(annotations={"value": "0.061"}), given_alert(annotations={"value": 80}), given_alert())
        ).alerts
        if isinstance(alert, Alert)
    ]

    assert values == ["0.061", "", ""]


def test_null_maps_are_empty() -> None:
    """Senders that write null for labels mean that there are none."""
    alert = only(parse_notification(body(given_alert(labels=None))))

    assert isinstance(alert, Alert)
    assert alert.labels == {}


def test_null_maps_are_empty_beside_what_cannot_be_read() -> None:
    """An alert with null for its labels is read among others, and told apart from one without labels."""
    null, missing, broken = parse_notification(
        body(given_alert(labels=None), {"status": "firing"}, given_alert(labels=None, status=None))
    ).alerts

    assert isinstance(null, Alert)
    assert (null.status, null.labels) == ("firing", {})
    assert missing == MalformedAlert(problem="labels: Field required")
    assert broken == MalformedAlert(problem="status: Input should be a valid string")


def test_of_a_key_that_stands_twice_the_last_is_read() -> None:
    """A key that stands twice in an alert is read as by any other reader of JSON, in good alerts and in bad ones."""
    sent = b"""{"version": "4", "alerts": [
        {"status": "firing", "status": "resolved", "labels": {"alertname": "A", "alertname": "B"}},
        {"status": 1, "status": "resolved", "labels": {"x": 1}, "labels": null}
    ]}"""

    assert parse_notification(sent).alerts == (
        Alert(status="resolved", labels={"alertname": "B"}),
        Alert(status="resolved", labels={}),
    )


def test_unknown_keys_are_accepted() -> None:
    """What newer Alertmanagers add, at either level, is passed over."""
    sent = body(given_alert(silenceURL="https://x", values={"B": 1}), notification_reason="first", orgId=1)

    assert isinstance(only(parse_notification(sent)), Alert)


def test_a_notification_without_alerts_is_one() -> None:
    """An empty list of alerts is a notification with nothing to do."""
    assert parse_notification(body()).alerts == ()


def test_ten_thousand_alerts_are_read() -> None:
    """A storm is read alert by alert, in its order."""
    sent = body(*(given_alert(fingerprint=str(number)) for number in range(10_000)))
    received = parse_notification(sent).alerts

    assert [alert.fingerprint for alert in received] == [str(number) for number in range(10_000)]


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        pytest.param({"labels": {"alertname": "B"}}, "status: Field required", id="no status"),
        pytest.param({"status": "firing"}, "labels: Field required", id="no labels"),
        pytest.param(given_alert(labels={"a": 1}), "labels.a: Input should be a valid string", id="number in a label"),
        pytest.param(given_alert(labels=[]), "labels: Input should be ", id="labels are a list"),
        pytest.param(given_alert(status=1), "status: Input should be a valid string", id="status is a number"),
        pytest.param(None, "Input should be ", id="null"),
        pytest.param("firing", "Input should be ", id="text"),
        pytest.param([], "Input should be ", id="list"),
    ],
)
def test_one_bad_alert_never_costs_its_siblings(broken: Any, problem: str) -> None:
    """An alert that cannot be read is set aside with its problem, and the others around it are read."""
    first, second, third = parse_notification(body(given_alert(), broken, given_alert())).alerts

    assert isinstance(first, Alert)
    assert isinstance(second, MalformedAlert)
    assert problem in second.problem
    assert isinstance(third, Alert)


@pytest.mark.parametrize(
    ("labels", "name"), [({"alertname": "B", "x": 1}, "B"), ({"alertname": 1}, ""), (None, ""), ("B", "")]
)
def test_a_malformed_alert_keeps_its_name(labels: Any, name: str) -> None:
    """Where its name can be read, a malformed alert is known by it."""
    _, malformed = parse_notification(body(given_alert(), {"labels": labels})).alerts

    assert isinstance(malformed, MalformedAlert)
    assert malformed.name == name


def test_a_malformed_alert_keeps_its_fingerprint() -> None:
    """Where its fingerprint can be read, the answer about a malformed alert carries it."""
    broken = given_alert(labels={"a": 1}, fingerprint="d329fabb8ad6f2c8")
    _, malformed = parse_notification(body(given_alert(), broken)).alerts

    assert isinstance(malformed, MalformedAlert)
    assert malformed.fingerprint == "d329fabb8ad6f2c8"


@pytest.mark.parametrize("value", [["a secret"], {"a secret": 1}])
def test_a_problem_shows_nothing_of_the_value(value: object) -> None:
    """The problem of a malformed alert names the field, and not what stood there."""
    _, malformed = parse_notification(body(given_alert(), given_alert(status=value))).alerts

    assert isinstance(malformed, MalformedAlert)
    assert malformed.problem.startswith("status: ")
    assert "secret" not in malformed.problem


def test_a_problem_speaks_of_json() -> None:
    """What should have stood there is named in words of JSON, and not of our classes."""
    _, malformed = parse_notification(body(given_alert(), None)).alerts

    assert isinstance(malformed, MalformedAlert)
    assert "instance of" not in malformed.problem


def test_a_problem_stays_short_whatever_was_sent() -> None:
    """A problem goes into answers, Events and log lines, so a sender cannot make it long."""
    _, malformed = parse_notification(body(given_alert(), given_alert(labels={"x" * 100_000: 1}))).alerts

    assert isinstance(malformed, MalformedAlert)
    assert len(malformed.problem) < 1_000


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        pytest.param(b"", "body: Invalid JSON: ", id="empty"),
        pytest.param(b"alertname=A", "body: Invalid JSON: ", id="not JSON"),
        pytest.param(body(given_alert())[:-2], "body: Invalid JSON: ", id="cut short"),
        pytest.param(b'{"version":"4","alerts":[],"x":"\xe9"}', "body: Invalid JSON: ", id="not UTF-8"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "body: Invalid JSON: recursion limit", id="100,000 levels"),
        pytest.param(
            b'{"version":"4","alerts":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            "body: Invalid JSON: recursion limit",
            id="100,000 levels in an unknown key",
        ),
        pytest.param(b'{"version":"4","alerts":[],"x":"\\ud800"}', "body: Invalid JSON: ", id="half a surrogate"),
        pytest.param(
            b'{"version":"4","alerts":[],"\\uDfff":1}', "body: Invalid JSON: ", id="the other half, in a name"
        ),
        pytest.param(b"\xef\xbb\xbf" + body(given_alert()), "body: Invalid JSON: ", id="byte order mark"),
        pytest.param(body(given_alert()).decode().encode("utf-16"), "body: Invalid JSON: ", id="UTF-16"),
        pytest.param(b"null", "body: Input should be an object", id="null"),
        pytest.param(b"[]", "body: Input should be an object", id="list"),
        pytest.param(b'"4"', "body: Input should be an object", id="text"),
        pytest.param(b"{}", "version: Field required", id="no version"),
        pytest.param(b'{"version":"4"}', "alerts: Field required", id="no alerts"),
        pytest.param(b'{"version":"4","alerts":null}', "alerts: Input should be a valid array", id="null alerts"),
        pytest.param(b'{"version":"4","alerts":{}}', "alerts: Input should be a valid array", id="alerts are a map"),
        pytest.param(b'{"version":4,"alerts":[]}', "version: Input should be a valid string", id="version is a number"),
        pytest.param(b'{"version":"3","alerts":[]}', "version '3' is not Alertmanager's version '4'", id="version 3"),
        pytest.param(b'{"version":"1","alerts":[]}', "version '1' is not Alertmanager's version '4'", id="Grafana's"),
        pytest.param(b'{"version":"4","alerts":[{},{}]}', "none of the 2 alerts can be read: ", id="none readable"),
    ],
)
def test_what_is_not_a_notification_is_refused_with_its_problem(sent: bytes, problem: str) -> None:
    """A body that is not a notification of version 4 is refused, and the text says why."""
    with pytest.raises(NotANotification) as caught:
        parse_notification(sent)
    assert str(caught.value).startswith(problem)


def test_a_pair_of_surrogates_is_a_character() -> None:
    """Characters that senders write as two escapes arrive as they are."""
    alert = only(parse_notification(body(given_alert(labels={"alertname": "💥"}))))
    assert isinstance(alert, Alert)
    assert alert.name == "💥"


def test_a_long_version_is_cut() -> None:
    """A version that is a whole book is not repeated in the refusal."""
    with pytest.raises(NotANotification) as caught:
        parse_notification(body(version="9" * 100_000))
    assert len(str(caught.value)) < 100


def test_the_payload_of_a_template_of_ones_own_is_refused() -> None:
    """A body that an Alertmanager template made is no notification, and the version says so."""
    with pytest.raises(NotANotification, match="version: Field required"):
        parse_notification((PAYLOADS / "am0.33.1-custom-payload-template.json").read_bytes())


def fired(name: str, value: str = "", minute: int = 0) -> Alert:
    """An alert of this name, with this value, that began at this minute past noon."""
    began = datetime(2026, 11, 23, 12, minute, tzinfo=UTC)
    return Alert(status="firing", labels={"alertname": name}, value=value, starts_at=began)


@pytest.mark.parametrize(
    ("alerts", "text"),
    [
        ([fired("A", "0.10063829787234043")], "A 0.100638"),
        ([fired("A", "520")], "A 520"),
        ([fired("A", "NaN"), fired("B", "+Inf", 1)], "B inf, A nan"),
        ([fired("A", "5 %")], "A 5 %"),
        ([fired("A")], "A"),
        ([fired("")], "an alert without a name"),
        ([fired("A", "1", 1), fired("A", "2", 3), fired("B", "3", 2)], "A 2, B 3"),
        ([fired(name, "1") for name in "ABCDE"], "A 1, B 1, C 1 and 2 more"),
        ([MalformedAlert(problem="labels: Field required")], ""),
        ([], ""),
        ([fired('a"b\\u0041\n\x1b[2J\u202e')], "a'b/u0041  [2J "),
        ([fired("a}{b")], "a)(b"),
    ],
    ids=str,
)
def test_alerts_are_told_by_name_and_value(alerts: list[Alert | MalformedAlert], text: str) -> None:
    """The newest alert comes first, each name once with the value that it fired with, as one harmless line."""
    assert format_alerts(alerts, 100) == text


@given(st.lists(st.builds(fired, st.text(), st.text(), st.integers(min_value=0, max_value=59)), max_size=6))
def test_alerts_of_any_name_are_told_shortly(alerts: list[Alert]) -> None:
    """Whatever a sender calls its alerts, the text is short, one line, and needs no escape in JSON."""
    text = format_alerts(alerts, 100)

    assert len(text) <= 100
    assert text.isprintable()
    assert json.dumps(text, ensure_ascii=False) == f'"{text}"'


def test_the_newest_alert_is_known_by_when_it_began() -> None:
    """Of several alerts the latest beginning counts, those without one and malformed ones aside."""
    unknown = Alert(status="firing", labels={})

    assert newest([fired("A", minute=1), unknown, fired("B", minute=2), MalformedAlert(problem="x")]) == datetime(
        2026, 11, 23, 12, 2, tzinfo=UTC
    )
    assert newest([unknown]) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
alert_fields = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("status", "labels", "annotations", "startsAt", "fingerprint", "endsAt"), json_values),
)


@given(st.lists(json_values | alert_fields, max_size=4))
def test_any_alerts_are_read_one_by_one(alerts: list[Any]) -> None:
    """Whatever JSON stands in the list of alerts, each element becomes an alert or a malformed one."""
    received = parse_notification(body(given_alert(), *alerts)).alerts

    assert len(received) == len(alerts) + 1
    assert isinstance(received[0], Alert)


@given(st.binary(max_size=50) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_notification_or_not(sent: bytes) -> None:
    """Whatever bytes arrive, nothing but NotANotification is raised."""
    with pytest.raises(NotANotification):
        parse_notification(sent)
