"""`remediator doctor` with every link real: the healthy chain, and each sabotage, which turns the link it broke."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.loopback import send_json
from demo.shipped import remediators_route
from demo.stack import Alertmanager, Remediator
from demo.waiting import until
from remediator.core.ledger import KILL_SWITCH, PAUSE, Pause, encode_pause
from tests.chart.chain import CLUSTER, Chain
from tests.chart.helm import Helm3
from tests.chart.installation import RELEASE, SECONDS, Installation, values_for
from tests.support.commands import run
from tests.support.components import component
from tests.support.stand_in import StandIn

GetChain = Callable[[str], Chain]


@pytest.fixture(scope="session")
def get_chain(release: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GetChain]:
    """The chain with Prometheus and Alertmanager of an age, started when it is first asked for."""
    with ExitStack() as stack:
        chains: dict[str, Chain] = {}

        def get(age: str) -> Chain:
            if age not in chains:
                service = next(one for who, one in release.items() if who.name == RELEASE)
                chains[age] = stack.enter_context(Chain.beside(service, age, tmp_path_factory.mktemp(age)))
            return chains[age]

        yield get


@pytest.fixture
def chain(get_chain: GetChain) -> Chain:
    """The chain with the newest programs, healthy."""
    return get_chain("newest")


def stored(chain: Chain) -> dict[str, str]:
    """The resource versions of everything in the namespace that anyone could write to."""
    api, namespace = chain.installation.plane.api, chain.installation.namespace
    kinds = (
        "apis/apps/v1/{}/deployments",
        "api/v1/{}/configmaps",
        "apis/events.k8s.io/v1/{}/events",
        "api/v1/{}/secrets",
    )
    found = {}
    for kind in kinds:
        for item in api.get(f"/{kind.format(f'namespaces/{namespace}')}").body["items"]:
            found[f"{kind} {item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_a_healthy_chain_is_all_ok_and_nothing_is_written(get_chain: GetChain, age: str) -> None:
    """Every link is ok, each says how it was proved, and all resource versions are as before."""
    chain = get_chain(age)
    before = stored(chain)
    code, chains = chain.doctor()

    assert code == 0
    assert not chain.bad()
    assert stored(chain) == before
    assert list(chains) == ["rollback", "scale-workers", "people"]
    assert {link["proof"] for links in chains.values() for link in links.values() if link["passed"]} == {"d", "a", "f"}
    assert chains["people"]["certificates"]["found"].startswith("the first to end is that of the API server, in ")
    lasts = chains["rollback"]["time to safe"]["found"]
    assert lasts.startswith("a bad canary stays for at ")
    assert "scrape 500ms + evaluation 500ms + for 1s + group_wait 300ms" in lasts
    assert chains["rollback"]["dry run"]["proof"] == chains["rollback"]["refusals"]["proof"] == "d"


def test_what_a_person_reads(chain: Chain) -> None:
    """Each remediation in a sentence, its links, and whether it is armed; --short leaves out what is ok."""
    shown = run("doctor", *chain.flags(), config=chain.config).stdout
    lines = shown.splitlines()
    assert lines[0].startswith(f"Cluster {CLUSTER}, ")
    assert any(line.endswith(f"-> canary {chain.installation.namespace}/denis to 0 %") for line in lines)
    assert "  ok  d  dry run" in shown

    short = run("doctor", "--short", *chain.flags(), config=chain.config).stdout
    assert "  ok  " not in short
    assert "rollback: " in short
    assert short.splitlines()[-1] == lines[-1]


Sabotage = Callable[[Chain], AbstractContextManager[None]]
SABOTAGES: dict[str, tuple[Sabotage, set[tuple[str, str]], str, str]] = {}
"""By name: how to break it, the links that turn, what is found, and the remedy."""

BOTH = ("rollback", "scale-workers")


def sabotage(*links: tuple[str, str], found: str, remedy: str) -> Callable[[Sabotage], Sabotage]:
    """Registers one."""

    def register(break_it: Sabotage) -> Sabotage:
        SABOTAGES[break_it.__name__] = (break_it, set(links), found, remedy)
        return break_it

    return register


def of_both(link: str) -> tuple[tuple[str, str], ...]:
    """The link of both remediations."""
    return tuple((chain, link) for chain in BOTH)


def policy_name(installation: Installation) -> str:
    """Of the admission policy of the service's account, and of its binding."""
    listed = json.loads(installation.plane.kubectl("get", "validatingadmissionpolicies", "-o", "json"))["items"]
    names = [str(one["metadata"]["name"]) for one in listed]
    return next(one for one in names if one.startswith(installation.namespace) and not one.endswith("promoter"))


BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


@sabotage(*of_both("refusals"), found="the admission policy does not hold", remedy="admissionPolicy.enabled=true")
@contextmanager
def the_binding_only_warns(chain: Chain) -> Iterator[None]:
    path = f"{BINDINGS}/{policy_name(chain.installation)}"
    with chain.changed(path, {"spec": {"validationActions": ["Warn"]}}, {"spec": {"validationActions": ["Deny"]}}):
        yield


@sabotage(*of_both("refusals"), found="the admission policy does not hold", remedy="admissionPolicy.enabled=true")
@contextmanager
def the_binding_is_gone(chain: Chain) -> Iterator[None]:
    api, path = chain.installation.plane.api, f"{BINDINGS}/{policy_name(chain.installation)}"
    binding = api.get(path).body
    assert api.delete(path).code == 200
    try:
        yield
    finally:
        del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
        assert api.post(BINDINGS, binding).code == 201


@sabotage(*of_both("dry run"), found="403", remedy="helm upgrade restores the Role")
@contextmanager
def the_right_to_patch_is_gone(chain: Chain) -> Iterator[None]:
    namespace = chain.installation.namespace
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/{RELEASE}"
    rules = chain.installation.plane.api.get(path).body["rules"]
    less = [rule for rule in rules if rule["verbs"] != ["patch"]]
    with chain.changed(path, {"rules": less}, {"rules": rules}):
        yield


@sabotage(("scale-workers", "autoscaler"), found="AutoscalerOwned", remedy="leave the replicas to it, or remove it")
@contextmanager
def an_autoscaler_owns_the_workers(chain: Chain) -> Iterator[None]:
    api, namespace = chain.installation.plane.api, chain.installation.namespace
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    about = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "denis-workers"}
    made = {"metadata": {"name": "workers"}, "spec": {"maxReplicas": 9, "minReplicas": 4, "scaleTargetRef": about}}
    assert api.post(path, made).code == 201
    try:
        yield
    finally:
        assert api.delete(f"{path}/workers").code == 200


@sabotage(("rollback", "now"), found="Paused: paused by ada", remedy="remediator resume denis")
@contextmanager
def a_person_has_paused_the_canary(chain: Chain) -> Iterator[None]:
    pause = Pause(reason="a load test", author="ada", until=datetime.now(UTC) + timedelta(hours=1))
    with chain.annotated("denis", **{PAUSE: encode_pause(pause)}):
        yield


@sabotage(("scale-workers", "now"), found="KillSwitchOn", remedy="remediator kill-switch off")
@contextmanager
def the_kill_switch_is_on(chain: Chain) -> Iterator[None]:
    with chain.annotated("denis-workers", **{KILL_SWITCH: '{"reason":"bad","author":"ada"}'}):
        yield


@sabotage(("rollback", "target"), found="the Deployment is paused", remedy="describe deployment/denis")
@contextmanager
def the_rollout_is_paused(chain: Chain) -> Iterator[None]:
    path = chain.installation.site("denis").path
    with chain.changed(path, {"spec": {"paused": True}}, {"spec": {"paused": None}}):
        yield


def prometheus_file(name: str) -> Callable[[Callable[[Any], None]], Sabotage]:
    """A sabotage that changes a file of Prometheus's."""
    return lambda edit: lambda chain: chain.file(chain.prometheus, name, edit)


def rule_of(document: Any, name: str) -> Any:
    """A rule by the name of its alert or record."""
    rules = document["groups"][0]["rules"]
    return next(rule for rule in rules if name in (rule.get("alert"), rule.get("record")))


