"""The canaries of the soaked service, its policy and its token. Some canaries are raised again, so that it acts."""

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.canaries import NAMESPACE, Canaries
from benchmarks.slow_api import SlowApi
from benchmarks.soak.background import background
from remediator.core.ledger import LEDGER
from tests.acceptance.fleet import Member
from tests.acceptance.incidents import canary, env_of, policy

STEADY = ("steady-0", "steady-1", "gone")
ACTING = ("acting-0", "acting-1")
SCALING = "scaling"
CANARIES = (*STEADY, *ACTING, SCALING)

MOST_REPLICAS = 4
RAISE_SECONDS = 1.0
RAISES = "benchmarks/raises"
"""An annotation that counts how often a canary was raised again, written by the same patch."""


class Targets:
    """Among canaries with the names of CANARIES."""

    def __init__(self, there: Canaries, api: SlowApi, directory: Path) -> None:
        self.there, self.api = there, api
        self.config, self._token = directory / "soak.yaml", directory / "token"
        self.configure(cooldown="30m")
        self.set_token(there.server.admin_token)
        self._kubeconfig = there.server.write_kubeconfig(directory / "soak.kubeconfig", "", url=api.url)
        config = json.loads(self._kubeconfig.read_text())
        config["users"][0]["user"] = {"tokenFile": str(self._token)}
        self._kubeconfig.write_text(json.dumps(config))

    def start(self, directory: Path) -> Member:
        """Start the service, and wait until it is ready."""
        flags = (f"--config.file={self.config}", f"--kubeconfig={self._kubeconfig}", "--insecure-no-auth")
        service = Member(directory, *flags)
        service.wait_until_ready()
        return service

    def configure(self, *, cooldown: str) -> None:
        """Write a valid policy."""
        whole = {**policy(NAMESPACE, (*STEADY, *ACTING))}
        hurried = {"cooldown": "1ms", "budget": {"acts": 20, "window": "1ms"}}
        whole["remediations"] = [
            {**one, **(hurried if one["name"] in ACTING else {"cooldown": cooldown})} for one in whole["remediations"]
        ]
        whole["targets"][SCALING] = {"namespace": NAMESPACE, "deployment": SCALING}
        scale = {"scale": {"step": 1, "min": 1, "max": MOST_REPLICAS}, "mode": "act", **hurried}
        matchers = [f'remediation="{SCALING}"']
        whole["remediations"].append({"name": SCALING, "matchers": matchers, "target": SCALING, **scale})
        replace(self.config, yaml.safe_dump(whole))

    def set_token(self, token: str) -> None:
        """Write the bearer token of the service."""
        replace(self._token, token)

    def changes(self, name: str) -> int:
        """How often the service changed a canary, according to the API server: neither its creation nor a raise."""
        found = self.there.api.get(self.there.path(name)).body
        return int(found["metadata"]["generation"]) - 1 - _raises(found)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise canaries again during a `with`."""

        def work(stop: threading.Event) -> None:
            while not stop.wait(RAISE_SECONDS):
                # An API server that is down is asked again a second later.
                with contextlib.suppress(OSError, http.client.HTTPException, KeyError):
                    self._raise()

        with background(work):
            yield

    def _raise(self) -> None:
        for name in (*ACTING, SCALING):
            found = self.there.api.get(self.there.path(name)).body
            if spec := _raised(name, found):
                version = found["metadata"]["resourceVersion"]
                annotations = {LEDGER: None, RAISES: str(_raises(found) + 1)}
                patch = {"metadata": {"resourceVersion": version, "annotations": annotations}, "spec": spec}
                self.there.api.patch(self.there.path(name), patch)


def replace(path: Path, text: str) -> None:
    """Replace a file atomically, as the kubelet does."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    fresh.replace(path)


def _raises(deployment: Mapping[str, Any]) -> int:
    return int(deployment["metadata"].get("annotations", {}).get(RAISES, 0))


def _raised(name: str, deployment: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What raises a canary that the service can do no more about."""
    if name == SCALING:
        return {"replicas": 1} if deployment["spec"]["replicas"] >= MOST_REPLICAS else None
    wanted = env_of(canary(name))
    env = [{"name": key, "value": value} for key, value in wanted.items()]
    spec = {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}
    return spec if env_of(deployment) != wanted else None
