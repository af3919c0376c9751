"""The webhook's answers: what is dealt with, what Alertmanager has to deliver again, what is refused."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from remediator.config.credentials import Credentials
from remediator.core.alerts import MAX_BODY_BYTES
from remediator.web.webhook import create_app
from tests.support.faults import Answer, FaultyApi
from tests.support.service import Clock, Service, alert, body

TOKEN = "correct-horse"

PAYLOADS = Path(__file__).parents[1] / "payloads"


@pytest.fixture
def client(service: Service, tmp_path: Path) -> FlaskClient:
    """A client that knows the token."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN}\n")
    app = create_app(service.handle, Credentials([tokens], []), service.metrics, service.notifications)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return client


def post(client: FlaskClient, data: bytes, **kwargs: Any) -> Any:
    """Post a body as Alertmanager does."""
    return client.post("/webhook", data=data, **{"content_type": "application/json", **kwargs})


def test_a_firing_alert_is_acted_on_and_answered(client: FlaskClient) -> None:
    """The answer has one outcome per alert, in the order received, with its reason."""
    answer = post(client, body(alert(status="resolved"), alert()))

    assert answer.status_code == 200
    first, second = answer.json["outcomes"]
    assert first["reason"] == "NotFiring"
    assert list(second) == ["alertname", "fingerprint", "remediation", "target", "effect", "reason", "message"]
    assert second == {
        "alertname": "DenisErrorRateHigh",
        "fingerprint": second["fingerprint"],
        "remediation": "rollback",
        "target": "denis",
        "effect": "SetPercentage",
        "reason": "Applied",
        "message": "set 10 % -> 0 %",
    }


def test_what_was_not_done_is_503(client: FlaskClient, api: FaultyApi) -> None:
    """A failed act makes Alertmanager deliver again, although its sibling was done."""
    api.next("GET", Answer(status=503))
    answer = post(client, body(alert(), alert("scale")))

    assert answer.status_code == 503
    assert [outcome["reason"] for outcome in answer.json["outcomes"]] == ["Unavailable", "Applied"]


@pytest.mark.parametrize(
    "payload", sorted((Path(__file__).parents[1] / "payloads").glob("am*.json")), ids=lambda p: p.stem
)
def test_what_real_alertmanagers_sent_is_understood(client: FlaskClient, payload: Path) -> None:
    """Every recorded notification gets an outcome for each of its alerts; a custom payload is refused politely."""
    recorded = json.loads(payload.read_bytes())
    answer = post(client, payload.read_bytes())

    if "custom-payload" in payload.stem:
        assert (answer.status_code, answer.json["error"]) == (400, "not a notification: version: Field required")
    else:
        assert answer.status_code == 200
        assert len(answer.json["outcomes"]) == len(recorded["alerts"])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"hello", "Invalid JSON", id="not-json"),
        pytest.param(b'{"version": "4", "alerts": [\xff]}', "Invalid JSON", id="not-utf-8"),
        pytest.param(b"[" * 100_000, "recursion limit", id="100000-deep"),
        pytest.param(b"[]", "body", id="a-list"),
        pytest.param(b"null", "body", id="null"),
        pytest.param(b'{"version": "4"}', "alerts: Field required", id="no-alerts"),
        pytest.param(b'{"version": "4", "alerts": null}', "alerts", id="null-alerts"),
        pytest.param(body(alert(), version="1"), "version '1'", id="grafanas-version"),
        pytest.param(body(alert(), version=4), "version", id="version-as-a-number"),
        pytest.param(b'{"version": "4", "alerts": [1, 2]}', "none of the 2 alerts can be read", id="no-readable-alert"),
    ],
)
def test_what_is_no_notification_is_400(client: FlaskClient, data: bytes, says: str) -> None:
    """The error says what is wrong, in one short line, and nothing is done."""
    answer = post(client, data)

    assert answer.status_code == 400
    assert says in answer.json["error"]
    assert len(answer.data) < 400


def test_unknown_keys_are_accepted(client: FlaskClient) -> None:
    """What newer Alertmanagers add does not stop an act."""
    data = body({**alert(), "novel": [1]}, notification_reason="first notification", routeLabels={}, other={"a": 1})
    assert post(client, data).json["outcomes"][0]["reason"] == "Applied"


def test_null_maps_are_empty(client: FlaskClient) -> None:
    """Senders that write null for an empty map are understood."""
    data = body({**alert(), "annotations": None}, groupLabels=None, commonLabels=None, commonAnnotations=None)
    assert post(client, data).json["outcomes"][0]["reason"] == "Applied"


def test_one_bad_alert_never_costs_its_siblings(client: FlaskClient) -> None:
    """Elements that cannot be read get their own outcome, and the readable one is acted on."""
    bad: list[Any] = [{"status": "firing"}, {**alert(), "labels": {"alertname": "Numbers", "a": 1}}, "text", None]
    answer = post(client, body(*bad, alert()))

    outcomes = answer.json["outcomes"]
    assert answer.status_code == 200
    assert [outcome["reason"] for outcome in outcomes] == ["MalformedAlert"] * 4 + ["Applied"]
    assert outcomes[1]["alertname"] == "Numbers"
    assert "labels.a" in outcomes[1]["message"]