def _other_cluster(document: Any) -> None:
    document["global"]["external_labels"] = {"cluster": "eu-2"}


def _no_cluster(document: Any) -> None:
    del document["global"]["external_labels"]


def _dropped_label(document: Any) -> None:
    document["alerting"]["alert_relabel_configs"] = [{"action": "labeldrop", "regex": "clus.*"}]


def _other_dropped_label(document: Any) -> None:
    document["alerting"]["alert_relabel_configs"] = [{"action": "labeldrop", "regex": "prometheus_replica"}]


def _no_alert(document: Any) -> None:
    document["groups"][0]["rules"].remove(rule_of(document, "DenisErrorRateHigh"))


def _other_threshold(document: Any) -> None:
    rule = rule_of(document, "DenisErrorRateHigh")
    rule["expr"] = rule["expr"].replace("0.05", "0.5")


def _no_record(document: Any) -> None:
    document["groups"][0]["rules"].remove(rule_of(document, "denis:unit_contradicted"))


def _no_people(document: Any) -> None:
    document["groups"][0]["rules"].remove(rule_of(document, "RemediatorRolledBack"))


LABELS = "external labels"
PROMETHEUS: dict[str, tuple[str, Callable[[Any], None], set[tuple[str, str]], str, str]] = {
    "external label of another cluster": (
        "prometheus.json",
        _other_cluster,
        {*of_both(LABELS)},
        'adds cluster="eu-2"',
        "set external_labels",
    ),
    "no external label": (
        "prometheus.json",
        _no_cluster,
        {*of_both(LABELS)},
        "adds no label cluster",
        "set external_labels",
    ),
    "label dropped on the way": (
        "prometheus.json",
        _dropped_label,
        {*of_both(LABELS)},
        "adds no label cluster",
        "set external_labels",
    ),
    "the operator's replica label dropped": ("prometheus.json", _other_dropped_label, set(), "", ""),
    "an alert that is not loaded": (
        "denis.rules.yaml",
        _no_alert,
        {("rollback", "DenisErrorRateHigh")},
        "it is not loaded",
        "rules/denis.rules.yaml",
    ),
    "another threshold": (
        "denis.rules.yaml",
        _other_threshold,
        {("rollback", "rule text")},
        "DenisErrorRateHigh differs from",
        "or change the file",
    ),
    "a record that is not loaded": (
        "denis.rules.yaml",
        _no_record,
        {*of_both("rule text")},
        "denis:unit_contradicted, which",
        "denis.rules.yaml",
    ),
    "an alert for people that is not loaded": (
        "remediator.rules.yaml",
        _no_people,
        {("people", "people's alerts")},
        "RemediatorRolledBack not loaded",
        "rules/*.rules.yaml",
    ),
}


def _ours(document: Any) -> Any:
    return remediators_route(document)


def _no_route(document: Any) -> None:
    document["route"]["routes"] = [route for route in document["route"]["routes"] if route["receiver"] != "remediator"]


def _other_namespace(document: Any) -> None:
    _ours(document)["matchers"] = ['remediation=~".+"', 'namespace="staging"']


def _muted(document: Any) -> None:
    document["time_intervals"] = [
        {"name": "nights", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]}
    ]
    _ours(document)["mute_time_intervals"] = ["nights"]


def _cut(document: Any) -> None:
    receiver = next(one for one in document["receivers"] if one["name"] == "remediator")
    receiver["webhook_configs"][0]["max_alerts"] = 2


def _slow(document: Any) -> None:
    _ours(document)["group_wait"] = "5m"


def _inhibited(document: Any) -> None:
    document["inhibit_rules"] = [
        {"source_matchers": ["alertname=Watchdog"], "target_matchers": ["remediation=rollback"]}
    ]


def _nobody(document: Any) -> None:
    document["receivers"][0].pop("pagerduty_configs")


