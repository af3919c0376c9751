"""Values that are wrong are refused by both Helms, with a message that names the value, before anything is rendered."""

from typing import Any

import pytest

from tests.chart.answers import Refused
from tests.chart.helm import CHART, Helm, Helm3, Helm4, changed, of_kind

ALERTS = "DenisMaterializerSuccessRateLow", "DenisErrorRateHigh", "DenisQueueDepthHigh"


def threshold(alert: str, value: Any) -> dict[str, Any]:
    """Values with one threshold."""
    return {"rules": {"alerts": {alert: {"threshold": value}}}}


def rollback(**keys: Any) -> dict[str, Any]:
    """Values with something of the remediation rollback."""
    return {"remediations": {"rollback": keys}}


def scale(**keys: Any) -> dict[str, Any]:
    """Values with something of the workers' scale."""
    return {"remediations": {"scale-workers": {"scale": keys}}}


def phase(**keys: Any) -> dict[str, Any]:
    """Values with one phase, and something of it."""
    return {"phases": [{"percentage": 1, "hold": "4h", "min_success_rate": 0.9, "max_error_rate": 0.05, **keys}]}


def promotion(**keys: Any) -> dict[str, Any]:
    """Values that switch the promotion on, and something of it."""
    return {"promotion": {"enabled": True, "prometheusUrl": "http://prometheus:9090", **keys}}


def further(without: str = "", **keys: Any) -> dict[str, Any]:
    """Values with a target and a remediation of one's own, something of it, and without one of its keys."""
    whole = {
        "matchers": ['remediation="rollback-api"'],
        "target": "api",
        "set_percentage": 0,
        "cooldown": "30m",
        "budget": {"acts": 3, "window": "24h"},
        **keys,
    }
    targets = {"api": {"namespace": "api", "deployment": "denis-api", "container": "denis"}}
    return {"targets": targets, "remediations": {"other": {key: whole[key] for key in whole if key != without}}}


def group(**keys: Any) -> dict[str, Any]:
    """Values with a group of rules of one's own, and something of it."""
    rule = {"alert": "A", "expr": "vector(1)", "labels": {"remediation": "rollback"}}
    return {"rules": {"extraGroups": [{"name": "own", "rules": [rule], **keys}]}}


