"""`canary rollback` and `kill-switch on` with whatever is at hand: a broken file, none, no rights, no answer."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from demo.waiting import until
from remediator.cli import main
from remediator.core.ledger import LEDGER
from remediator.sandbox import EmbeddedCluster
from tests.canary.place import Ended, Place
from tests.canary.test_set import annotate
from tests.contract.client import Client
from tests.support.control_plane import ControlPlane
from tests.support.faults import Answer, BlackHole, FaultyApi, First, HangUp

SILENT = ("server", "proxy")
ROLLBACK, KILL_SWITCH = ("canary", "rollback", "--no-wait"), ("kill-switch", "on")
EMERGENCIES = pytest.mark.parametrize("command", [ROLLBACK, KILL_SWITCH], ids=["rollback", "kill-switch"])
BY_HAND = {
    ROLLBACK: "set env deployment/denis -c denis DENIS_MATERIALIZERS_ENABLED=false DENIS_MATERIALIZERS_PCT=0 "
    "ASYNC_ENABLED=false RUNS_ENABLED=false",
    KILL_SWITCH: "scale deployment/denis-workers --replicas=0",
}


@pytest.fixture(autouse=True)
def _fresh_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell in which nothing is set, in a folder without a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REMEDIATOR_CONFIG_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def run(place: Place, *arguments: str, kubeconfig: Path | None = None) -> Ended:
    """Run a command that names no file. A traceback fails the test."""
    command = [*arguments, f"--kubeconfig={kubeconfig or place.kubeconfig}"]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    return Ended(code=result.exit_code, output=result.output, stdout=result.stdout)


def is_safe(place: Place, command: tuple[str, ...]) -> bool:
    """Whether the command has done what it is for."""
    return place.percentage() == "0" if command == ROLLBACK else place.workers() == 0


def release(api: Client, namespace: str, text: str, name: str = "remediator", instance: str = "remediator") -> None:
    """Make the ConfigMap of a release of the chart."""
    labels = {
        "helm.sh/chart": "remediator-0.1.0",
        "app.kubernetes.io/name": "remediator",
        "app.kubernetes.io/instance": instance,
    }
    manifest = {"metadata": {"name": name, "labels": labels}, "data": {"remediations.yaml": text}}
    made = api.post(f"/api/v1/namespaces/{namespace}/configmaps", manifest)
    assert made.code == 201, made


@EMERGENCIES
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cooldown: 10m", "cooldown: 10"),
        ("mode: act", "mood: act"),
        ("remediations:\n", "remediations: [\n"),
        ('RUNS_ENABLED: "false"}', "RUNS_ENABLED: false}"),
        ("container: denis}", "container: denis, colour: blue}"),
    ],
    ids=["cooldown", "unknown-key", "not-yaml", "boolean", "key-of-the-target"],
)
def test_a_fault_elsewhere_in_the_file_is_a_warning(here: Place, command: tuple[str, ...], old: str, new: str) -> None:
    """What is needed of the file is read, the write is done, and afterwards the fault is told with its line."""
    here.config_file.write_text(here.config_file.read_text().replace(old, new, 1))
    ended = here.run(*command)
    assert ended.code == 0
    assert is_safe(here, command)
    assert "warning: the file is invalid; only its targets and the names of its flags were used" in ended.output
    assert re.search(r"remediations\.yaml:\d+: ", ended.output)
    assert ended.output.index("written") < ended.output.index("warning")


@EMERGENCIES
def test_an_unreadable_ledger_is_left_and_told(here: Place, command: tuple[str, ...]) -> None:
    """Nothing on the target stops an emergency; what could not be recorded is said."""
    name = "denis" if command == ROLLBACK else "denis-workers"
    annotate(here, name, LEDGER, "corrupt")
    ended = here.run(*command)
    assert ended.code == 0
    assert is_safe(here, command)
    assert "not recorded: " in ended.output
    assert here.deployment(name)["metadata"]["annotations"][LEDGER] == "corrupt"


@EMERGENCIES
def test_a_fresh_shell_finds_the_release(place: Place, command: tuple[str, ...]) -> None:
    """Without a file, the release's ConfigMap in the namespace says what the target is, and the answer says so."""
    release(place.api, place.namespace, place.config_file.read_text())
    ended = run(place, *command, f"--namespace={place.namespace}")
    assert ended.code == 0
    assert is_safe(place, command)
    assert f"by ConfigMap remediator in namespace {place.namespace}" in ended.output