ALERTMANAGER: dict[str, tuple[Callable[[Any], None], set[tuple[str, str]], str, str]] = {
    "no route": (_no_route, {*of_both("route")}, "goes to on-call", "rules/alertmanager.yaml"),
    "a matcher of another namespace": (
        _other_namespace,
        {*of_both("route")},
        "goes to on-call",
        "rules/alertmanager.yaml",
    ),
    "a mute time interval": (_muted, {*of_both("muting")}, "mutes the route now", "remove it from this route"),
    "max_alerts": (_cut, {*of_both("route")}, "cuts alerts off", "set max_alerts to 0"),
    "a long group_wait": (_slow, {*of_both("timing")}, "group_wait 5m is longer", "use the timing"),
    "an inhibition": (_inhibited, {("rollback", "inhibitions")}, "can inhibit Denis", "give our alerts"),
    "a receiver that notifies no one": (
        _nobody,
        {("people", "people's route")},
        "goes to on-call, which notifies no one",
        "add a notification to that receiver",
    ),
}


def assert_turned(chain: Chain, links: set[tuple[str, str]], found: str, remedy: str) -> None:
    """Exactly these links are not ok, each with these words, once it has taken effect."""
    bad: dict[tuple[str, str], Any] = {}

    def turned() -> bool:
        bad.clear()
        bad.update(chain.bad())
        return set(bad) == links

    with suppress(TimeoutError):
        until("the links have turned", turned, SECONDS)
    assert set(bad) == links, bad
    for link in bad.values():
        assert found in link["found"], link
        assert remedy in link.get("remedy", ""), link


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_sabotage_on_the_cluster_turns_one_link(chain: Chain, name: str) -> None:
    """What breaks on the API server is found where it broke, and afterwards all is ok."""
    break_it, links, found, remedy = SABOTAGES[name]
    with break_it(chain):
        assert_turned(chain, links, found, remedy)
    until("all is well again", lambda: not chain.bad(), SECONDS)


@pytest.mark.parametrize("name", PROMETHEUS)
def test_a_sabotage_of_prometheus_turns_one_link(chain: Chain, name: str) -> None:
    """What is wrong in Prometheus's files is found by asking it."""
    file, edit, links, found, remedy = PROMETHEUS[name]
    with chain.file(chain.prometheus, file, edit):
        assert_turned(chain, links, found, remedy)


@pytest.mark.parametrize("name", ALERTMANAGER)
def test_a_sabotage_of_alertmanager_turns_one_link(chain: Chain, name: str) -> None:
    """What is wrong in Alertmanager's file is found in what it has loaded."""
    edit, links, found, remedy = ALERTMANAGER[name]
    with chain.file(chain.alertmanager, "alertmanager.yaml", edit):
        assert_turned(chain, links, found, remedy)


def another(chain: Chain, name: str, *flags: str, **files: str) -> Remediator:
    """A second replica, with files of its own."""
    directory = chain.directory / name
    directory.mkdir(exist_ok=True)
    config = directory / "remediations.yaml"
    config.write_text(files.get("config", chain.config.read_text()))
    cluster = [f"--kubeconfig={chain.installation.kubeconfig}", f"--cluster={CLUSTER}", *flags]
    return Remediator(directory, token_files=[chain.token], cluster=cluster, config=config)