SCHEMA: dict[str, tuple[dict[str, Any], str]] = {
    # What is wrong: the values, and what the message names.
    "no replicas": ({"replicaCount": 0}, "replicaCount"),
    "replicas in words": ({"replicaCount": "two"}, "replicaCount"),
    "replicas taken away": ({"replicaCount": None}, "replicaCount"),
    "unknown key": ({"replicas": 3}, "replicas"),
    "unknown key below": ({"image": {"name": "x"}}, "name"),
    "unknown alert": (threshold("DenisOther", 1), "DenisOther"),
    "success rate in percent": (threshold(ALERTS[0], 90), "threshold"),
    "success rate of 1": (threshold(ALERTS[0], 1), "threshold"),
    "success rate of 0": (threshold(ALERTS[0], 0), "threshold"),
    "negative success rate": (threshold(ALERTS[0], -0.1), "threshold"),
    "success rate as text": (threshold(ALERTS[0], "0.9"), "threshold"),
    "success rate with a sign": (threshold(ALERTS[0], "90%"), "threshold"),
    "error rate in percent": (threshold(ALERTS[1], 5), "threshold"),
    "error rate of 0": (threshold(ALERTS[1], 0), "threshold"),
    "queue depth as a ratio": (threshold(ALERTS[2], 0.5), "threshold"),
    "queue depth of 0": (threshold(ALERTS[2], 0), "threshold"),
    "unknown unit": ({"rules": {"unit": "percentage"}}, "unit"),
    "duration in words": ({"rules": {"alerts": {ALERTS[0]: {"for": "2 minutes"}}}}, "for"),
    "duration as a number": ({"rules": {"alerts": {ALERTS[0]: {"for": 120}}}}, "for"),
    "selector that is none": ({"rules": {"selector": "denis"}}, "selector"),
    "selector that ends the braces": ({"rules": {"selector": 'job="a"} or vector(1'}}, "selector"),
    "label that causes acts": ({"rules": {"alertLabels": {"remediation": "rollback"}}}, "remediation"),
    "unknown mode": (rollback(mode="off"), "mode"),
    "no cooldown": (rollback(cooldown="0s"), "cooldown"),
    "budget of 0": (rollback(budget={"acts": 0}), "acts"),
    "budget that the ledger cannot count": (rollback(budget={"acts": 21}), "acts"),
    "phase of no step": (phase(percentage=5), "percentage"),
    "phase of 0 %": (phase(percentage=0), "percentage"),
    "phase without an end": (phase(hold="0s"), "hold"),
    "phase with a success rate in percent": (phase(min_success_rate=95), "min_success_rate"),
    "phase with an error rate in percent": (phase(max_error_rate=5), "max_error_rate"),
    "phase with an error rate of 1": (phase(max_error_rate=1), "max_error_rate"),
    "phase with an error rate in small print": (phase(max_error_rate=0.00001), "max_error_rate"),
    "phase with a latency in milliseconds": (phase(max_latency_p99=500), "max_latency_p99"),
    "phase with an unknown key": (phase(wait="1h"), "wait"),
    "schedule that is none": (promotion(schedule="hourly"), "schedule"),
    "time zone by its offset": (promotion(timeZone="+01:00"), "timeZone"),
    "time zone of each machine": (promotion(timeZone="Local"), "timeZone"),
    "Prometheus without a scheme": (promotion(prometheusUrl="prometheus:9090"), "prometheusUrl"),
    "Alertmanager by another scheme": (promotion(alertmanagerUrl="tcp://alertmanager:9093"), "alertmanagerUrl"),
    "settings by a path": (promotion(httpConfig={"existingSecret": "x", "key": "../http.yaml"}), "key"),
    "settings without a Secret's name": (promotion(httpConfig={"secret": "x"}), "secret"),
    "unknown key of the promotion": (promotion(url="http://prometheus"), "url"),
    "remediation of one's own without matchers": (further(without="matchers"), "matchers"),
    "with matchers that are none": (further(matchers=["remediation"]), "matchers"),
    "with an empty list of matchers": (further(matchers=[]), "matchers"),
    "with two matchers in one": (further(matchers=['a="b", c="d"']), "matchers"),
    "with a matcher without quotes": (further(matchers=["a=b"]), "matchers"),
    "without a target": (further(without="target"), "target"),
    "without a cooldown": (further(without="cooldown"), "cooldown"),
    "without a budget": (further(without="budget"), "budget"),
    "that raises the percentage": (further(set_percentage=10), "set_percentage"),
    "that scales without a maximum": (further(scale={"step": 1}), "max"),
    "with an unknown key of its own": (further(targets="api"), "targets"),
    "with a name over 63 characters": (
        {**further(), "remediations": {"r" * 64: further()["remediations"]["other"]}},
        "r" * 64,
    ),
    "with a name in words": ({**further(), "remediations": {"my own": further()["remediations"]["other"]}}, "my own"),
    "target of one's own without a Deployment": ({"targets": {"api": {"namespace": "api"}}}, "deployment"),
    "with a Deployment's name over 63": ({"targets": {"api": {"namespace": "a", "deployment": "d" * 64}}}, "api"),
    "named in capitals": ({"targets": {"API": {"namespace": "api", "deployment": "api"}}}, "API"),
    "named over 63 characters": ({"targets": {"t" * 64: {"namespace": "a", "deployment": "a"}}}, "t" * 64),
    "with an unknown key": ({"targets": {"api": {"namespace": "a", "deployment": "a", "kind": "x"}}}, "kind"),
    "no canary": ({"targets": {"denis": None}}, "denis"),
    "no remediation": ({"remediations": {"rollback": None, "scale-workers": None}}, "remediations"),
    "group of rules without a name": (group(name=""), "name"),
    "group without rules": (group(rules=[]), "rules"),
    "rule that neither alerts nor records": (group(rules=[{"expr": "vector(1)"}]), "rules"),
    "rule without an expression": (group(rules=[{"alert": "A"}]), "expr"),
    "rule with an unknown key": (group(rules=[{"alert": "A", "expr": "vector(1)", "fro": "2m"}]), "fro"),
    "step of 0": (scale(step=0), "step"),
    "no maximum": (scale(max=0), "max"),
    "target without a container": ({"targets": {"denis": {"container": ""}}}, "container"),
    "target in capitals": ({"targets": {"denis": {"deployment": "Denis"}}}, "deployment"),
    "name over 63 characters": ({"fullnameOverride": "n" * 64}, "fullnameOverride"),
    "name in capitals": ({"nameOverride": "Reflex"}, "nameOverride"),
    "label over 63 characters": ({"commonLabels": {"team": "t" * 64}}, "team"),
    "dashboard's label as a number": ({"dashboard": {"labels": {"grafana_dashboard": 1}}}, "grafana_dashboard"),
    "short token": ({"auth": {"token": "secret"}}, "token"),
    "token in two lines": ({"auth": {"token": "0123456789abcdef\n0123456789abcdef"}}, "token"),
    "no key": ({"auth": {"keys": []}}, "keys"),
    "key that is a path": ({"auth": {"keys": ["../token"]}}, "keys"),
    "unknown kind of credentials": ({"auth": {"type": "oauth"}}, "type"),
    "digest that is none": ({"image": {"digest": "latest"}}, "digest"),
    "liveness that has to be seen twice": ({"livenessProbe": {"successThreshold": 2}}, "successThreshold"),
    "readiness that kills": ({"readinessProbe": {"terminationGracePeriodSeconds": 9}}, "terminationGracePeriodSeconds"),
    "port 0": ({"service": {"port": 0}}, "port"),
    "everybody may post": ({"networkPolicy": {"alertmanager": []}}, "alertmanager"),
    "API server's address without a mask": (
        {"networkPolicy": {"apiServer": {"cidrs": ["192.0.2.1"]}}},
        "cidrs",
    ),
}

CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a target that is not there": (
        further(target="apj"),
        'remediations.other.target: "apj" is not one of targets (api, denis, denis-workers)',
    ),
    "a target that was taken away": (
        {"targets": {"denis-workers": None}},
        'remediations.scale-workers.target: "denis-workers" is not one of targets (denis)',
    ),
    "a percentage without a container": (
        further(target="denis-workers"),
        "remediations.other.set_percentage: needs targets.denis-workers.container",
    ),
    "both effects": (further(scale={"step": 1, "max": 2}), "remediations.other: needs exactly one of"),
    "no effect": (further(without="set_percentage"), "remediations.other: needs exactly one of"),
    "a maximum of one's own below the minimum": (
        further(without="set_percentage", scale={"step": 1, "min": 3, "max": 2}),
        "remediations.other.scale: max 2 is below min 3",
    ),
    "a budget within the cooldown": (
        rollback(cooldown="25h"),
        "remediations.rollback.budget.window: 24h is shorter than the cooldown 25h",
    ),
    "a budget of one's own within the cooldown": (
        further(budget={"acts": 3, "window": "29m59s"}),
        "remediations.other.budget.window: 29m59s is shorter than the cooldown 30m",
    ),
    "matchers that match everything": (
        further(matchers=['remediation=~".*"', 'team!="x"']),
        "remediations.other.matchers: match alerts without any label too",
    ),
    "matchers of the rollback that match everything": (
        rollback(matchers=['remediation!="scale"']),
        "remediations.rollback.matchers: match alerts without any label too",
    ),
    "a regular expression that is none": (
        further(matchers=['remediation=~"(rollback"']),
        'remediations.other.matchers: remediation=~"(rollback" is not a regular expression',
    ),
    "alerts that another one answers": (
        further(target="denis", matchers=['severity="critical"', 'remediation="rollback"']),
        "remediations.other.matchers: remediations.rollback comes first and answers all these alerts",
    ),
    "a Deployment twice": (
        {"targets": {"again": {"namespace": "denis", "deployment": "denis"}}},
        "targets.denis: is the Deployment denis/denis of targets.again already",
    ),
    "a group of the chart's name": (group(name="denis"), "rules.extraGroups[0].name: denis is the name of another"),
    "alerts that are about another namespace": (
        {"rules": {"alertLabels": {"namespace": "other"}}},
        'rules.alertLabels.namespace: is "other", but targets.denis.namespace is "denis"',
    ),
    "rules that look elsewhere": (
        {"rules": {"selector": 'job="denis", namespace="other"'}},
        "rules.selector: leaves out the namespace denis of targets.denis",
    ),
    "rules that look everywhere else": (
        {"rules": {"selector": 'namespace!~"denis|x",job="denis"'}},
        "rules.selector: leaves out the namespace denis of targets.denis",
    ),
    "promotion without the remediation that takes it back": (
        {**promotion(), "remediations": {"rollback": None}},
        "promotion.enabled: remediations.rollback.mode is observe, or the remediation gone",
    ),
    "nameless cluster": ({"cluster": {"required": True}}, "cluster.name: is empty, but cluster.required is true"),
    "label of another cluster": (
        {"cluster": {"name": "eu-1"}, "rules": {"alertLabels": {"cluster": "eu-2"}}},
        'rules.alertLabels.cluster: is "eu-2", but cluster.name is "eu-1"',
    ),
    "users without a Secret": ({"auth": {"type": "basic"}}, "auth.existingSecret: is needed"),
    "two Secrets": ({"auth": {"token": "0" * 16, "existingSecret": "s"}}, "auth.token: is for the Secret"),
    "client CA without TLS": ({"tls": {"clientCAKey": "ca.crt"}}, "tls.clientCAKey: needs tls.existingSecret"),
    "one port for both": ({"service": {"port": 9090}}, "service.internalPort: 9090 is the webhook's port too"),
    "a scrape longer than its interval": (
        {"serviceMonitor": {"interval": "5s"}},
        "serviceMonitor.scrapeTimeout: 10s is longer than the interval 5s",
    ),
    "a volume with the chart's own name": (
        {"extraVolumes": [{"name": "config", "emptyDir": {}}]},
        "extraVolumes: the chart has a volume config of its own",
    ),
    "a mount at the chart's own place": (
        {"extraVolumeMounts": [{"name": "mine", "mountPath": "/etc/remediator/config"}]},
        "extraVolumeMounts: the chart mounts something at /etc/remediator/config itself",
    ),
    "too little time to stop": ({"preStopSleepSeconds": 10}, "terminationGracePeriodSeconds: 30 is too short"),
    "maximum below the minimum": (scale(min=9, max=8), "remediations.scale-workers.scale: max 8 is below min 9"),
    "phases that fall": (
        {"phases": [*phase(percentage=50)["phases"], *phase(percentage=10)["phases"]]},
        "phases[1].percentage: 10 is not above 50",
    ),
    "a phase twice": (
        {"phases": phase()["phases"] * 2},
        "phases[1].percentage: 1 is not above 1",
    ),
    "promotion in the dark": (promotion(prometheusUrl=""), "promotion.prometheusUrl: is required"),
    "promotion without phases": ({**promotion(), **phase(percentage=100)}, "promotion.enabled: phases names no step"),
    "promotion that nobody takes back": (
        {**promotion(), **rollback(mode="observe")},
        "promotion.enabled: remediations.rollback.mode is observe",
    ),
    "one service account for both": (
        {**promotion(), "serviceAccount": {"name": "remediator-promoter"}},
        "serviceAccount.name: is the name of the promoter's",
    ),
    "nobody's service account": ({"serviceAccount": {"create": False}}, "serviceAccount.name: name a service account"),
    "everybody's service account": (
        {"serviceAccount": {"create": False, "name": "default"}},
        "serviceAccount.name: name a service account",
    ),
    "token in another namespace": (
        {"alertmanagerConfig": {"enabled": True, "namespace": "monitoring"}},
        "alertmanagerConfig.tokenSecret: is needed",
    ),
    "Alertmanager without a password": (
        {"alertmanagerConfig": {"enabled": True}, "auth": {"type": "basic", "existingSecret": "s"}},
        "alertmanagerConfig.enabled: the AlertmanagerConfig sends a token",
    ),
    "Alertmanager without the CA": (
        {"alertmanagerConfig": {"enabled": True}, "tls": {"existingSecret": "s"}},
        "alertmanagerConfig.tlsConfig: is needed",
    ),
}