def test_a_release_with_a_broken_file_is_good_enough(here: Place) -> None:
    """Of the ConfigMap too only what is needed is read."""
    release(here.api, "denis", here.config_file.read_text().replace("30m", "30"))
    assert run(here, *ROLLBACK).code == 0
    assert here.percentage() == "0"


@pytest.mark.parametrize(
    ("name", "instance"), [("blue", "blue"), ("blue-remediator", "blue"), ("guard", "blue")], ids=str
)
def test_a_release_is_found_by_its_name(here: Place, name: str, instance: str) -> None:
    """Of two releases in a namespace nothing is guessed; the named one says what the target is."""
    text = here.config_file.read_text()
    release(here.api, "denis", text.replace("deployment: denis,", "deployment: other,"))
    release(here.api, "denis", text, name=name, instance=instance)
    refused = run(here, *ROLLBACK, "--namespace=denis")
    assert refused.code == 2
    assert "several could be meant: denis of ConfigMap" in refused.output
    assert here.percentage() == "10"
    assert run(here, *ROLLBACK, "--namespace=denis", "--release=blue").code == 0
    assert here.percentage() == "0"


def test_who_may_not_list_config_maps_reads_the_one(real: Place, control_plane: ControlPlane) -> None:
    """Rights on the one ConfigMap by its name, as the chart's operator role has them, are enough."""
    release(real.api, real.namespace, real.config_file.read_text())
    rules: list[dict[str, Any]] = [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["remediator"], "verbs": ["get"]},
    ]
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{real.namespace}"
    assert real.api.post(f"{rbac}/roles", {"metadata": {"name": "operator"}, "rules": rules}).code == 201
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": real.namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"}
    binding = {"metadata": {"name": "operator"}, "roleRef": reference, "subjects": [subject]}
    assert real.api.post(f"{rbac}/rolebindings", binding).code == 201
    kubeconfig = control_plane.service_account_kubeconfig(real.namespace, "default")

    def rolled_back() -> bool:
        return run(real, *ROLLBACK, kubeconfig=kubeconfig).code == 0  # The namespace is the context's.

    until("the rights are in force, and the canary is at 0 %", rolled_back, 60)
    assert real.percentage() == "0"


@EMERGENCIES
def test_flags_alone_do(place: Place, command: tuple[str, ...]) -> None:
    """With the Deployment named there need be no file, no release and no container."""
    deployment = "denis" if command == ROLLBACK else "denis-workers"
    ended = run(place, *command, "-n", place.namespace, f"--deployment={deployment}")
    assert ended.code == 0
    assert is_safe(place, command)
    if command == ROLLBACK:
        assert (place.flags()["ASYNC_ENABLED"], place.flags()["RUNS_ENABLED"]) == ("false", "false")


