"""What the chart renders, by Helm 3 and by Helm 4, judged without a cluster."""

import copy
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest

from remediator.cli.canary.promote import promote
from remediator.cli.doctor import doctor
from remediator.cli.serve import serve
from tests.chart import readme
from tests.chart.cases import CASES, OPERATOR_KINDS, case
from tests.chart.helm import CHART, ROOT, Helm, Helm3, Helm4, Object, changed, of_kind, only, walk
from tests.support.components import component
from tests.support.documents import load_yaml

VALIDATE = Path(__file__).parent / "kubernetes_validate_driver.py"
POLICY = Path("/etc/remediator/config/remediations.yaml")
ADMISSION = frozenset({"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"})
VERSIONS = [f"1.{minor}" for minor in range(27, 37)]
UNIQUE = {"env": "name", "ports": "name", "volumes": "name", "volumeMounts": "mountPath", "containers": "name"}
each_case = pytest.mark.parametrize("values", CASES.values(), ids=CASES)


def without_random_tokens(objects: list[Object]) -> list[Object]:
    """The objects with a placeholder for each token that is made anew by every rendering."""
    for secret in of_kind(objects, "Secret"):
        secret["data"] = dict.fromkeys(secret["data"], "random")
    return objects


@each_case
def test_lint_finds_nothing(helm: Helm, values: dict[str, Any]) -> None:
    """`helm lint --strict` has no remark, not even one for information."""
    assert helm.lint(values) == []


@each_case
def test_both_helms_render_the_same(tmp_path: Path, values: dict[str, Any]) -> None:
    """Helm 3 and Helm 4 come to the same objects."""
    rendered = [without_random_tokens(kind(tmp_path).render(values)) for kind in (Helm3, Helm4)]
    assert rendered[0] == rendered[1]


@each_case
def test_rendering_is_repeatable(helm3: Helm3, values: dict[str, Any]) -> None:
    """Nothing but the token differs from one rendering to the next, so GitOps tools see no drift."""
    first, second = (without_random_tokens(helm3.render_again(values)) for _ in range(2))
    assert first == second


@each_case
def test_nothing_is_null_or_there_twice(helm: Helm, values: dict[str, Any]) -> None:
    """No object holds a null or two entries with one key in a list: a server-side apply refuses both."""
    for one in helm.render(values):
        for path, value in walk(one):
            assert value is not None, f"{one['kind']}{path}"
            key = UNIQUE.get(path.rpartition(".")[2])
            if key and isinstance(value, list):
                names = [str(entry[key]) for entry in value if isinstance(entry, dict) and key in entry]
                assert len(set(names)) == len(names), f"{one['kind']}{path}"