@pytest.mark.parametrize("text", ['say "hi"', "a\\b", "a\nb\x00", "équipe 💥 \u202e", "</script>", ""], ids=ascii)
def test_an_answer_repeats_what_it_is_about(client: FlaskClient, text: str) -> None:
    """Whatever stands in a name or a fingerprint, the answer is JSON with that text in it, beside its own outcome."""
    named = [{**alert(kind, alertname=text), "fingerprint": text} for kind in ("rollback", "other", "rollback")]
    outcomes = post(client, body(*named)).json["outcomes"]

    assert [(outcome["alertname"], outcome["fingerprint"]) for outcome in outcomes] == [(text, text)] * 3
    assert [outcome["reason"] for outcome in outcomes] == ["Applied", "NoRemediation", "Applied"]


def test_ten_thousand_alerts_are_one_act(client: FlaskClient, service: Service) -> None:
    """A body of 10,000 alerts is read whole, answered whole, and acted on once."""
    answer = post(client, body(*[alert(instance=f"denis-{number}") for number in range(10_000)]))

    assert answer.status_code == 200
    assert {outcome["reason"] for outcome in answer.json["outcomes"]} == {"Applied"}
    assert len(answer.json["outcomes"]) == 10_000
    assert service.requests("patch") == 1
    (line,) = service.audit_lines()
    assert (line["alertCount"], len(line["alerts"])) == (10_000, 20)


@pytest.mark.parametrize(
    "labels",
    [
        {"http.method": "GET", "💥": "boom", "with space": "x", 'quote"d': "x"},
        {
            "newline": "a\nb",
            "nul": "a\x00b",
            "rtl": "\u202eabc",
            "html": "<script>alert(1)</script>",
            "long": "x" * 5000,
        },
        {"alertname": "a\nb\x00\u202e\U0001f4a5"},
    ],
    ids=["names", "values", "alertname"],
)
def test_hostile_labels_change_nothing(client: FlaskClient, service: Service, labels: dict[str, str]) -> None:
    """Any text in labels is carried as text: the act is done, the audit stays one line per decision."""
    assert post(client, body(alert(**labels))).json["outcomes"][0]["reason"] == "Applied"
    service.recorder.close(5)
    assert len(service.audit_lines()) == 1
    assert service.value("remediator_records_dropped_total", kind="event") == 0


@pytest.mark.parametrize(
    "starts_at", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-11-23T02:06:00.707069+02:00"]
)
def test_strange_times_change_nothing(client: FlaskClient, starts_at: str) -> None:
    """Zero, ancient and foreign times are fine: no decision rests on them."""
    assert post(client, body({**alert(), "startsAt": starts_at})).json["outcomes"][0]["reason"] == "Applied"


def test_truncated_alerts_are_counted_and_the_rest_acted_on(
    client: FlaskClient, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """What max_alerts cut off is lost, so a metric and a warning say so."""
    assert post(client, body(alert(), truncatedAlerts=7)).status_code == 200
    assert service.value("remediator_truncated_alerts_total") == 7
    assert "set max_alerts to 0" in caplog.text


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ÿ\x80", "💥"],
)
def test_without_the_token_it_is_401(client: FlaskClient, service: Service, authorization: str | None) -> None:
    """No, another or a strange credential is refused before anything is read, and the answer shows none."""
    client.environ_base.pop("HTTP_AUTHORIZATION")
    if authorization is not None:
        client.environ_base["HTTP_AUTHORIZATION"] = authorization.encode().decode("latin-1")
    answer = post(client, body(alert()))

    assert answer.status_code == 401
    assert TOKEN not in answer.text
    assert service.requests("get") == 0


def test_the_scheme_knows_no_case(client: FlaskClient) -> None:
    """`bearer` is as good as `Bearer`, as HTTP has it."""
    client.environ_base["HTTP_AUTHORIZATION"] = f"bearer {TOKEN}"
    assert post(client, body(alert())).status_code == 200


