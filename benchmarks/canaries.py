"""A real API server with canaries. It runs without controllers, so that only what is measured reads and writes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from remediator.core.ledger import LEDGER
from tests.acceptance.fleet import Member
from tests.acceptance.incidents import canary, env_of, policy
from tests.contract.client import Client
from tests.support.control_plane.api_server import ApiServer
from tests.support.service import alert, body

NAMESPACE = "benchmarks"

OBSERVED = "{}-observed"
"""The remediation that observes a canary."""

_ONE = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
SETTLED = {"observedGeneration": 1_000_000_000, **_ONE}
"""The status of a rollout that is over, for all specifications to come: no controller is there to write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """The API server, an administrator's kubeconfig and client, and a policy for the canaries."""

    server: ApiServer
    api: Client
    kubeconfig: Path
    config: Path
    names: Sequence[str]

    def path(self, name: str) -> str:
        """The path of a canary's Deployment."""
        return f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}"

    def start(self, directory: Path, *flags: str) -> Member:
        """Start the service, and wait until it is ready."""
        common = (f"--config.file={self.config}", f"--kubeconfig={self.kubeconfig}", "--insecure-no-auth")
        member = Member(directory, *common, *flags)
        member.wait_until_ready()
        return member

    def switched_off(self, name: str, seconds: float = 30.0) -> float:
        """The time at which a watch reports that a canary is at 0 %. Raises TimeoutError."""
        collection, deadline = self.path(name).rpartition("/")[0], time.monotonic() + seconds
        version = self.api.get(collection).version
        while time.monotonic() < deadline:  # The API server ends each watch after some seconds.
            for event in self.api.watch(collection, resourceVersion=version, fieldSelector=f"metadata.name={name}"):
                if event["type"] == "MODIFIED" and env_of(event["object"])["DENIS_MATERIALIZERS_PCT"] == "0":
                    return time.time()
                version = event["object"]["metadata"]["resourceVersion"]
        raise TimeoutError(f"{name} was not switched off")

    def reset(self, name: str) -> None:
        """Set a canary to 10 %, with an empty ledger."""
        wanted = canary(name)
        env = wanted["spec"]["template"]["spec"]["containers"][0]["env"]
        spec = {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}
        answer = self.api.patch(self.path(name), {"metadata": {"annotations": {LEDGER: None}}, "spec": spec})
        assert answer.code == 200, answer


@contextmanager
def canaries(
    directory: Path, names: Sequence[str] = ("denis",), *, cooldown: str = "30m", observed: bool = False
) -> Iterator[Canaries]:
    """An API server with a canary at 10 % for each name, and a remediation of the same name for it.

    The cooldown is also the budget's window: with "1ms", every notification after a reset leads to an act. Where they
    are observed, there is also a remediation for each that reads it and never acts; OBSERVED has its name.
    """
    server = ApiServer(directory / "api")
    try:
        server.start()
        kubeconfig = server.write_kubeconfig(directory / "kubeconfig", server.admin_token)
        api = Client.from_kubeconfig(kubeconfig)
        assert api.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}).code == 201
        for name in names:
            deployments = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
            assert api.post(deployments, canary(name)).code == 201
            assert api.patch(f"{deployments}/{name}/status", {"status": SETTLED}).code == 200
        config = directory / "remediations.yaml"
        whole = {**policy(NAMESPACE, names)}
        hurried = {"cooldown": cooldown, "budget": {"acts": 20, "window": cooldown}}
        acting = [{**one, **hurried} for one in whole["remediations"]]
        observing = [_observing(one) for one in acting] if observed else []
        whole["remediations"] = [*acting, *observing]
        config.write_text(yaml.safe_dump(whole))
        yield Canaries(server=server, api=api, kubeconfig=kubeconfig, config=config, names=names)
    finally:
        server.close()


def _observing(remediation: Mapping[str, Any]) -> Mapping[str, Any]:
    name = OBSERVED.format(remediation["name"])
    return {**remediation, "name": name, "matchers": [f'remediation="{name}"'], "mode": "observe"}


def notification(name: str, alerts: int = 1) -> bytes:
    """A notification with firing alerts for the remediation of this name."""
    return body(*(alert(name, instance=f"denis-{number}:8084") for number in range(alerts)))