@each_case
def test_objects_have_the_usual_labels_and_names_of_their_own(helm3: Helm3, values: dict[str, Any]) -> None:
    """Each object carries the recommended labels, has a name that fits, and stands once."""
    objects = [one for one in helm3.render(values) if not one["metadata"]["name"].endswith("-extra")]
    for one in objects:
        labels = one["metadata"]["labels"]
        assert {"helm.sh/chart", "app.kubernetes.io/name", "app.kubernetes.io/instance"} <= set(labels)
        assert len(one["metadata"]["name"]) <= 63 + len("-operator")
    places = Counter((one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in objects)
    assert set(places.values()) == {1}


@each_case
def test_selectors_select_the_pods_and_nothing_changes_them(helm3: Helm3, values: dict[str, Any]) -> None:
    """Service, budget, network policy, monitor and spread find the Pods by the two labels that never change."""
    objects = helm3.render(values)
    spec = only(objects, "Deployment")["spec"]
    labels, selector = spec["template"]["metadata"]["labels"], spec["selector"]["matchLabels"]
    assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
    assert selector.items() <= labels.items()
    assert not any(key.startswith("helm.sh/") for key in labels)
    assert only(objects, "Service")["spec"]["selector"] == selector
    promoters = [one["spec"]["jobTemplate"]["spec"]["template"] for one in of_kind(objects, "CronJob")]
    others = [template["metadata"]["labels"] for template in promoters]
    assert not any(selector.items() <= other.items() for other in others)
    for kind, place in {"PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"}.items():
        assert all(one["spec"][place]["matchLabels"] in (selector, *others) for one in of_kind(objects, kind))
    assert len(of_kind(objects, "NetworkPolicy")) in (0, 1 + len(others))
    service = only(objects, "Service")["metadata"]["labels"]
    for monitor in of_kind(objects, "ServiceMonitor"):
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service.items()


def test_labels_of_ones_own_cannot_break_the_selectors(helm: Helm) -> None:
    """A label that the chart sets keeps its value, and stands once."""
    labels = {"app.kubernetes.io/name": "other", "tier": "safety"}
    objects = helm.render({"podLabels": labels, "commonLabels": labels})
    for found in (
        only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"],
        only(objects, "Service")["metadata"]["labels"],
    ):
        assert (found["app.kubernetes.io/name"], found["tier"]) == ("remediator", "safety")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """The objects of all cases that Kubernetes itself knows, each once."""
    helm = Helm3(tmp_path_factory.mktemp("rendered"))
    objects = (one for values in CASES.values() for one in helm.render(values) if one["kind"] not in OPERATOR_KINDS)
    return list({json.dumps(one, sort_keys=True): one for one in objects}.values())


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_satisfy_the_schemas_of_kubernetes(rendered: list[Object], version: str) -> None:
    """Every object is valid, and has no unknown field, in each supported version."""
    has_policies = version not in VERSIONS[: VERSIONS.index("1.30")]
    objects = [one for one in rendered if has_policies or one["kind"] not in ADMISSION]
    python = component("kubernetes-validate", "python", on_path=False, made_by="chart-tools")
    order = json.dumps({"version": version, "objects": objects})
    done = subprocess.run([python, VALIDATE], input=order, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout) == []


def parse(command: click.Command, arguments: list[str], here: Path) -> dict[str, Any]:
    """What the command makes of a container's arguments, on a machine whose policy is not where the chart mounts it."""
    (here / POLICY.name).touch()
    params = command.make_context("", [word.replace(str(POLICY.parent), str(here)) for word in arguments]).params
    assert params["config_file"] == here / POLICY.name
    return {**params, "config_file": POLICY}


@each_case
def test_the_service_accepts_its_arguments(helm3: Helm3, tmp_path: Path, values: dict[str, Any]) -> None:
    """`remediator serve` knows each argument of the container, and every file in them is in a mounted volume."""
    (container,) = only(helm3.render(values), "Deployment")["spec"]["template"]["spec"]["containers"]
    command, *arguments = container["args"]
    assert command == "serve"
    parsed = parse(serve, arguments, tmp_path)
    files = [parsed["config_file"], *parsed["token_files"], *parsed["basic_auth_files"]]
    files += filter(None, (parsed["tls_cert_file"], parsed["tls_key_file"], parsed["tls_client_ca_file"]))
    files += filter(None, (parsed["prometheus_http_config_file"],))
    assert list(parsed["prometheus_url"]) == values.get("evidence", {}).get("prometheusUrls", [])
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(path.parent) for path in files} <= mounts
    authenticates = parsed["token_files"] or parsed["basic_auth_files"] or parsed["tls_client_ca_file"]
    assert bool(authenticates) != parsed["insecure_no_auth"]


