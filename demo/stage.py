"""Everything that the story needs, started on free ports of loopback, and stopped whatever happens."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import yaml

from demo import shipped
from demo.alerting import Alerting, RealAlerting, RecordedAlerting
from demo.denis import Denis
from demo.interrupts import Interrupts
from demo.process import Process
from demo.programs import ALERTMANAGER, PROMETHEUS, Program, find
from demo.stack import Alertmanager, Deployments, Prometheus, Remediator
from demo.story import Cast
from demo.timeline import Timeline
from remediator import __version__

PACE = shipped.Pace(interval="1s", hold="3s", group_wait="1s", group_interval="2s", repeat_interval="1s")
NAMES = ("Prometheus", "Alertmanager")
TOKEN = "a-token-of-the-demo"  # noqa: S105 - it opens nothing but this demo

P = TypeVar("P", bound=Process)


class Stage:
    """Starts one after the other and says who is there."""

    def __init__(self, timeline: Timeline) -> None:
        self.running: list[Process] = []
        self.denis = ""
        """Where DENIS exports its metrics, once it does."""
        self._timeline = timeline
        self._interrupts = Interrupts()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._interrupts.held():
            prepared = tempfile.TemporaryDirectory(prefix="remediator-demo-")
            self.directory = Path(self._stack.enter_context(prepared))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._interrupts.ignore()
        for process in self.running:
            process.ask_to_stop()
        for process in self.running:
            process.stop()
        self._stack.close()

    @property
    def kubeconfig(self) -> Path:
        """How to reach the embedded cluster."""
        return self.directory / "kubeconfig"

    def assemble(self) -> Cast:
        """Start everyone and introduce them. Raises Ended, TimeoutError."""
        token_file, fact = self.directory / "token", self._timeline.fact
        token_file.write_text(TOKEN)
        cluster = ["--embedded", f"--embedded.kubeconfig={self.kubeconfig}"]
        remediator = self._start(lambda: Remediator(self.directory, token_files=[token_file], cluster=cluster)).ready()
        api_url = yaml.safe_load(self.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        denis = self._stack.enter_context(Denis(api_url))
        self.denis = denis.address
        fact("Kubernetes", "embedded: a sandbox API with denis and denis-workers")
        fact("DENIS", "a stand-in, whose gauges follow the percentage and the workers that Kubernetes shows")
        fact("Remediator", f"{__version__}, rules/remediations.yaml as shipped")
        return Cast(
            timeline=self._timeline,
            denis=denis,
            remediator=remediator,
            deployments=Deployments(api_url),
            alerting=self._alerting(remediator, token_file, denis.address),
        )

    def _alerting(self, remediator: Remediator, token_file: Path, denis: str) -> Alerting:
        match find(PROMETHEUS), find(ALERTMANAGER):
            case Program() as for_rules, Program() as for_routes:
                return self._real_alerting(for_rules, for_routes, remediator, token_file, denis)
            case found:
                missing = " and ".join(name for name, program in zip(NAMES, found, strict=True) if not program)
                self._timeline.fact("no alerting", f"{missing} not found, so the demo plays their part:")
                plays = "it watches DENIS itself, and posts notifications that a real Alertmanager has sent"
                self._timeline.fact("", plays)
                return RecordedAlerting(denis, remediator, TOKEN)

    def _real_alerting(
        self, for_rules: Program, for_routes: Program, remediator: Remediator, token_file: Path, denis: str
    ) -> Alerting:
        config = shipped.route(PACE, webhook=remediator.address, token_file=token_file)
        alertmanager = self._start(lambda: Alertmanager(for_routes.path, self.directory, config=config)).ready()
        scrape = {"denis": denis, "remediator": remediator.internal_address, "alertmanager": alertmanager.address}
        prometheus = self._start(
            lambda: Prometheus(
                for_rules.path,
                self.directory,
                shipped.watch(PACE, scrape=scrape, alertmanagers=[alertmanager.address]),
            )
        ).ready()
        rules = f"rules/denis.rules.yaml in a copy with short durations (for: {PACE.hold})"
        route = f"rules/alertmanager.yaml in a copy with short durations (group_wait: {PACE.group_wait})"
        self._timeline.fact("Prometheus", f"{for_rules.version}, {rules}")
        self._timeline.fact("Alertmanager", f"{for_routes.version}, {route}")
        shipped_route = shipped.remediators_route(shipped.read("alertmanager.yaml"))
        return RealAlerting(prometheus, alertmanager, PACE, shipped_route["group_wait"])

    def _start(self, make: Callable[[], P]) -> P:
        with self._interrupts.held():
            process = make()
            self.running.append(process)
        return process