def test_the_container_is_the_one_with_the_flags(here: Place) -> None:
    """A sidecar does not get the flags; where none can be told, nothing is written and --container is asked for."""
    sidecar = {"template": {"spec": {"containers": [{"name": "proxy", "image": "proxy"}]}}}
    here.patch("denis", {"spec": sidecar})
    here.patch("denis-workers", {"spec": sidecar})
    assert run(here, *ROLLBACK, "-n", "denis", "--deployment=denis").code == 0
    containers = here.deployment()["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: bool(one.get("env")) for one in containers} == {"denis": True, "proxy": False}

    ended = run(here, *ROLLBACK, "-n", "denis", "--deployment=denis-workers")
    assert ended.code == 2
    assert "Give --container" in ended.output


def test_a_namespace_keeps_to_itself(here: Place) -> None:
    """A file that is about another namespace than the one that was asked for is not acted on."""
    ended = here.run(*ROLLBACK, "--namespace=production")
    assert ended.code == 2
    assert "names no canary that can be read in namespace production" in ended.output
    assert here.percentage() == "10"


@EMERGENCIES
@pytest.mark.parametrize(
    "flags",
    [(), ("--bogus",), ("--config.file=/nowhere",), ("--release=nobody", "-n", "denis"), ("--target=other",)],
    ids=["nothing-at-hand", "unknown-flag", "no-such-file", "no-such-release", "no-such-target"],
)
def test_every_error_says_how_it_is_done_by_hand(here: Place, command: tuple[str, ...], flags: tuple[str, ...]) -> None:
    """Also a mistyped command, and one that found no target, ends with a line for kubectl."""
    ended = run(here, *command, *flags)
    assert ended.code == 2
    last = ended.output.splitlines()[-1] if "warning" not in ended.output else ended.output
    assert "by hand: kubectl -n NAMESPACE s" in last
    assert not is_safe(here, command)


@EMERGENCIES
def test_without_a_way_to_the_cluster_the_line_has_the_names(here: Place, command: tuple[str, ...]) -> None:
    """Where only the kubeconfig is broken, the line can be pasted as it is."""
    ended = here.run(*command, kubeconfig=here.directory / "missing")
    assert ended.code == 2
    assert f"-n denis {BY_HAND[command]}" in ended.output


@pytest.mark.parametrize(
    "command",
    [
        ("canary", "rollback", "--no-wait"),
        ("canary", "set", "0", "--no-wait"),
        ("canary", "promote"),
        ("kill-switch", "on"),
        ("kill-switch", "off", "--no-wait"),
        ("pause", "--for=1h", "--reason=x"),
        ("resume",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("yes", ["--yes", "-y"])
def test_yes_is_taken_everywhere(here: Place, command: tuple[str, ...], yes: str) -> None:
    """An option that is true anyway is no usage error."""
    assert here.run(*command, yes).code in (0, 3)


def test_more_replicas_than_the_maximum_need_an_override(here: Place) -> None:
    """Over the file's maximum nothing is written; with a reason it is, and what was passed over is recorded."""
    here.run("kill-switch", "on")
    refused = here.run("kill-switch", "off", "--replicas=500")
    assert refused.code == 3
    assert "500 replicas are asked for, and 20 is the maximum" in refused.output
    assert here.run("kill-switch", "off", "--replicas=21", "--override").code == 2
    assert here.workers() == 0
    assert here.run("kill-switch", "off", "--replicas=21", "--override", "--reason=sale", "--no-wait").code == 0
    assert (here.workers(), here.acts("denis-workers")[-1]["overrode"]) == (21, ["AtLimit"])


def test_replicas_with_the_switch_off_are_not_ignored(here: Place) -> None:
    """Nothing is written, and the exit code and the line that scales say so; the number that is there is no news."""
    ended = here.run("kill-switch", "off", "--replicas=9")
    assert ended.code == 3
    assert "kubectl -n denis scale deployment/denis-workers --replicas=9" in ended.output
    assert here.run("kill-switch", "off", "--replicas=4").code == 0
    assert here.workers() == 4


class Running:
    """A command in a process of its own, whose standard error can be read while it runs."""

    def __init__(self, place: Place, *arguments: str, kubeconfig: Path | None = None) -> None:
        command = [str(Path(sys.executable).with_name("remediator")), *arguments]
        command += [f"--kubeconfig={kubeconfig or place.kubeconfig}", f"--config.file={place.config_file}"]
        # Whoever started the tests may ignore SIGINT, and children inherit that.
        command = ["env", "--default-signal=INT", *command]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.lines: list[tuple[float, str]] = []
        self.took = 0.0
        """Seconds from its start to its end."""
        began = time.monotonic()

        def read() -> None:
            assert self.process.stderr is not None
            for line in self.process.stderr:
                self.lines.append((time.monotonic() - began, line))
            self.took = time.monotonic() - began

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()

    def text(self) -> str:
        """What was said so far."""
        return "".join(line for _, line in self.lines)

    def says(self, text: str) -> None:
        """Wait until it says this."""
        until(f"{text!r} is said; so far: {self.text()}", lambda: text in self.text(), 60.0)

    def ends(self, seconds: float = 90.0) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(seconds)
        self._reader.join()
        return code

    def close(self) -> None:
        """End it, if it has not ended by itself."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts commands, and ends those that run on."""
    with ExitStack() as stack:
        yield lambda *arguments, **settings: stack.enter_context(closing(Running(*arguments, **settings)))


@pytest.fixture(params=SILENT)
def silent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of each kind of silence."""
    with silence(request.param, tmp_path / "silent") as path:
        yield path


@contextmanager
def silence(kind: str, path: Path) -> Iterator[Path]:
    """A kubeconfig whose API server, or proxy, accepts connections and never says a word: no TLS, no answer."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        if kind == "server":
            yield write_kubeconfig(path, f"https://{address}")
        else:
            yield write_kubeconfig(path, "https://127.0.0.1:6443", **{"proxy-url": f"http://{address}"})


def write_kubeconfig(path: Path, server: str, **settings: str) -> Path:
    """A kubeconfig for a server."""
    named = {"name": "x"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{**named, "cluster": {"server": server, "insecure-skip-tls-verify": True, **settings}}],
        "users": [{**named, "user": {}}],
        "contexts": [{**named, "context": {"cluster": "x", "user": "x"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(config))
    return path


@pytest.fixture(scope="module", autouse=True)
def for_a_minute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Path, Running]]:
    """By its kubeconfig, a rollback for each kind of silence: begun before the first test here, seen by the last."""
    directory = tmp_path_factory.mktemp("silent")
    with ExitStack() as stack:
        if os.environ.get("CI") != "true":
            yield {}
            return
        silent = [stack.enter_context(silence(kind, directory / kind)) for kind in SILENT]
        nowhere = Place(api=Client(url=""), kubeconfig=silent[0], namespace="denis", directory=directory)
        yield {path: stack.enter_context(closing(Running(nowhere, *ROLLBACK, kubeconfig=path))) for path in silent}


@EMERGENCIES
def test_an_api_server_that_hangs_is_told_and_asked_again_until_then(
    start: Start, here: Place, silent: Path, command: tuple[str, ...]
) -> None:
    """While TLS stalls: for whom one waits, and until when, is said at once; that is kept, and Ctrl-C is true."""
    running = start(here, *command, kubeconfig=silent)
    running.says("no answer from https://127.0.0.1:")
    running.says("Ctrl-C to stop")
    told = re.search(r"trying again until (\d\d:\d\d:\d\d)", running.text())
    assert told
    until_then = datetime.strptime(told[1], "%H:%M:%S").time()  # noqa: DTZ007 - a clock on the wall
    now = datetime.now().astimezone()
    left = (until_then.hour - now.hour) % 24 * 3600 + (until_then.minute - now.minute) * 60
    assert 40 < left + until_then.second - now.second <= 60
    running.process.send_signal(signal.SIGINT)
    assert running.ends() == 130
    assert "nothing was written" in running.text()


@EMERGENCIES
def test_an_api_server_that_is_gone_is_told_at_once_and_found_when_it_is_back(
    start: Start, embedded: EmbeddedCluster, here: Place, command: tuple[str, ...]
) -> None:
    """A refused connection is named with the address; when the server is there again, the write is done."""
    here.config_file.touch()
    embedded.stop()
    running = start(here, *command)
    running.says("trying again until")
    assert embedded.url in running.text()
    embedded.start()
    assert running.ends() == 0
    assert is_safe(here, command)


@pytest.mark.parametrize("fault", [BlackHole(), HangUp(), Answer(status=429), Answer(status=503)], ids=str)
def test_each_kind_of_silence_is_told_and_outlasted(start: Start, faulty: Place, api: FaultyApi, fault: Any) -> None:
    """Whatever keeps the first reads from being answered is told, and the rollback is written in the end."""
    api.always("GET", fault)
    running = start(faulty, *ROLLBACK)
    running.says("trying again until")
    api.always("GET", None)
    assert running.ends() == 0
    assert faulty.percentage() == "0"


def test_an_answer_that_takes_seconds_is_waited_for(start: Start, faulty: Place, api: FaultyApi) -> None:
    """An API server that needs longer than the first tries have is given more time by and by."""
    api.always("GET", First(do=lambda: time.sleep(2.5)))
    running = start(faulty, *ROLLBACK)
    assert running.ends() == 0
    assert faulty.percentage() == "0"


def test_other_commands_say_for_whom_they_wait(start: Start, here: Place, silent: Path) -> None:
    """After a second without an answer `status` says so too."""
    running = start(here, "canary", "status", kubeconfig=silent)
    running.says("no answer from https://127.0.0.1:")
    assert running.ends() == 1


def test_a_healthy_api_server_leads_to_no_word_about_it(start: Start, here: Place) -> None:
    """Nothing is said about waiting where there is none."""
    running = start(here, *ROLLBACK)
    assert running.ends() == 0
    assert running.text() == ""


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="it takes a minute")
def test_it_goes_on_for_the_minute_that_it_says(for_a_minute: Mapping[Path, Running]) -> None:
    """A hanging API server or proxy is asked for a whole minute, and in the end the line by hand is there."""
    for path, command in for_a_minute.items():
        assert command.ends() == 1
        assert 59 < command.took < 120
        assert f"by hand: kubectl --kubeconfig={path} -n denis {BY_HAND[ROLLBACK]}" in command.text()