@pytest.mark.parametrize("path", ["/webhook", "/webhook/"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_another_method_is_405(client: FlaskClient, method: str, path: str) -> None:
    """A GET, as a followed redirect makes one of a POST, must not look like success; the answer says what would."""
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    if method != "HEAD":
        assert answer.json == {"error": "only POST /webhook exists here"}


@pytest.mark.parametrize(
    "path", ["/", "//webhook", "/webhook//", "/webhook/../webhook", "/../etc/passwd", "/api/v1/status", "/Webhook"]
)
def test_another_path_is_404(client: FlaskClient, path: str) -> None:
    """There is nothing else, and no redirect to guess what was meant."""
    answer = client.post(path, data=body(alert()), content_type="application/json")
    assert answer.status_code == 404
    assert answer.json == {"error": "only POST /webhook exists here"}


def test_a_slash_at_the_end_is_no_other_path(client: FlaskClient) -> None:
    """The likeliest way to mistype the URL of the webhook works, without a redirect."""
    answer: Any = client.post("/webhook/", data=body(alert()), content_type="application/json")
    assert (answer.status_code, answer.json["outcomes"][0]["reason"]) == (200, "Applied")


@pytest.mark.parametrize(
    ("files", "challenge"),
    [
        (("tokens",), 'Bearer realm="remediator"'),
        (("users",), 'Basic realm="remediator"'),
        (("tokens", "users"), 'Bearer realm="remediator", Basic realm="remediator"'),
    ],
    ids=["tokens", "users", "both"],
)
def test_the_challenge_names_what_is_configured(
    service: Service, tmp_path: Path, files: tuple[str, ...], challenge: str
) -> None:
    """A 401 asks for the schemes that would be accepted, each with a realm, and for no other."""
    secret = tmp_path / "secret"
    secret.write_text("name:s3cret\n")
    credentials = Credentials([secret] * ("tokens" in files), [secret] * ("users" in files))
    client = create_app(service.handle, credentials, service.metrics, service.notifications).test_client()
    assert post(client, body(alert())).headers["WWW-Authenticate"] == challenge


REFUSALS: dict[str, tuple[dict[str, Any], int, str]] = {
    "no-credentials": ({"headers": {"Authorization": "Bearer s3cret"}}, 401, "no valid credentials"),
    "basic": ({"headers": {"Authorization": "Basic czNjcmV0OnMzY3JldA=="}}, 401, "no valid credentials"),
    "not-json": ({"data": b"s3cret"}, 400, "not a notification"),
    "path": ({"path": "/s3cret?token=s3cret"}, 404, "not the path /webhook"),
    "method": ({"method": "PUT"}, 405, "not a POST"),
    "too-large": ({"data": b" " * (MAX_BODY_BYTES + 1)}, 413, "body over 10 MiB"),
    "form": ({"content_type": "text/plain"}, 415, "not plain JSON"),
    "length": ({"environ_overrides": {"HTTP_TRANSFER_ENCODING": "chunked"}}, 411, "no Content-Length"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_request_is_in_the_log_and_in_the_status(
    client: FlaskClient, service: Service, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Each refusal is a line with code, reason and client, and never the credential; and it is there to be shown."""
    request, code, reason = REFUSALS[kind]
    defaults = {"path": "/webhook", "method": "POST", "data": body(alert()), "content_type": "application/json"}
    client.environ_base["REMOTE_ADDR"] = "::ffff:10.0.3.4"
    for _ in range(3):
        assert client.open(**{**defaults, **request}).status_code == code

    (line,) = [vars(record) for record in caplog.records if record.message == "notification refused"]
    assert (line["code"], line["reason"], line["client"], line["count"]) == (code, reason, "10.0.3.4", 1)
    assert "s3cret" not in repr(line)
    assert "czNj" not in repr(line)
    (refusal,) = service.notifications.refusals()
    assert (refusal.code, refusal.reason, refusal.count, refusal.clients) == (code, reason, 3, ("10.0.3.4",))
    assert service.notifications.last is None


def test_a_notification_that_was_taken_is_remembered(client: FlaskClient, service: Service, clock: Clock) -> None:
    """The moment of the last notification that could be read, whatever came of its alerts."""
    clock.move(minutes=3)
    assert post(client, body(alert(status="resolved"))).status_code == 200
    assert service.notifications.last == clock.now
    assert service.notifications.refusals() == ()


def test_a_body_over_the_limit_is_413(client: FlaskClient, service: Service) -> None:
    """More than 10 MiB is refused by its Content-Length, and counted."""
    assert post(client, b" " * (MAX_BODY_BYTES + 1)).status_code == 413
    assert service.value("remediator_notifications_total", code="413") == 1


def test_a_body_of_unknown_length_is_411(client: FlaskClient) -> None:
    """Chunked bodies are refused: over the limit they would be cut off in silence."""
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = client.post("/webhook", content_type="application/json", environ_overrides=environ)
    assert answer.status_code == 411


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"}],
    ids=["text", "none", "gzip"],
)
def test_another_form_is_415(client: FlaskClient, headers: dict[str, str]) -> None:
    """Only uncompressed JSON is read."""
    data = gzip.compress(body(alert())) if "Content-Encoding" in headers else body(alert())
    answer = client.post("/webhook", data=data, headers={"Content-Type": "application/json", **headers})
    assert answer.status_code == 415


def test_every_answer_is_counted(client: FlaskClient, service: Service) -> None:
    """remediator_notifications_total has each request under its status."""
    post(client, body(alert()))
    post(client, b"nothing")
    client.get("/webhook")
    counts = [service.value("remediator_notifications_total", code=code) for code in ("200", "400", "405", "503")]
    assert counts == [1, 1, 1, 0]
