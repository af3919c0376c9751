"""One notification to applied, by the usual peer: Debian's `webhook` with a script that calls kubectl."""

import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from benchmarks.clients.sender import Sender
from benchmarks.figure import Effort, Figure, alternate, ratio_of, spell_seconds
from benchmarks.place import NAMESPACE, Place, notification, place
from demo.waiting import until
from tests.acceptance.stack import free_address
from tests.components import component
from tests.control_plane.daemon import Daemon
from tests.service import SHIPPED

GOAL = 20
"""How many times faster than the peer."""

NAME = "denis"

# What somebody writes who knows kubectl well: two calls, one of them with the precondition that makes the write safe.
SCRIPT = """#!/bin/sh
set -eu
export KUBECONFIG={kubeconfig} KUBECACHEDIR={cache}
state=$({kubectl} get deployment {name} --namespace={namespace} --output=jsonpath="{jsonpath}")
version=${{state%% *}} percentage=${{state#* }}
if [ "$percentage" = 0 ]; then
  echo "already at 0 %"
  exit
fi
{kubectl} patch deployment {name} --namespace={namespace} --type=strategic --output=name --patch "$(cat <<PATCH
{{"metadata": {{"resourceVersion": "$version", "annotations": {{"example.com/rolled-back": "$(date --utc +%FT%TZ)"}}}},
 "spec": {{"template": {{"spec": {{"containers": [{{"name": "denis", "env": {env}}}]}}}}}}}}
PATCH
)"
"""
JSONPATH = (
    "{.metadata.resourceVersion} "
    r"{.spec.template.spec.containers[?(@.name==\"denis\")].env[?(@.name==\"DENIS_MATERIALIZERS_PCT\")].value}"
)


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """How many times longer the peer takes for the same notification and the same change of the same Deployment."""
    webhook, kubectl = component("webhook", "webhook"), component("kubectl", "kubectl")
    with place(directory, [NAME], cooldown="1ms") as scene, scene.start(directory / "service") as service:
        address = free_address()
        with Daemon("webhook", _command(webhook, kubectl, scene, directory, address), directory / "peer"):
            host, _, port = address.partition(":")
            there = until("webhook listens", lambda: Sender((host, int(port)), "/hooks/rollback"), 10)
            with Sender(service.address) as sender, there as peer:
                compared = alternate(lambda: _act(scene, sender), lambda: _act_of_peer(scene, peer), effort.of(40, 2))
    ours, theirs = statistics.median(compared.ours), statistics.median(compared.baseline)
    ratio = ratio_of([other / mine for mine, other in zip(compared.ours, compared.baseline, strict=True)])
    yield Figure(
        name="the same by `webhook` and kubectl",
        ours=spell_seconds(ours),
        baseline=f"`webhook`, with a script of two kubectl calls: {spell_seconds(theirs)}",
        ratio=ratio,
        goal=f"≥ {GOAL}",
        reached=ratio.median >= GOAL,
        notes=[
            "here the ratio is the peer's time to ours",
            f"kubectl takes {spell_seconds(_idle(kubectl))} to start and end without a question to the API server, and "
            "the script starts it twice. What it keeps on disk about the API is warm",
        ],
    )


def _idle(kubectl: Path) -> float:
    """Seconds that kubectl takes for nothing."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([kubectl, "version", "--client"], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _act(scene: Place, sender: Sender) -> float:
    scene.reset(NAME)
    seconds, reason = sender.notify(notification(NAME))
    assert reason == "Applied"
    return seconds


def _act_of_peer(scene: Place, peer: Sender) -> float:
    scene.reset(NAME)
    seconds, code, answer = peer.post(notification(NAME))
    assert (code, answer.split()) == (200, [f"deployment.apps/{NAME}".encode()]), (code, answer)
    (container,) = scene.api.get(scene.path(NAME)).body["spec"]["template"]["spec"]["containers"]
    assert {"name": "DENIS_MATERIALIZERS_PCT", "value": "0"} in container["env"]
    return seconds


def _command(webhook: Path, kubectl: Path, scene: Place, directory: Path, address: str) -> list[str | Path]:
    profile = yaml.safe_load(SHIPPED.read_text())["profiles"][0]
    script = directory / "rollback"
    script.write_text(
        SCRIPT.format(
            kubeconfig=scene.kubeconfig,
            cache=directory / "cache",
            kubectl=kubectl,
            name=NAME,
            namespace=NAMESPACE,
            jsonpath=JSONPATH,
            env=json.dumps([{"name": name, "value": value} for name, value in profile.items()]),
        )
    )
    script.chmod(0o700)
    hook = {"id": "rollback", "execute-command": str(script), "include-command-output-in-response": True}
    hooks = directory / "hooks.json"
    hooks.write_text(json.dumps([hook]))
    host, _, port = address.partition(":")
    return [webhook, "-hooks", hooks, "-ip", host, "-port", port]
