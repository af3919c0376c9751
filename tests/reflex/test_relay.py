"""The relay to a dead man's switch: only while an act would be possible, and never a trace of its URL."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from demo.waiting import until
from remediator.core.forecast import forecast
from remediator.core.ladder import Snapshot
from remediator.core.policy import Remediation
from remediator.core.workload import TargetMissing
from remediator.reflex.armed import acts_possible
from remediator.reflex.heartbeat import Heartbeat
from remediator.reflex.metrics import Metrics
from remediator.reflex.relay import InvalidRelay, Relay
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, entry, pause, rollback, scale, workload
from tests.support.replica import Replica
from tests.support.service import alert, body
from tests.support.stand_in import Answer, StandIn

FRESH = Heartbeat(at=NOW, delay=22 * SECOND)
SECRET = "6f1a-secret-uuid"


class Relaying:
    """A relay that runs, with a switch outside that answers what it is told to."""

    def __init__(self, directory: Path, answer: Answer | None) -> None:
        self.possible = True
        self.switch = StandIn({f"/{SECRET}": answer} if answer is not None else {})
        self.file = directory / "url"
        self.metrics = Metrics(CollectorRegistry())
        self.stop = threading.Event()

    def start(self) -> None:
        """Run it until the test ends."""
        self.file.write_text(f"{self.switch.url}/{SECRET}\n")
        self.relay = Relay(self.file, possible=lambda _: self.possible, metrics=self.metrics)
        threading.Thread(target=self.relay.watch, args=(self.stop,), daemon=True).start()

    def count(self, result: str) -> float:
        """How many heartbeats ended so."""
        return self.metrics.registry.get_sample_value("remediator_heartbeat_relays_total", {"result": result}) or 0

    def relays(self, result: str) -> None:
        """Receive a heartbeat, and wait until it has ended so."""
        before = self.count(result)
        self.relay.received(FRESH)
        until(f"the relay is {result}", lambda: self.count(result) > before, 60)


@pytest.fixture
def relaying(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Relaying]:
    """A relay and its switch, which answers 200 unless the test says otherwise."""
    made = Relaying(tmp_path, getattr(request, "param", b"OK"))
    with made.switch:
        made.start()
        yield made
        made.stop.set()


def test_a_heartbeat_is_relayed_while_an_act_is_possible(relaying: Relaying) -> None:
    """The URL is asked for once for each heartbeat; while no act would be possible it is not, and that is counted."""
    relaying.relays("sent")
    assert relaying.switch.paths == [f"/{SECRET}"]
    relaying.possible = False
    relaying.relays("withheld")
    assert relaying.switch.paths == [f"/{SECRET}"]
    relaying.possible = True
    relaying.relays("sent")
    assert (relaying.count("sent"), relaying.count("failed"), relaying.count("withheld")) == (2, 0, 1)


@pytest.mark.parametrize("relaying", [None, (500, b""), (302, b""), (429, b"")], indirect=True, ids=str)
def test_an_answer_that_is_none_is_a_failure(relaying: Relaying, caplog: pytest.LogCaptureFixture) -> None:
    """404, 500, a redirect: counted each time, logged once, and the URL is not in the log."""
    caplog.set_level(logging.DEBUG)
    relaying.relays("failed")
    relaying.relays("failed")
    records = [record for record in caplog.records if record.name.endswith("relay")]
    assert len(records) == 1
    assert SECRET not in str([record.__dict__ for record in caplog.records])


def test_a_redirect_is_not_followed(relaying: Relaying) -> None:
    """Where it leads is not asked for."""
    relaying.switch.answers[f"/{SECRET}"] = (302, b"")
    relaying.relays("failed")
    assert len(relaying.switch.paths) == 1


@pytest.mark.parametrize(
    "text", ["", "ftp://x/secret", "hc-ping.com/secret", "http://", "http://x/se cret", "http://x:y/"]
)
def test_a_file_without_a_url_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    """The message names the file and shows nothing of it."""
    file = tmp_path / "url"
    file.write_text(text)
    with pytest.raises(InvalidRelay, match="url: ") as error:
        Relay(file, possible=lambda _: True, metrics=Metrics(CollectorRegistry()))
    assert "cret" not in str(error.value)
    with pytest.raises(InvalidRelay, match="No such file"):
        Relay(tmp_path / "none", possible=lambda _: True, metrics=Metrics(CollectorRegistry()))


def test_a_file_is_read_each_time(relaying: Relaying, caplog: pytest.LogCaptureFixture) -> None:
    """A rotated URL needs no restart, a broken file is a failure, and nobody listening is one too."""
    relaying.switch.answers["/other"] = b"OK"
    relaying.file.write_text(f"{relaying.switch.url}/other")
    relaying.relays("sent")
    assert relaying.switch.paths == ["/other"]
    relaying.file.write_text("nonsense")
    relaying.relays("failed")
    relaying.file.write_text(f"http://127.0.0.1:1/{SECRET}")
    relaying.relays("failed")
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("remediation", "seen", "delay", "dry_run", "expected"),
    [
        pytest.param(rollback(), workload(), 22 * SECOND, False, True, id="armed"),
        pytest.param(rollback(), workload(percentage=0), 22 * SECOND, False, True, id="at 0 %"),
        pytest.param(rollback(), workload(), 150 * SECOND, False, True, id="just in time"),
        pytest.param(rollback(), workload(), 151 * SECOND, False, False, id="late"),
        pytest.param(rollback(), workload(), None, False, False, id="of unknown delay"),
        pytest.param(rollback(), workload(), 22 * SECOND, True, False, id="dry run"),
        pytest.param(rollback(), workload(percentage=0), 22 * SECOND, True, False, id="dry run at 0 %"),
        pytest.param(rollback(mode="observe"), workload(), 22 * SECOND, False, False, id="nothing acts"),
        pytest.param(rollback(), workload(pause=pause(HOUR)), 22 * SECOND, False, False, id="paused"),
        pytest.param(rollback(), TargetMissing(), 22 * SECOND, False, False, id="no target"),
        pytest.param(scale(), workload(replicas=20), 22 * SECOND, False, True, id="workers at the limit"),
        pytest.param(scale(), workload(acts=(entry(MINUTE, effect="Scale"),)), 22 * SECOND, False, True, id="cooling"),
        pytest.param(scale(), TargetMissing(), 22 * SECOND, False, False, id="no workers"),
    ],
)
def test_what_is_promised_outside(
    remediation: Remediation, seen: Snapshot, delay: timedelta | None, dry_run: bool, expected: bool
) -> None:
    """A rollback would come in time, and every other target of mode act is usable."""
    told = [(remediation, forecast(remediation, seen, NOW, dry_run=dry_run))]
    assert acts_possible(told, Heartbeat(at=NOW, delay=delay), dry_run=dry_run) is expected


def test_the_service_relays_by_its_flag(kubeconfig: Path, config: Path, tmp_path: Path) -> None:
    """`serve --heartbeat.relay-url-file`: a heartbeat at the webhook asks for the URL, which no log shows."""
    with StandIn({f"/{SECRET}": b"OK"}) as switch:
        (tmp_path / "url").write_text(f"{switch.url}/{SECRET}")
        flags = (f"--config.file={config}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth", "--log.level=debug")
        with Replica(tmp_path / "replica", *flags, f"--heartbeat.relay-url-file={tmp_path / 'url'}") as replica:

            def relayed() -> bool:
                beat = {**alert("heartbeat"), "annotations": {"recorded": f"{time.time():.3f}"}}
                assert replica.post(body(beat))[0] == 200
                return switch.paths[:1] == [f"/{SECRET}"]

            until("it is relayed", relayed, 60)
        assert SECRET not in replica.log.read_text()


@pytest.mark.parametrize("remediation", [rollback(), scale()], ids=["rollback", "scale"])
def test_an_act_that_the_api_server_refuses_is_not_promised_outside(remediation: Remediation) -> None:
    """The last dry run was refused: somebody outside is to notice."""
    told = replace(forecast(remediation, workload(), NOW, dry_run=False), refused="forbidden")
    assert not acts_possible([(remediation, told)], Heartbeat(at=NOW, delay=22 * SECOND), dry_run=False)
