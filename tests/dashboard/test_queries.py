"""Every expression of the dashboard, asked of real Prometheus servers that have seen a rollback and two scale-ups."""

import json
import math
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.dashboard.conftest import EFFECTS
from tests.dashboard.dashboard import QUERIES, Query, annotations, dashboard
from tests.dashboard.watched import Watched
from tests.support.components import component

VIEWS = ("chosen by name", "all clusters", "no label cluster")
each_query = pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
Samples = list[float]
TOLD: dict[str, Callable[[Samples], bool]] = {
    "Canary A": lambda samples: samples == [0],
    "Replicas A": lambda samples: samples[0] >= 3,
    "Reflex A": lambda samples: samples == [2],
    "Targets A": lambda samples: samples == [1],
    "Pause A": lambda samples: samples == [0],
    "Kill switch A": lambda samples: samples == [0],
    "Success rate A": lambda samples: min(samples) < 0.9 < max(samples),
    "Error rate A": lambda samples: min(samples) < 0.05 < max(samples),
    "Queue depth A": lambda samples: min(samples) < 500 < max(samples),
    "Notifications that did not arrive A": lambda samples: max(samples) == 0,
    "How long an act takes A": lambda samples: 0 < samples[0] < 10,
    "Doubtful acts, of the last 3 A": lambda samples: samples == [0],
    "Files A": lambda samples: set(samples) == {1},
    "Files B": lambda samples: set(samples) == {1},
    "Certificate A": lambda samples: 59 < samples[0] / 86_400 <= 60,
}


def query(place: str) -> Query:
    """The query at a place."""
    (found,) = (one for one in QUERIES if one.place == place)
    return found


@pytest.fixture(params=VIEWS)
def watched(request: pytest.FixtureRequest, story: Mapping[str, Watched]) -> Watched:
    """A data source and a choice of clusters."""
    return story[request.param]


@each_query
def test_it_shows_something(watched: Watched, query: Query) -> None:
    """There are series, not all of them NaN, and every label that the legend names is there."""
    found = watched.ask(query)
    assert found
    assert any(not math.isnan(sample) for series in found for sample in series.samples)
    labels = query.labels() - ({"cluster"} if "cluster" not in watched.values("cluster", "up") else set())
    for series in found:
        # Alerts that no remediation is asked for have an empty one, which is no label at all.
        assert labels - {"remediation"} <= series.labels.keys()


@each_query
def test_another_cluster_is_not_shown(story: Mapping[str, Watched], query: Query) -> None:
    """Where the cluster that was chosen has no data, no number of another one stands in its place."""
    found = story["chosen by name"].ask(query, cluster="us-1")
    assert all(not any(series.samples) for series in found)


def test_every_metric_is_there(watched: Watched) -> None:
    """No expression holds a name that nobody exports or records, not even beside one that has data."""
    used = set().union(*(one.metrics() for one in QUERIES))
    assert used - watched.names() == set()


@pytest.mark.parametrize(("place", "told"), TOLD.items(), ids=TOLD)
def test_it_tells_what_happened(watched: Watched, place: str, told: Callable[[Samples], bool]) -> None:
    """Each series of these panels shows the story as it was."""
    for series in watched.ask(query(place)):
        assert told(series.samples), series


@pytest.mark.parametrize(
    ("place", "labels", "samples"),
    [
        ("Canary over time A", {"target": "denis"}, {10, 0}),
        ("Replicas over time A", {"target": "denis-workers"}, {4, 6, 8}),
        ("Alerts A", {"alertname": "DenisQueueDepthHigh"}, {1, 2}),
        ("Alerts A", {"alertname": "RemediatorRolledBack"}, {2}),
        ("Replicas of Remediator A", {}, {2}),
    ],
)
def test_it_shows_each_state(watched: Watched, place: str, labels: dict[str, str], samples: set[float]) -> None:
    """The series with these labels goes through these values."""
    (found,) = (series for series in watched.ask(query(place)) if labels.items() <= series.labels.items())
    assert samples <= set(found.samples)


@pytest.mark.parametrize(
    ("place", "labels"),
    [
        ("Alerts that were acted on A", {"remediation": "rollback", "reason": "Applied"}),
        ("Alerts that were acted on A", {"remediation": "scale-workers", "reason": "Applied"}),
        ("Alerts that were withheld or needed nothing A", {"reason": "NotFiring"}),
        ("Notifications received A", {"code": "200"}),
        ("Requests to Kubernetes A", {"verb": "patch", "code": "200"}),
        ("What became of acts A", {"target": "denis", "verdict": "Converged"}),
    ],
)
def test_it_counts_what_happened(watched: Watched, place: str, labels: dict[str, str]) -> None:
    """The counter with these labels shows a rise."""
    found = [series for series in watched.ask(query(place)) if labels.items() <= series.labels.items()]
    assert max(sample for series in found for sample in series.samples) > 0


@pytest.mark.parametrize(("number", "target"), list(enumerate(EFFECTS)))
def test_each_act_is_marked_once_at_its_time(watched: Watched, number: int, target: str) -> None:
    """Two replicas export an act, and it is one mark: one series, whose values are the times of the ledger."""
    (series,) = watched.ask(annotations()[number])
    assert (series.labels["target"], series.labels["effect"]) == (target, EFFECTS[target])
    marks = sorted(set(series.samples))
    assert marks == pytest.approx([act.timestamp() * 1000 for act in watched.story.acts[target]], abs=1, rel=0)


def test_acts_before_the_range_are_not_marked(watched: Watched) -> None:
    """An act that the gauge remembers from before is not drawn at the edge of every later picture."""
    for one in annotations()[:2]:
        later = one.spelled(cluster=watched.cluster, since=watched.story.ended)
        assert watched.prometheus.query(later) == []


def test_the_variable_offers_the_clusters(story: Mapping[str, Watched]) -> None:
    """`label_values` of a metric that is always there: the clusters, or none where there is no label."""
    _, variable = dashboard()["templating"]["list"]
    assert variable["query"] == "label_values(remediator_build_info, cluster)"
    assert story["chosen by name"].values("cluster", "remediator_build_info") == ["eu-1"]
    assert story["no label cluster"].values("cluster", "remediator_build_info") == []


@pytest.mark.parametrize("name", ["prometheus-oldest", "promtool-newest"])
def test_promtool_parses_everything(tmp_path: Path, name: str) -> None:
    """Each expression would be a valid rule, without a running Prometheus too."""
    promtool = component(name, "promtool", on_path=False)
    spelled = [one.spelled(cluster=".*", since=0) for one in QUERIES]
    rules = [{"record": f"dashboard:query_{number}", "expr": expr} for number, expr in enumerate(spelled)]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", tmp_path / "rules.json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
