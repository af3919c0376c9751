"""A real API server with canaries, and services in front of it.

etcd and kube-apiserver run without controllers, so that nothing but what is measured asks or writes anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from remediator.ledger import LEDGER
from tests.acceptance.fleet import Member
from tests.acceptance.incidents import canary, policy
from tests.contract.client import Client
from tests.control_plane.api_server import ApiServer
from tests.service import SHIPPED, alert, body

NAMESPACE = "benchmarks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The API server, an administrator's kubeconfig and client, and the policy for the canaries there."""

    server: ApiServer
    api: Client
    kubeconfig: Path
    config: Path
    names: Sequence[str]

    def path(self, name: str) -> str:
        """Where the Deployment of a canary is."""
        return f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}"

    def flags(self) -> list[str]:
        """What `remediator serve` is started with."""
        return [f"--config.file={self.config}", f"--kubeconfig={self.kubeconfig}", "--insecure-no-auth"]

    def start(self, directory: Path, *flags: str) -> Member:
        """A service that is ready."""
        member = Member(directory, *self.flags(), *flags)
        member.wait_until_ready()
        return member

    def floor(self, name: str) -> dict[str, Any]:
        """The arguments of a Floor that writes to this canary what the service has written last."""
        return {
            "address": self.server.address,
            "certificate": str(self.server.certificate),
            "token": self.server.admin_token,
            "profile": yaml.safe_load(SHIPPED.read_text())["profiles"][0],
            "ledger": self.api.get(self.path(name)).body["metadata"]["annotations"][LEDGER],
        }

    def reset(self, name: str) -> None:
        """Bring a canary back to 10 %, with nothing in its ledger."""
        wanted = canary(name)
        env = wanted["spec"]["template"]["spec"]["containers"][0]["env"]
        spec = {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}
        answer = self.api.patch(self.path(name), {"metadata": {"annotations": {LEDGER: None}}, "spec": spec})
        assert answer.code == 200, answer


@contextmanager
def place(directory: Path, names: Sequence[str] = ("denis",), *, cooldown: str = "30m") -> Iterator[Place]:
    """An API server with a canary at 10 % for each name, which is also that of its remediation.

    With a cooldown of "1ms", every notification after a reset is an act: the budget counts that time alone as well.
    """
    server = ApiServer(directory / "api")
    try:
        server.start()
        kubeconfig = server.write_kubeconfig(directory / "kubeconfig", server.admin_token)
        api = Client.from_kubeconfig(kubeconfig)
        assert api.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}).code == 201
        for name in names:
            made = api.post(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", canary(name))
            assert made.code == 201, made
        config = directory / "remediations.yaml"
        config.write_text(yaml.safe_dump(_hurried(policy(NAMESPACE, names), cooldown)))
        yield Place(server=server, api=api, kubeconfig=kubeconfig, config=config, names=names)
    finally:
        server.close()


def notification(name: str, alerts: int = 1) -> bytes:
    """Firing alerts that the remediation of this name answers."""
    return body(*(alert(name, instance=f"denis-{number}:8084") for number in range(alerts)))


def _hurried(policy: Mapping[str, Any], cooldown: str) -> dict[str, Any]:
    remediations = [
        {**remediation, "cooldown": cooldown, "budget": {"acts": 20, "window": cooldown}}
        for remediation in policy["remediations"]
    ]
    return {**policy, "remediations": remediations}
