"""What the soaked service looks after, and what it is started with: canaries, an account, a policy and credentials.

The service reaches the API server through a proxy, with a token that lives for seconds, as one of the kubelet lives for
an hour. Some canaries are brought back whenever they were changed, so that there is always something to do.
"""

import contextlib
import http.client
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.place import NAMESPACE, Place
from benchmarks.slow_api import SlowApi
from benchmarks.soak.beside import beside
from remediator.ledger import LEDGER
from tests.acceptance.fleet import Member
from tests.acceptance.incidents import ROLE, canary, env_of, policy
from tests.control_plane.service_account import sign_token

STEADY = ("steady-0", "steady-1", "steady-2", "gone")
ACTING = ("acting-0", "acting-1")
SCALING = "scaling"
CANARIES = (*STEADY, *ACTING, SCALING)

MOST_REPLICAS = 4
TOKEN_SECONDS, RENEW_SECONDS = 20.0, 10.0
RESET_SECONDS = 1.0

RESETS = "benchmarks/resets"
"""An annotation that counts how often a canary was brought back, in the very patch that does it."""

_COLLECTIONS = {
    "Role": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles",
    "RoleBinding": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings",
    "ServiceAccount": f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
}


class Estate:
    """In a place that has a canary for each of CANARIES."""

    def __init__(self, where: Place, api: SlowApi, directory: Path) -> None:
        self.where = where
        self.api = api
        self.webhook_token = secrets.token_hex(16)
        self.webhook_tokens = directory / "webhook-tokens"
        self.webhook_tokens.write_text(self.webhook_token)
        self.config = directory / "soak.yaml"
        self.configure(cooldown="30m")
        self.renews = True
        """Whether the account's token is renewed before it runs out; if not, nonsense takes its place."""
        self._account = self._grant()
        self._token = directory / "account-token"
        self._renew()
        self._kubeconfig = directory / "soak.kubeconfig"
        where.server.write_kubeconfig(self._kubeconfig, "", url=api.url)
        config = json.loads(self._kubeconfig.read_text())
        config["users"][0]["user"] = {"tokenFile": str(self._token)}
        self._kubeconfig.write_text(json.dumps(config))

    @contextmanager
    def start(self, directory: Path) -> Iterator[Member]:
        """A service that is ready, while its token is renewed and its canaries are brought back."""
        flags = (
            f"--config.file={self.config}",
            f"--kubeconfig={self._kubeconfig}",
            f"--web.token-file={self.webhook_tokens}",
        )
        with _every(RENEW_SECONDS, self._renew), Member(directory, *flags) as service:
            service.wait_until_ready()
            yield service

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Bring canaries back while this lasts, so that there are acts."""
        with _every(RESET_SECONDS, self._bring_back):
            yield

    def configure(self, *, cooldown: str, passing: bool = False) -> None:
        """Write a good policy; a target can come and go."""
        names = [*STEADY, *ACTING, *(["passing"] if passing else [])]
        whole = {**policy(NAMESPACE, names)}
        hurried = {"cooldown": "1ms", "budget": {"acts": 20, "window": "1ms"}}
        whole["remediations"] = [
            {**one, **(hurried if one["name"] in ACTING else {"cooldown": cooldown})} for one in whole["remediations"]
        ]
        whole["targets"][SCALING] = {"namespace": NAMESPACE, "deployment": SCALING}
        scale = {"scale": {"step": 1, "min": 1, "max": MOST_REPLICAS}, "mode": "act", **hurried}
        whole["remediations"].append(
            {"name": SCALING, "matchers": [f'remediation="{SCALING}"'], "target": SCALING, **scale}
        )
        replace(self.config, yaml.safe_dump(whole))

    def acts(self, name: str) -> int:
        """How often the service changed a canary, as the API server has it: what was not its creation, nor ours."""
        found = self.where.api.get(self.where.path(name)).body
        return int(found["metadata"]["generation"]) - 1 - _resets(found)

    def _bring_back(self) -> None:
        for name in (*ACTING, SCALING):
            found = self.where.api.get(self.where.path(name)).body
            if change := _way_back(name, found):
                metadata = {
                    "resourceVersion": found["metadata"]["resourceVersion"],
                    "annotations": {LEDGER: None, RESETS: str(_resets(found) + 1)},
                }
                self.where.api.patch(self.where.path(name), {"metadata": metadata, "spec": change})

    def _grant(self) -> Mapping[str, Any]:
        """Make the service's account with its rights."""
        made = dict[str, Any]()
        for wanted in yaml.safe_load_all(ROLE):
            for subject in wanted.get("subjects", []):
                subject["namespace"] = NAMESPACE
            answer = self.where.api.post(_COLLECTIONS[wanted["kind"]], wanted)
            assert answer.code == 201, answer
            made[wanted["kind"]] = answer.body
        account: Mapping[str, Any] = made["ServiceAccount"]
        return account

    def _renew(self) -> None:
        key = self.where.server.service_account_key
        token = sign_token(key, self._account, lifetime=TOKEN_SECONDS) if self.renews else "nonsense"
        replace(self._token, token)


def replace(path: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it, as the kubelet does."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    fresh.replace(path)


def _resets(deployment: Mapping[str, Any]) -> int:
    return int(deployment["metadata"].get("annotations", {}).get(RESETS, 0))


def _way_back(name: str, deployment: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What brings a canary back that was changed as far as it can be."""
    if name == SCALING:
        return {"replicas": 1} if deployment["spec"]["replicas"] >= MOST_REPLICAS else None
    wanted = env_of(canary(name))
    if env_of(deployment) == wanted:
        return None
    env = [{"name": key, "value": value} for key, value in wanted.items()]
    return {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}


@contextmanager
def _every(seconds: float, work: Callable[[], None]) -> Iterator[None]:
    """Do something again and again on a thread; an API server that is away at the time is asked the next time."""

    def run(stop: threading.Event) -> None:
        while not stop.wait(seconds):
            with contextlib.suppress(OSError, http.client.HTTPException, KeyError):
                work()

    with beside(work.__name__, run):
        yield