@pytest.mark.parametrize(("values", "named"), SCHEMA.values(), ids=SCHEMA)
def test_schema_refuses(helm: Helm, values: dict[str, Any], named: str) -> None:
    """A value of the wrong type, outside of its unit, or under an unknown key is refused by its name."""
    with pytest.raises(Refused) as error:
        helm.render(values)
    assert named in str(error.value)
    assert "schema" in str(error.value) or "values don't meet" in str(error.value)


@pytest.mark.parametrize(("values", "message"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradiction_is_refused(helm: Helm, values: dict[str, Any], message: str) -> None:
    """What no schema sees is refused with the value's name, what is wrong, and what to do."""
    with pytest.raises(Refused) as error:
        helm.render(values)
    assert message in str(error.value).replace('\\"', '"')


def test_old_kubernetes_is_refused_with_the_policy(helm3: Helm3) -> None:
    """1.29 has no ValidatingAdmissionPolicy: the chart says so instead of leaving it out, and obeys if told to."""
    place: dict[str, Any] = {"name": "remediator", "namespace": "denis", "chart": CHART, "version": "1.29.9"}
    with pytest.raises(Refused, match=r"admissionPolicy\.enabled: Kubernetes v1\.29\.9 has no"):
        helm3.template({}, **place)
    without = helm3.template({"admissionPolicy": {"enabled": False}}, **place)
    assert not any("admissionpolicy" in path for path in without)


def test_managed_kubernetes_is_accepted(helm3: Helm3) -> None:
    """The suffix of a managed cluster's version is no reason to refuse, and 1.26 is."""
    place: dict[str, Any] = {"name": "remediator", "namespace": "denis", "chart": CHART}
    assert any("admissionpolicy" in path for path in helm3.template({}, **place, version="1.30.1-eks-a1b2c3"))
    with pytest.raises(Refused, match="incompatible with Kubernetes"):
        helm3.template({}, **place, version="1.26.0")


SAFE = {
    "cluster": {"name": "eu-1"},
    "networkPolicy": {"enabled": True},
}
WARNINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no fence": ({"cluster": {"name": ""}}, "cluster.name is empty"),
    "nobody is asked": ({"auth": {"type": "none"}}, "auth.type is none"),
    "token in the values": ({"auth": {"token": "0" * 16}}, "auth.token is readable"),
    "no policy": ({"admissionPolicy": {"enabled": False}}, "admissionPolicy.enabled is false"),
    "open network": ({"networkPolicy": {"enabled": False}}, "networkPolicy.enabled is false"),
    "one replica": ({"replicaCount": 1}, "replicaCount is 1"),
    "dry run": ({"dryRun": True}, "dryRun is true"),
    "promoted without a person": (promotion(), "promotion.enabled is true: the canary is raised without a person"),
    "observing": (rollback(mode="observe"), "remediations.rollback.mode is observe"),
    "no alert for a remediation": (further(), "no alert of these rules leads to remediations.other"),
    "repeats too late": (
        {"alertmanagerConfig": {"enabled": True, "repeatInterval": "1h"}},
        "alertmanagerConfig.repeatInterval is more than half of remediations.rollback.cooldown",
    ),
    "alerts of another namespace": (
        {"alertmanagerConfig": {"enabled": True}, "targets": {"denis": {"namespace": "canary"}}},
        "alertmanagerConfig.namespace is not canary",
    ),
}


def test_notes_tell_the_next_three_commands(helm4: Helm4) -> None:
    """After an installation, there are three commands to go on with, and nothing to mind."""
    notes = helm4.notes(SAFE)
    commands = [line.strip() for line in notes.splitlines() if line.strip().startswith("kubectl ")]
    assert len(commands) == 3
    assert "Mind:" not in notes
    assert "http://remediator.denis.svc:8080/webhook" in notes


@pytest.mark.parametrize(("values", "warning"), WARNINGS.values(), ids=WARNINGS)
def test_notes_warn_of_an_unsafe_value(helm4: Helm4, values: dict[str, Any], warning: str) -> None:
    """Each unsafe value has a warning, and a safe one has none."""
    assert f"* {warning}" in helm4.notes(changed(SAFE, **values))


def test_generated_tokens_are_long_and_differ(helm3: Helm3) -> None:
    """Two installations never have the same token."""
    tokens = {str(of_kind(helm3.render_again({}), "Secret")[0]["data"]["token"]) for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) == 64 for token in tokens)
