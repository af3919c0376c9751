"""A whole chain beside a release on the real control plane: Prometheus, Alertmanager and Remediator, for doctor."""

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from demo import shipped
from demo.loopback import get_json
from demo.shipped import Pace
from demo.stack import Alertmanager, Prometheus, Remediator
from demo.waiting import until
from tests.acceptance.stack import free_address
from tests.canary.test_verify import HEALTHY
from tests.chart.deployments import denis
from tests.chart.installation import RELEASE, SECONDS, Installation
from tests.contract.workload import is_settled
from tests.support.builders import PROFILES
from tests.support.commands import run
from tests.support.components import component
from tests.support.stand_in import StandIn

CLUSTER = "eu-1"
PACE = Pace(interval="500ms", hold="1s", group_wait="300ms", group_interval="500ms", repeat_interval="100ms")
TARGETS = ("denis", "denis-workers")

Edit = Callable[[Any], None]


@dataclass(kw_only=True)
class Chain:
    """Everything that doctor asks, and how to break it."""

    installation: Installation
    directory: Path
    config: Path
    token: Path
    prometheus: Prometheus
    alertmanager: Alertmanager
    remediator: Remediator
    stack: ExitStack
    given: dict[str, str] = field(default_factory=dict)
    """Flags that take the place of the usual ones; an empty one is left out."""

    def doctor(self, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """The exit code, and the links of each chain by its name and theirs."""
        result = run("doctor", "-o", "json", *self.flags(), *arguments, config=self.config)
        chains = json.loads(result.stdout)["chains"]
        return result.exit_code, {one["name"]: {link["link"]: link for link in one["links"]} for one in chains}

    def flags(self) -> list[str]:
        """Whom doctor asks."""
        flags = {
            "--kubeconfig": str(self.installation.plane.kubeconfig),
            "--prometheus.url": f"http://{self.prometheus.address}",
            "--alertmanager.url": f"http://{self.alertmanager.address}",
            "--remediator.url": f"http://{self.remediator.internal_address}",
            "--cluster": CLUSTER,
            **self.given,
        }
        return [f"{name}={value}" for name, value in flags.items() if value]

    def bad(self, *arguments: str) -> dict[tuple[str, str], Any]:
        """The links that are not as in a healthy chain, by chain and name."""
        _, chains = self.doctor(*arguments)
        return {
            (chain, name): link
            for chain, links in chains.items()
            for name, link in links.items()
            if link["state"] != "ok" and name not in USUALLY_UNKNOWN
        }

    @contextmanager
    def file(self, program: Prometheus | Alertmanager, name: str, edit: Edit) -> Iterator[None]:
        """A file of Prometheus's or Alertmanager's, changed and loaded again."""
        path = self.directory / name
        text = path.read_text()
        document = yaml.safe_load(text)
        edit(document)
        try:
            self._load(program, path, yaml.safe_dump(document))
            yield
        finally:
            self._load(program, path, text)

    def _load(self, program: Prometheus | Alertmanager, path: Path, text: str) -> None:
        path.write_text(text)
        before = program.log.stat().st_size
        program.signal(signal.SIGHUP)
        said = "Completed loading of configuration file"
        until(said, lambda: said in program.log.read_text()[before:], SECONDS)
        if isinstance(program, Prometheus):
            self.await_rules()

    def await_rules(self) -> None:
        """Wait until every rule has been evaluated."""

        def evaluated() -> bool:
            groups = get_json(f"http://{self.prometheus.address}/api/v1/rules")["data"]["groups"]
            return all(rule["health"] == "ok" for group in groups for rule in group["rules"])

        until("all rules are evaluated", evaluated, SECONDS)
        until("a rate is recorded", lambda: self.prometheus.query("denis:error_rate:avg_ratio"), SECONDS)

    @contextmanager
    def annotated(self, name: str, **annotations: str) -> Iterator[None]:
        """A Deployment with annotations, which go away again."""
        site = self.installation.site(name, self.installation.plane.api)
        assert site.client.patch(site.path, {"metadata": {"annotations": annotations}}).code == 200
        try:
            yield
        finally:
            gone = {"metadata": {"annotations": dict.fromkeys(annotations)}}
            assert site.client.patch(site.path, gone).code == 200

    @contextmanager
    def changed(self, path: str, patch: Mapping[str, Any], back: Mapping[str, Any]) -> Iterator[None]:
        """An object with a merge patch, and then with another that takes it back."""
        api, kind = self.installation.plane.api, "application/merge-patch+json"
        assert api.patch(path, dict(patch), kind).code == 200
        try:
            yield
        finally:
            assert api.patch(path, dict(back), kind).code == 200

    @classmethod
    @contextmanager
    def beside(cls, installation: Installation, age: str, directory: Path) -> Iterator[Self]:
        """The chain around a release, with the oldest or the newest Prometheus and Alertmanager; healthy at last."""
        namespace, plane = installation.namespace, installation.plane
        for name in TARGETS:
            installation.reset(name, denis(PROFILES[10], name))
        (directory / "files").mkdir()
        config = directory / "files" / "remediations.yaml"
        config.write_text(plane.get("configmap", RELEASE, namespace)["data"]["remediations.yaml"])
        token = directory / "token"
        token.write_text("a-token\n")
        with ExitStack() as stack:
            exporter = stack.enter_context(StandIn({"/metrics": HEALTHY}))
            remediator = stack.enter_context(
                Remediator(
                    directory,
                    token_files=[token],
                    cluster=[f"--kubeconfig={installation.kubeconfig}", f"--cluster={CLUSTER}"],
                    config=config,
                )
            ).ready()
            route = shipped.route(PACE, webhook=remediator.address, token_file=token)
            document = yaml.safe_load(_here(route, namespace))
            document["receivers"][0]["pagerduty_configs"] = [{"routing_key": "k", "url": "http://127.0.0.1:1/people"}]
            program = component(f"alertmanager-{age}", "prometheus-alertmanager")
            alertmanager = Alertmanager(program, directory, config=yaml.safe_dump(document), address=free_address())
            stack.enter_context(alertmanager).ready()
            scrape = {"denis": exporter.url.removeprefix("http://"), "remediator": remediator.internal_address}
            files = shipped.watch(PACE, scrape=scrape, alertmanagers=[alertmanager.address])
            files = {name: _here(text, namespace) for name, text in files.items()}
            for name in ("denis.rules.yaml", "remediator.rules.yaml"):
                (config.parent / name).write_text(files[name])
            settings = json.loads(files["prometheus.json"])
            settings["global"]["external_labels"] = {"cluster": CLUSTER}
            files["prometheus.json"] = json.dumps(settings)
            prometheus = Prometheus(component(f"prometheus-{age}", "prometheus"), directory, files)
            stack.enter_context(prometheus).ready()
            made = cls(
                installation=installation,
                directory=directory,
                config=config,
                token=token,
                prometheus=prometheus,
                alertmanager=alertmanager,
                remediator=remediator,
                stack=stack,
            )
            made.await_rules()
            for name in TARGETS:
                plane.api.await_object(installation.site(name).path, is_settled)
            until("the chain is healthy", lambda: not made.bad(), SECONDS)
            yield made


USUALLY_UNKNOWN = ("webhook", "paging")
"""Alertmanager hides the webhook's URL, and only a test would page a person."""


def _here(text: str, namespace: str) -> str:
    """A shipped file for a DENIS in another namespace."""
    return (
        text.replace("denis/denis", f"{namespace}/denis")
        .replace('"denis|"', f'"{namespace}|"')
        .replace('\\"denis|\\"', f'\\"{namespace}|\\"')
        .replace("namespace: denis\n", f"namespace: {namespace}\n")
        .replace('"namespace": "denis"', f'"namespace": "{namespace}"')
    )
