"""`remediator canary promote`: the next step where everything speaks for it, and nothing where somebody was first."""

import json
from collections.abc import Callable, Iterator, Mapping

import pytest

from demo.waiting import until
from tests.canary.place import Ended, Place
from tests.support.documents import dump_yaml, load_yaml
from tests.support.stand_in import StandIn

SECONDS = 60.0
RULES = {
    "groups": [
        {
            "name": "denis",
            "file": "denis.rules.yaml",
            "interval": 15,
            "rules": [
                {
                    "type": "alerting",
                    "name": "DenisErrorRateHigh",
                    "query": "denis:error_rate:avg_ratio > 0.05",
                    "duration": 120,
                    "labels": {"remediation": "rollback"},
                    "annotations": {},
                    "alerts": [],
                    "health": "ok",
                    "state": "inactive",
                }
            ],
        }
    ]
}


class Watched:
    """A Prometheus that has seen what a test says, and what happens while it is asked."""

    def __init__(self) -> None:
        self.success_rate, self.error_rate = 0.99, 0.01
        self.firing: list[dict[str, str]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def answer(self, parameters: Mapping[str, str]) -> str:
        """The answer to a query."""
        query = parameters["query"]
        if query.startswith("ALERTS"):
            return self._vector([(alert, 1.0) for alert in self.firing])
        if query.startswith("present_over_time"):
            return self._vector([])
        if "async_queue_depth" in query:
            meanwhile, self.meanwhile = self.meanwhile, lambda: None
            meanwhile()
        if "count_over_time" in query:
            return self._vector([({}, 1.0)])
        return self._vector([({}, self.success_rate if "success_rate" in query else self.error_rate)])

    @staticmethod
    def _vector(samples: list[tuple[dict[str, str], float]]) -> str:
        result = [{"metric": labels, "value": [1e9, str(value)]} for labels, value in samples]
        return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


@pytest.fixture
def watched() -> Watched:
    """A healthy past."""
    return Watched()


@pytest.fixture
def prometheus(watched: Watched) -> Iterator[StandIn]:
    """The Prometheus."""
    rules = json.dumps({"status": "success", "data": RULES})
    with StandIn({"/api/v1/query": watched.answer, "/api/v1/rules": rules}) as program:
        yield program


@pytest.fixture
def ready(here: Place) -> Place:
    """A canary whose phase is over as soon as its pods follow for a second."""
    document = load_yaml(here.config_file.read_text())
    document["phases"] = [{**phase, "hold": "1s"} for phase in document["phases"]]
    here.config_file.write_text(dump_yaml(document))
    return here


def promote(place: Place, prometheus: StandIn, *arguments: str) -> Ended:
    """Run the command once the phase's hold is over."""

    def served() -> bool:
        status = json.loads(place.run("canary", "status", "-o", "json").stdout)
        return bool(status["phase"]["leftSeconds"] == 0)

    until("the hold is over", served, SECONDS)
    return place.run("canary", "promote", "--yes", "--no-wait", f"--prometheus.url={prometheus.url}", *arguments)


@pytest.mark.parametrize("arguments", [(), ("--auto",)], ids=["person", "auto"])
def test_a_good_phase_leads_to_the_next_step(ready: Place, prometheus: StandIn, arguments: tuple[str, ...]) -> None:
    """All checks pass, so the step is taken, and the record says from where."""
    ended = promote(ready, prometheus, *arguments)
    assert (ended.code, ended.output.partition(",")[0]) == (0, "denis: 10 % -> 50 %")
    assert ready.acts()[-1]["reason"] == f"promoted{' by itself' if arguments else ''} after 10 %"


def test_a_dry_run_takes_no_step(ready: Place, prometheus: StandIn) -> None:
    """The flags of the next step are shown."""
    ended = promote(ready, prometheus, "--dry-run")
    assert (ended.code, "+DENIS_MATERIALIZERS_PCT=50" in ended.output) == (0, True)
    assert ready.percentage() == "10"


@pytest.mark.parametrize("arguments", [(), ("--auto",)], ids=["person", "auto"])
def test_a_rollback_while_evidence_is_gathered_stops_it(
    ready: Place, prometheus: StandIn, watched: Watched, arguments: tuple[str, ...]
) -> None:
    """What was judged is what is written on: a person who takes the canary back meanwhile is not overruled."""
    watched.meanwhile = lambda: ready.run("canary", "rollback", "--no-wait", "--reason=checkout is slow")
    ended = promote(ready, prometheus, *arguments)
    assert ended.code == 3
    assert "has meanwhile set 10 % -> 0 % (checkout is slow); nothing was written" in ended.output
    assert ready.percentage() == "0"


def test_an_alert_that_fires_takes_no_step(ready: Place, prometheus: StandIn, watched: Watched) -> None:
    """The verdict is rollback, also for a CronJob, whose Job then fails."""
    watched.firing = [{"alertname": "DenisErrorRateHigh", "remediation": "rollback", "alertstate": "firing"}]
    for arguments in ((), ("--auto",)):
        ended = promote(ready, prometheus, *arguments)
        assert (ended.code, "the verdict is rollback" in ended.output) == (3, True)
    assert ready.percentage() == "10"


def test_a_mediocre_phase_is_held(ready: Place, prometheus: StandIn, watched: Watched) -> None:
    """A success rate between the reflex's threshold and the phase's is no rollback by itself; nobody is promoted."""
    watched.success_rate = 0.92
    ended = promote(ready, prometheus)
    assert ended.code == 3
    assert "92 %, wanted at least 93 %" in ended.output


def test_a_step_that_nothing_would_take_back_is_not_taken(ready: Place, prometheus: StandIn) -> None:
    """In `observe` a person may take it, and is the reflex; a CronJob may not."""
    ready.config_file.write_text(ready.config_file.read_text().replace("mode: act", "mode: observe"))
    held = promote(ready, prometheus, "--auto")
    assert (held.code, "reflex acts" in held.output) == (0, True)
    assert ready.percentage() == "10"
    assert promote(ready, prometheus).code == 0
    assert ready.percentage() == "50"
