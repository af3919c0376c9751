"""The commands without a file: remediations.yaml is that of the release on the cluster."""

import json
from pathlib import Path

import pytest

from tests.canary.place import Place
from tests.canary.test_emergency import release, run
from tests.support.control_plane import ControlPlane
from tests.support.faults import Answer, FaultyApi

STATUS = ("canary", "status")


@pytest.fixture(autouse=True)
def _fresh_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell in which nothing is set, in a folder without a file."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.delenv("REMEDIATOR_CONFIG_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    "command",
    [
        STATUS,
        ("canary", "history"),
        ("canary", "set", "1", "--yes", "--no-wait", "--dry-run"),
        ("canary", "preflight"),
        ("pause", "--for=1h", "--reason=x", "--dry-run"),
        ("resume", "--dry-run"),
        ("kill-switch", "off", "--dry-run"),
        ("explain", "--label=remediation=rollback"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_every_command_takes_the_release_where_there_is_no_file(here: Place, command: tuple[str, ...]) -> None:
    """The release's file is used as if it were on the disk, and standard error says which one it is."""
    release(here.api, "denis", here.config_file.read_text())
    ended, by_file = run(here, *command), here.run(*command)
    assert "remediations.yaml: ConfigMap remediator in namespace denis\n" in ended.output
    assert ended.code == by_file.code
    assert ended.stdout.splitlines()[:1] == by_file.stdout.splitlines()[:1]


def test_programs_get_nothing_but_the_answer(here: Place) -> None:
    """Which release it is goes to standard error, so that JSON stays JSON."""
    release(here.api, "denis", here.config_file.read_text())
    assert json.loads(run(here, *STATUS, "--output=json").stdout)["percentage"] == 10


def test_the_release_of_the_contexts_namespace_is_enough(real: Place, control_plane: ControlPlane) -> None:
    """On a real cluster, rights on the one ConfigMap by its name are enough; without them the reason is said."""
    release(real.api, real.namespace, real.config_file.read_text())
    assert run(real, *STATUS, f"--namespace={real.namespace}").code == 0

    user = ("--as=ada", f"--namespace={real.namespace}")
    refused = run(real, *STATUS, *user)
    assert refused.code == 2
    assert "configmaps" in refused.output
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{real.namespace}"
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["remediator"], "verbs": ["get"]},
    ]
    assert real.api.post(f"{rbac}/roles", {"metadata": {"name": "viewer"}, "rules": rules}).code == 201
    binding = {
        "metadata": {"name": "viewer"},
        "subjects": [{"kind": "User", "name": "ada", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "viewer"},
    }
    assert real.api.post(f"{rbac}/rolebindings", binding).code == 201
    assert run(real, *STATUS, *user).code == 0


def test_the_order_is_flag_variable_file_release(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nearer to the person wins, and a broken file there is an error, not a reason to take another."""
    release(here.api, "denis", here.config_file.read_text())
    default = Path("rules/remediations.yaml")
    default.parent.mkdir()
    default.write_text("targets: 7\n")
    broken = run(here, *STATUS)
    assert (broken.code, "rules/remediations.yaml:1: targets" in broken.output) == (2, True)
    default.write_text(here.config_file.read_text())
    assert "remediations.yaml: rules/remediations.yaml\n" in run(here, *STATUS).output

    monkeypatch.setenv("REMEDIATOR_CONFIG_FILE", str(here.config_file))
    assert run(here, *STATUS).code == 0
    monkeypatch.setenv("REMEDIATOR_CONFIG_FILE", "nowhere.yaml")
    assert "nowhere.yaml: cannot be read" in run(here, *STATUS).output

    for flag in ("--release=remediator", "--namespace=denis", "-n=denis"):
        assert "yaml: ConfigMap remediator" in run(here, *STATUS, flag.replace("-n=", "-n")).output
    assert here.run(*STATUS).code == 0
    both = here.run(*STATUS, "--release=remediator")
    assert (both.code, "give either --config.file, or the release" in both.output) == (2, True)


@pytest.mark.parametrize("arguments", [(), ("--namespace=denis",)])
def test_of_two_releases_none_is_guessed(here: Place, arguments: tuple[str, ...]) -> None:
    """Both are named, and --release chooses."""
    text = here.config_file.read_text()
    release(here.api, "denis", text)
    release(here.api, "denis", text, name="blue", instance="blue")
    refused = run(here, *STATUS, *arguments)
    assert refused.code == 2
    assert "several releases could be meant: ConfigMap" in refused.output
    assert "yaml: ConfigMap blue" in run(here, *STATUS, "--release=blue").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "rules/remediations.yaml: not there; no release of the chart is found in namespace denis, nor elsewhere"),
        (("-n", "other"), "no release of the chart is found in namespace other\n"),
        (("--release=blue",), "no release blue is found in namespace denis, nor elsewhere"),
    ],
)
def test_without_a_file_and_a_release_it_says_what_to_give(here: Place, arguments: tuple[str, ...], said: str) -> None:
    """What was looked for is named, and which flags help; the command ends with 2."""
    ended = run(here, *STATUS, *arguments)
    assert ended.code == 2
    assert said in ended.output
    assert "give --config.file=F, or set REMEDIATOR_CONFIG_FILE, or --namespace=NS and --release=NAME" in ended.output


def test_a_broken_release_is_refused_with_its_lines(here: Place) -> None:
    """A ConfigMap is held to the same as a file, and its problems name it."""
    release(here.api, "denis", here.config_file.read_text().replace("set_percentage: 0", "set_percentage: 50"))
    ended = run(here, *STATUS)
    assert ended.code == 2
    assert "ConfigMap remediator in namespace denis:28: remediations[0].set_percentage: must be 0" in ended.output


def test_an_api_server_that_fails_is_no_missing_release(faulty: Place, api: FaultyApi) -> None:
    """That nothing could be asked is said as such, with exit code 1."""
    api.always("GET", Answer(status=500))
    ended = run(faulty, *STATUS)
    assert (ended.code, "no release" in ended.output) == (1, False)


def test_a_described_state_reads_files_only(here: Place) -> None:
    """explain --state asks no cluster, so it takes no release."""
    release(here.api, "denis", here.config_file.read_text())
    state = Path("state.yaml")
    state.write_text("kind: Deployment\n")
    ended = run(here, "explain", "--label=remediation=rollback", "--state=state.yaml")
    assert (ended.code, "--state reads files only" in ended.output) == (2, True)