@each_case
def test_the_command_accepts_the_promoters_arguments(helm3: Helm3, tmp_path: Path, values: dict[str, Any]) -> None:
    """`remediator canary promote` knows each argument of the CronJob, and reads the file that the service reads."""
    for job in of_kind(helm3.render(values), "CronJob"):
        (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        if container["name"] == "doctor":
            continue
        group, command, *arguments = container["args"]
        assert (group, command) == ("canary", "promote")
        parsed = parse(promote, arguments, tmp_path)
        assert (parsed["auto"], parsed["wait"], parsed["dry_run"]) == (True, False, values.get("dryRun", False))
        assert parsed["prometheus_url"] == values["promotion"]["prometheusUrl"]
        assert parsed["alertmanager_url"] == values["promotion"].get("alertmanagerUrl")
        assert parsed["cluster"] == values.get("cluster", {}).get("name", "")
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert str(parsed["config_file"].parent) in mounts
        secret = values["promotion"].get("httpConfig", {}).get("existingSecret")
        if settings := parsed["http_config_file"]:
            volumes = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
            secrets = {volume["name"]: volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
            assert secrets[mounts[str(settings.parent)]] == secret
        assert (settings.name if settings else None) == values["promotion"].get("httpConfig", {}).get("key")


def test_the_command_accepts_the_doctors_arguments(helm3: Helm3, tmp_path: Path) -> None:
    """`remediator doctor` knows each argument of the CronJob, which asks the Service and everyone that is named."""
    values = case("doctor-values")
    objects = helm3.render(values)
    (container,) = only(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    command, *arguments = container["args"]
    parsed = parse(doctor, arguments, tmp_path)
    port = next(one["port"] for one in only(objects, "Service")["spec"]["ports"] if one["name"] == "internal")
    assert (command, parsed["cluster"], parsed["probe"]) == ("doctor", "eu-1", False)
    assert parsed["remediator_url"] == (f"http://remediator:{port}",)
    assert parsed["prometheus_url"] == values["doctor"]["prometheusUrl"]
    assert list(parsed["alertmanager_url"]) == values["doctor"]["alertmanagerUrls"]
    assert POLICY.parent in {Path(mount["mountPath"]) for mount in container["volumeMounts"]}


def test_a_dry_run_promotes_nothing(helm3: Helm3) -> None:
    """dryRun holds for the promoter too."""
    objects = helm3.render({**case("promotion-values"), "dryRun": True})
    (container,) = only(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert "--dry-run" in container["args"]


def test_the_promoter_looks_in_the_time_zone_that_is_given(helm3: Helm3) -> None:
    """Without one, the CronJob names none, and the controller manager's counts."""
    given = only(helm3.render(case("promotion-values")), "CronJob")["spec"]
    assert (given["schedule"], given["timeZone"]) == ("7,37 9-16 * * 1-5", "Europe/Berlin")
    values = {"promotion": {"enabled": True, "prometheusUrl": "http://prometheus:9090"}}
    assert "timeZone" not in only(helm3.render(values), "CronJob")["spec"]


def test_the_promoters_pods_are_like_the_services(helm3: Helm3) -> None:
    """Image, security, placement, variables and mounts are the same; two never run at once, and none is tried again."""
    values = {**case("pods-values"), "promotion": case("promotion-values")["promotion"]}
    objects = helm3.render(values)
    job = only(objects, "CronJob")["spec"]
    ours = job["jobTemplate"]["spec"]["template"]["spec"]
    theirs = only(objects, "Deployment")["spec"]["template"]["spec"]
    placement = ("securityContext", "imagePullSecrets", "nodeSelector", "tolerations", "affinity", "priorityClassName")
    assert {key: ours[key] for key in placement} == {key: theirs[key] for key in placement}
    (own,), (service,) = ours["containers"], theirs["containers"]
    for key in ("image", "imagePullPolicy", "securityContext", "env"):
        assert own[key] == service[key]
    assert {mount["name"] for mount in own["volumeMounts"]} == {volume["name"] for volume in ours["volumes"]}
    assert (job["concurrencyPolicy"], ours["restartPolicy"], job["jobTemplate"]["spec"]["backoffLimit"]) == (
        "Forbid",
        "Never",
        0,
    )


def test_stopping_leaves_time_for_what_is_in_flight(helm3: Helm3) -> None:
    """preStop, gunicorn's grace of 20 s and a margin of 5 s fit into the grace period."""
    from remediator.web.gunicorn_arbiter import GRACE_SECONDS

    spec = only(helm3.render({}), "Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    program, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    assert spec["terminationGracePeriodSeconds"] >= int(seconds) + GRACE_SECONDS + 5


def test_the_relay_reads_its_url_from_a_secret(helm3: Helm3, tmp_path: Path) -> None:
    """The flag names a file of the Secret's mount, and is not there without one."""
    spec = only(helm3.render({"heartbeat": {"relay": {"existingSecret": "relay", "key": "hc"}}}), "Deployment")["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    file = parse(serve, container["args"][1:], tmp_path)["relay_url_file"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["template"]["spec"]["volumes"]}
    assert (file.name, volumes[mounts[str(file.parent)]]["secret"]["secretName"]) == ("hc", "relay")
    (container,) = only(helm3.render({}), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert not parse(serve, container["args"][1:], tmp_path)["relay_url_file"]


def test_probes_ask_the_internal_port(helm3: Helm3, tmp_path: Path) -> None:
    """Health and readiness are asked where stalled webhook clients cannot be in the way, and where it listens."""
    (container,) = only(helm3.render({}), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/-/healthy", "port": "internal"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/-/ready", "port": "internal"}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"webhook": 8080, "internal": 9090}
    parsed = parse(serve, container["args"][1:], tmp_path)
    listening = {"webhook": parsed["listen_address"], "internal": parsed["internal_listen_address"]}
    assert listening == {name: f":{port}" for name, port in ports.items()}


def test_no_address_of_one_family_is_pinned(helm3: Helm3) -> None:
    """The Pods listen on every address of both families, and the Service has the families of the values, if any."""
    objects = helm3.render(case("ipv6-values"))
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    listening = [argument.partition("=")[2] for argument in container["args"] if "listen-address" in argument]
    assert listening == [":8080", ":9090"]
    service = only(objects, "Service")["spec"]
    assert (service["ipFamilyPolicy"], service["ipFamilies"]) == ("SingleStack", ["IPv6"])
    assert not {"ipFamilyPolicy", "ipFamilies"} & set(only(helm3.render({}), "Service")["spec"])


def test_openshift_chooses_the_ids(helm: Helm) -> None:
    """Without the three ids, which OpenShift sets itself, the rest of the Pod's security stays as it is."""
    values = changed(case("openshift-values"), promotion=case("promotion-values")["promotion"])
    objects = helm.render(values)
    for template in (
        only(objects, "Deployment")["spec"]["template"],
        only(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"],
    ):
        assert template["spec"]["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }


def test_the_disk_of_a_pod_is_bounded_above_its_logs(helm3: Helm3) -> None:
    """The limit is above the 50 MiB of logs that the kubelet keeps by default, for the logs count, too."""
    promotion = {"enabled": True, "prometheusUrl": "http://prometheus:9090"}
    objects = helm3.render({"promotion": promotion})
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    (promoter,) = only(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    for resources in (container["resources"], promoter["resources"]):
        assert resources["requests"]["ephemeral-storage"] == "16Mi"
        assert int(resources["limits"]["ephemeral-storage"].removesuffix("Mi")) >= 2 * 50


def test_artifact_hub_is_told_the_truth() -> None:
    """Images, changes and links in Chart.yaml are well-formed, and name this version and files that are there."""
    chart = load_yaml((CHART / "Chart.yaml").read_text())
    hub = {key.removeprefix("artifacthub.io/"): value for key, value in chart["annotations"].items()}
    repository = load_yaml((CHART / "values.yaml").read_text())["image"]["repository"]
    (image,) = load_yaml(hub["images"])
    assert image["image"] == f"{repository}:{chart['appVersion']}"
    changes = load_yaml(hub["changes"])
    assert {change["kind"] for change in changes} <= {"added", "changed", "deprecated", "removed", "fixed", "security"}
    links = [link["url"] for link in load_yaml(hub["links"])]
    raw = chart["home"].replace("github.com", "raw.githubusercontent.com")
    assert chart["icon"].startswith(f"{raw}/main/")
    for url in (chart["icon"], *(link for link in links if "/main/" in link)):
        assert (ROOT / url.partition("/main/")[2]).exists(), url


def test_network_policy_names_ports_of_the_pod(helm3: Helm3) -> None:
    """The policy opens the container's ports whatever the Service calls them, DNS, and the API server's port."""
    policy = only(helm3.render(case("network-values")), "NetworkPolicy")["spec"]
    assert [rule["ports"][0]["port"] for rule in policy["ingress"]] == ["webhook", "internal"]
    prometheus, dns, api, own = policy["egress"]
    assert prometheus == {
        "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}]
    }
    assert {(port["port"], port["protocol"]) for port in dns["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert [port["port"] for port in api["ports"]] == [6443]
    assert api["to"] == [{"ipBlock": {"cidr": "192.0.2.10/32"}}]
    assert own["ports"][0]["port"] == 4317


def test_budget_only_where_a_pod_can_be_spared(helm3: Helm3) -> None:
    """One replica has no PodDisruptionBudget, which would only block the node's drain."""
    assert len(of_kind(helm3.render({"replicaCount": 2}), "PodDisruptionBudget")) == 1
    assert of_kind(helm3.render({"replicaCount": 1}), "PodDisruptionBudget") == []


def test_cluster_wide_names_differ_by_namespace(helm3: Helm3) -> None:
    """The same release in two namespaces, and names that read alike, do not share what is cluster-scoped."""
    values = {**case("operator-values"), "fullnameOverride": ""}
    places = []
    for name, namespace in [("remediator", "a"), ("remediator", "b"), ("x-remediator", "a"), ("remediator", "a-x")]:
        for one in helm3.render(values, name=name, namespace=namespace):
            outside = one["metadata"].get("namespace") != namespace
            places += [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])] if outside else []
    assert len(places) == 4 * len({kind for kind, _, _ in places}) + 4  # two RoleBindings each
    assert len(set(places)) == len(places)


def test_longest_release_name_fits(helm: Helm) -> None:
    """53 characters, which Helm allows, lead to names that Kubernetes allows."""
    values = {**case("operator-values"), "promotion": case("promotion-values")["promotion"]}
    objects = helm.render(values, name="r" * 53, namespace="n" * 63)
    # A CronJob's name becomes a Job's, with a time behind it.
    most = {"CronJob": 52, **dict.fromkeys(("RoleBinding", "Role", *ADMISSION), 63 + len("-operator"))}
    assert all(len(one["metadata"]["name"]) <= most.get(one["kind"], 63) for one in objects)


def test_packaged_chart_renders_the_same(helm: Helm, tmp_path: Path) -> None:
    """The archive holds all that is needed, and none of the files for tests."""
    archive = helm.package(tmp_path)
    assert archive.stat().st_size < 100_000
    unpacked = tmp_path / "unpacked"
    shutil.unpack_archive(archive, unpacked, filter="data")
    chart = unpacked / "remediator"
    assert not (chart / "ci").exists()
    values = case("operator-stack-values")
    assert helm.render(values, chart=chart) == helm.render(values)


def test_shipped_files_are_those_of_rules() -> None:
    """A chart can only read what is below its folder, so it has copies; `make chart-docs` renews them."""
    shipped = {path.name: path for path in (ROOT / "rules").rglob("*.yaml") if "tests" not in path.parts}
    names = {path.name for path in (CHART / "files").iterdir() if path.is_file()}
    assert names == {
        "alertmanager.yaml",
        "denis-queue-stuck.rules.yaml",
        "denis.rules.yaml",
        "remediations.yaml",
        "remediator.rules.yaml",
    }
    for name in names:
        assert (CHART / "files" / name).read_bytes() == shipped[name].read_bytes()


def test_readme_has_the_current_table_of_values() -> None:
    """`make chart-docs` would change nothing."""
    text = readme.README.read_text()
    assert readme.with_table(text) == text


def test_every_value_is_described() -> None:
    """Each key of values.yaml has a description of its own or belongs to one."""
    text = (CHART / "values.yaml").read_text()
    described = {path for path, _ in readme.documented(text)}
    for path, value in walk(load_yaml(text)):
        key = re.sub(r"\.\d+(?=\.|$).*", "", path.removeprefix("."))
        parents = {".".join(key.split(".")[:length]) for length in range(1, key.count(".") + 2)}
        assert isinstance(value, dict) or key == "" or described & parents, path


def test_every_value_is_in_the_schema() -> None:
    """Below the root, each mapping of values.yaml is closed in the schema, or says what else may be in it."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = load_yaml((CHART / "values.yaml").read_text())
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {*values, "enabled"}
    for path, value in walk(values):
        node: Any = schema
        for part in filter(None, path.split(".")):
            node = node.get("properties", {}).get(part) or node.get("additionalProperties") or node.get("items") or {}
            node = node if isinstance(node, dict) else {}
            if node == {"type": "object"}:
                break
        if isinstance(value, dict) and path and node.get("properties") and path != ".global":
            assert node["additionalProperties"] is False or node["additionalProperties"]["required"], path


def test_a_string_in_quotes_survives(helm: Helm) -> None:
    """A cluster's name that YAML would take for something else reaches the service as it is."""
    for name in ("on", "1e3", "a: b", 'quo"te'):
        objects = helm.render({"cluster": {"name": name}})
        (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
        assert f"--cluster={name}" in container["args"]


def test_chart_as_a_part_of_another(helm3: Helm3) -> None:
    """`global` and `enabled`, which a parent chart hands down, are accepted."""
    values = {"global": {"imageRegistry": "mirror.example.org", "parents-own": 1}, "enabled": True}
    (container,) = only(helm3.render(values), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("mirror.example.org/")


def test_image_by_digest_or_tag_or_version(helm3: Helm3) -> None:
    """The digest wins over the tag, and the tag over the chart's appVersion."""
    version = load_yaml((CHART / "Chart.yaml").read_text())["appVersion"]
    digest = f"sha256:{'0' * 64}"
    images: dict[str, Any] = {f":{version}": {}, ":2": {"tag": "2"}, f"@{digest}": {"tag": "2", "digest": digest}}
    for ending, image in images.items():
        (container,) = only(helm3.render({"image": image}), "Deployment")["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"ghcr.io/denis-run/remediator{ending}"


def test_values_are_merged_without_losing_the_rest() -> None:
    """The tests' own merging of values does what Helm's does with mappings."""
    values = {"a": {"b": 1, "c": [1]}, "d": 2}
    before = copy.deepcopy(values)
    assert changed(values, a={"c": [2]}) == {"a": {"b": 1, "c": [2]}, "d": 2}
    assert values == before