@pytest.mark.parametrize(
    ("name", "flags", "change", "found"),
    [
        ("an-old-policy", (), ("cooldown: 30m", "cooldown: 45m"), "its rollback has cooldown 45m, wanted is 30m"),
        ("a-dry-run", ("--dry-run",), ("", ""), "it runs with --dry-run"),
        ("another-fence", ("--cluster=eu-2",), ("", ""), "its fence is cluster 'eu-2', wanted is 'eu-1'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_replica_is_asked(
    chain: Chain, name: str, flags: tuple[str, ...], change: tuple[str, str], found: str
) -> None:
    """One replica of two that would do something else is found, and named by when it was started."""
    text = yaml.safe_load(chain.config.read_text())
    config = yaml.safe_dump(text, sort_keys=False).replace(*change, 1) if change[0] else chain.config.read_text()
    with another(chain, name, *flags, config=config) as second:
        second.ready()
        until("it has read its targets", lambda: all(one["observedAt"] for one in second.status()["targets"]), SECONDS)
        _, chains = chain.doctor(f"--remediator.url=http://{second.internal_address}")
    bad = {link: one for link, one in chains["rollback"].items() if one["state"] == "x"}
    assert list(bad) == ["service"]
    assert found in bad["service"]["found"]
    assert bad["service"]["found"].startswith("the replica that runs since ")


def test_every_alertmanager_is_asked(chain: Chain, tmp_path: Path) -> None:
    """A second Alertmanager that has the old configuration is found, and named."""
    config = yaml.safe_dump({"route": {"receiver": "old"}, "receivers": [{"name": "old"}]})
    program = component("alertmanager-newest", "prometheus-alertmanager")
    with Alertmanager(program, tmp_path, config=config).ready() as second:
        _, chains = chain.doctor(f"--alertmanager.url=http://{second.address}")
    route = chains["rollback"]["route"]
    assert (route["state"], "goes to old" in route["found"]) == ("x", True)
    assert route["found"].startswith(f"http://{second.address}: ")


def test_a_silence_is_found_with_its_author(chain: Chain) -> None:
    """A silence on one of two alerts, as by a person before a load test."""
    ends = datetime.now(UTC) + timedelta(hours=1)
    matcher = {"name": "alertname", "value": "DenisErrorRateHigh", "isRegex": False, "isEqual": True}
    times = {"startsAt": datetime.now(UTC).isoformat(), "endsAt": ends.isoformat()}
    silence = {"matchers": [matcher], **times, "createdBy": "ada", "comment": "load test"}
    made = send_json(f"http://{chain.alertmanager.address}/api/v2/silences", silence)
    assert_turned(
        chain, {("rollback", "silences")}, "by ada keeps DenisErrorRateHigh from being sent", "amtool silence"
    )
    identity = made["silenceID"]
    send_json(f"http://{chain.alertmanager.address}/api/v2/silence/{identity}", None, method="DELETE")
    until("all is well again", lambda: not chain.bad(), SECONDS)


IMPERSONATING = {"create": True, "impersonate": True, "serviceAccount": {"create": True}}

NOBODY = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("flag", "links"),
    [
        ("--prometheus.url", {*of_both("prometheus"), ("people", "people's alerts")}),
        ("--alertmanager.url", {*of_both("route"), ("people", "people's route")}),
        ("--remediator.url", {*of_both("service")}),
    ],
)
def test_who_is_away_turns_what_it_would_have_said(chain: Chain, flag: str, links: set[tuple[str, str]]) -> None:
    """A program that does not answer is one link of each chain, and the others are still checked."""
    chain.given[flag] = NOBODY
    try:
        assert_turned(chain, links, "no connection", "")
    finally:
        del chain.given[flag]


def test_what_was_not_given_is_a_question(chain: Chain) -> None:
    """Without flags every link that has to be asked is ?, which only --require-all counts."""
    for flag in ("--prometheus.url", "--alertmanager.url", "--remediator.url"):
        chain.given[flag] = ""
    try:
        code, chains = chain.doctor()
        assert (code, chain.doctor("--require-all")[0]) == (0, 3)
    finally:
        chain.given.clear()
    unknown = [(link["link"], link["remedy"]) for link in chains["rollback"].values() if link["state"] == "?"]
    assert [name for name, _ in unknown] == ["prometheus", "route", "service"]
    assert all(remedy.startswith("give --") for _, remedy in unknown)


def test_who_may_not_impersonate_is_told_what_to_grant(chain: Chain) -> None:
    """With the chart's rights for people, the dry runs are ? with what to grant, and all else is checked."""
    installation = chain.installation
    people = installation.plane.service_account_kubeconfig(installation.namespace, f"{RELEASE}-operator")
    chain.given["--kubeconfig"] = str(people)
    try:
        code, chains = chain.doctor()
        bad = chain.bad()
    finally:
        chain.given.clear()
    assert code == 0
    assert set(bad) == {*of_both("dry run"), *of_both("refusals")}
    assert all("operator.impersonate=true" in link["remedy"] for link in bad.values())
    assert chains["rollback"]["dry run"]["found"].startswith("not checked: you may not impersonate ")


def test_a_probe_arrives_and_nothing_is_done(chain: Chain) -> None:
    """A heartbeat of doctor's own goes through the real Alertmanager; it is proved by doing, and no act follows."""
    before = chain.remediator.metric("remediator_outcomes_total", reason="Heartbeat")
    _, chains = chain.doctor("--probe")
    beat = chains["rollback"]["heartbeat"]
    assert (beat["state"], beat["proof"]) == ("ok", "d")
    assert beat["found"].startswith("a probe arrived after ")
    assert chain.remediator.metric("remediator_outcomes_total", reason="Heartbeat") > before
    assert chain.remediator.metric("remediator_outcomes_total", reason="Applied") == 0


def test_a_remediator_that_knows_no_heartbeats_is_sent_none(chain: Chain) -> None:
    """An older one could take a heartbeat for what its matchers ask for, so nothing is posted."""
    status = {"status": "success", "data": {"version": "0.0.9", "notifications": {"since": "2026-11-23T12:00:00Z"}}}
    before = [one for one in chain.alertmanager.alerts() if "probe" in one["labels"]]
    with StandIn({"/-/ready": "ready", "/api/v1/status": json.dumps(status)}) as old:
        chain.given["--remediator.url"] = old.url
        try:
            _, chains = chain.doctor("--probe")
        finally:
            chain.given.clear()
    beat = chains["rollback"]["heartbeat"]
    assert (beat["state"], "does not report heartbeats" in beat["found"]) == ("?", True)
    assert [one for one in chain.alertmanager.alerts() if "probe" in one["labels"]] == before


def test_the_release_says_how_it_runs(chain: Chain) -> None:
    """Of the chart's own ConfigMap and Deployment: the rules, no cluster filter, and the service's account."""
    chain.given = {"--cluster": "", "--release": RELEASE, "--namespace": chain.installation.namespace}
    try:
        _, chains = chain.doctor()
    finally:
        chain.given = {}
    found = {name: link["found"] for name, link in chains["rollback"].items()}
    place = f"ConfigMap {RELEASE} in namespace {chain.installation.namespace}"
    # The rules of this chain are those of the release at another pace.
    assert found["rule text"].startswith(f"denis:signal differs from denis.rules.yaml of {place}: ")
    assert found["external labels"] == "no cluster filter (the fence): alerts of every cluster count"
    assert f"from system:serviceaccount:{chain.installation.namespace}:{RELEASE} " in found["dry run"]
    assert chains["rollback"]["refusals"]["passed"]


def test_an_impersonator_with_the_right_of_the_chart_proves_the_fence(chain: Chain, helm3: Helm3) -> None:
    """operator.impersonate is enough for the dry runs, and lets its holder be no one else."""
    installation = chain.installation
    namespace, plane = installation.namespace, installation.plane
    objects = helm3.render(values_for(namespace, operator=IMPERSONATING), namespace=namespace)
    granted = [one for one in objects if one["metadata"]["name"].endswith("-impersonate")]
    assert [one["kind"] for one in granted] == ["Role", "RoleBinding"]
    for one in granted:
        plane.apply(one, namespace)
    chain.given["--kubeconfig"] = str(plane.service_account_kubeconfig(namespace, f"{RELEASE}-operator"))
    try:
        until("the right has arrived", lambda: not chain.bad(), SECONDS)
        found = chain.bad(f"--as-service={namespace}:{RELEASE}-promoter")
    finally:
        chain.given.clear()
        for one in granted:
            plane.kubectl("delete", one["kind"], one["metadata"]["name"], "--namespace", namespace)
    assert set(found) == {*of_both("dry run"), *of_both("refusals")}


def test_it_checks_again_until_all_is_well(chain: Chain) -> None:
    """With --wait, what is repaired meanwhile ends it; what stays broken ends it with 3 after that time."""
    pause = Pause(reason="an upgrade", author="ada", until=datetime.now(UTC) + timedelta(seconds=3))
    with chain.annotated("denis", **{PAUSE: encode_pause(pause)}):
        assert chain.doctor("--wait=100ms")[0] == 3
        assert chain.doctor("--wait=20s")[0] == 0
