"""A rollback and two scale-ups, done by one of two replicas, and watched by Prometheus as Grafana will find it."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest

from demo import shipped
from demo.denis import Denis, Scenario
from demo.stack import Alertmanager, Deployments, Prometheus, Remediator
from demo.waiting import until
from remediator.sandbox import EmbeddedCluster
from tests.acceptance.stack import HEALTHY, PACE, SECONDS
from tests.dashboard.watched import Story, Watched
from tests.support.certificates import make_authority
from tests.support.components import component

BAD = Scenario(success_rate=0.7, canary_error_rate=0.8, inflow=360.0)
"""The canary fails, and the queue grows faster than 6 workers empty it."""

EFFECTS = {"denis": "SetPercentage", "denis-workers": "Scale"}
"""What is done to each target."""


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Watched]]:
    """The story, as seen with a label `cluster` by the newest Prometheus, and without one by the oldest."""
    programs = {age: component(f"prometheus-{age}", "prometheus") for age in ("newest", "oldest")}
    alertmanager_program = component("alertmanager-newest", "prometheus-alertmanager")
    directory = tmp_path_factory.mktemp("story")
    with ExitStack() as stack:
        cluster = stack.enter_context(EmbeddedCluster())
        denis = stack.enter_context(Denis(cluster.url))
        replicas = [
            _replica(stack, cluster, directory / f"replica-{number}", watching=number > 0) for number in range(2)
        ]
        # Alertmanager notifies one of them; the other one only looks on, and would ask a Prometheus about old acts.
        route = shipped.route(PACE, webhook=replicas[0].address, token_file=directory / "replica-0" / "token")
        alertmanager = stack.enter_context(Alertmanager(alertmanager_program, directory, config=route)).ready()
        scrape = {
            "denis": [denis.address],
            "remediator": [replica.internal_address for replica in replicas],
            "alertmanager": [alertmanager.address],
        }

        def watch(age: str, alertmanagers: Sequence[str], **labels: str) -> Prometheus:
            place = directory / age
            place.mkdir()
            files = _files(scrape, alertmanagers, {"namespace": "denis", **labels})
            return stack.enter_context(Prometheus(programs[age], place, files)).ready()

        labelled, plain = watch("newest", [alertmanager.address], cluster="eu-1"), watch("oldest", [])
        told = _tell(denis, Deployments(cluster.url), [labelled, plain])
        yield {
            "chosen by name": Watched(prometheus=labelled, cluster="(eu-1|eu-2)", story=told),
            "all clusters": Watched(prometheus=labelled, cluster=".*", story=told),
            "no label cluster": Watched(prometheus=plain, cluster=".*", story=told),
        }


TLS_FILES = {"cert": "ca.crt", "key": "ca.key", "client-ca": "ca.crt"}


def _replica(stack: ExitStack, cluster: EmbeddedCluster, directory: Path, *, watching: bool) -> Remediator:
    directory.mkdir()
    token, kubeconfig, config = directory / "token", directory / "kubeconfig", directory / "remediations.yaml"
    token.write_text("a-token-of-the-story")
    cluster.write_kubeconfig(kubeconfig)
    config.write_text(shipped.remediations({"scale-workers": {"cooldown": "2s"}}))
    make_authority(directory, 60)
    # The webhook of one that nobody notifies may have TLS, and its Prometheus may be dead.
    tls = [f"--web.tls-{kind}-file={directory / file}" for kind, file in TLS_FILES.items()]
    flags = [f"--kubeconfig={kubeconfig}", *((*tls, "--prometheus.url=http://127.0.0.1:9") if watching else ())]
    return stack.enter_context(Remediator(directory, token_files=[token], cluster=flags, config=config)).ready()


def _files(
    scrape: Mapping[str, Sequence[str]], alertmanagers: Sequence[str], labels: Mapping[str, str]
) -> Mapping[str, str]:
    """Prometheus's files, with all addresses of each job, and these labels."""
    files = shipped.watch(PACE, scrape=dict.fromkeys(scrape, ""), alertmanagers=alertmanagers)
    configuration = json.loads(files["prometheus.json"])
    for job in configuration["scrape_configs"]:
        job["static_configs"] = [{"targets": scrape[job["job_name"]], "labels": labels}]
    return {**files, "prometheus.json": json.dumps(configuration)}


def _tell(denis: Denis, deployments: Deployments, watches: Sequence[Prometheus]) -> Story:
    """Let it happen, and wait until everybody has seen it."""

    def all_see(expression: str) -> None:
        until(f"all see {expression}", lambda: all(one.query(expression) for one in watches), SECONDS)

    all_see('denis:error_rate:avg_ratio and on () remediator_canary_percentage{target="denis"} == 10')
    all_see("rate(remediator_notifications_total[5s])")
    began = time.time()
    denis.becomes(BAD, queue=600)
    until(
        "a rollback and two scale-ups",
        lambda: deployments.acts("denis") and len(deployments.acts("denis-workers")) > 1,
        SECONDS,
    )
    denis.becomes(HEALTHY, queue=0)
    all_see('absent(ALERTS{alertname=~"Denis.+"})')
    acts = {target: [datetime.fromisoformat(act["time"]) for act in deployments.acts(target)] for target in EFFECTS}
    for target, times in acts.items():
        selector = f'{{target="{target}", effect="{EFFECTS[target]}"}}'
        # Not exactly: a time in seconds has more digits than are written here.
        last = f"{times[-1].timestamp() - 0.001:.3f}"
        all_see(f"count(remediator_last_action_timestamp_seconds{selector} >= {last}) == 2")
        all_see(f'remediator_verifications_total{{target="{target}", verdict="Converged"}} > 0')
    all_see("remediator_reviewed_acts == 0")
    all_see(f'min(remediator_replicas{{target="denis-workers"}}) == {deployments.workers()}')
    return Story(began=began, ended=time.time(), acts=acts)
