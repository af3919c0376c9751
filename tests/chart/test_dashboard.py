"""The dashboard's ConfigMap: what the sidecar finds is the shipped file, with the thresholds of the values."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.chart.answers import Refused
from tests.chart.cases import case
from tests.chart.helm import CHART, Helm, Helm3, Object, changed, of_kind
from tests.dashboard.dashboard import Json, dashboard

FILE = Path("files") / "dashboards" / "remediator.json"
ENABLED: dict[str, Any] = {"dashboard": {"enabled": True}}
TITLES = ("Success rate", "Error rate", "Queue depth")


def config_map(objects: list[Object]) -> Object:
    """The ConfigMap with the dashboard."""
    (found,) = (one for one in of_kind(objects, "ConfigMap") if any(name.endswith(".json") for name in one["data"]))
    return found


def content(objects: list[Object]) -> Json:
    """The dashboard in it."""
    (text,) = config_map(objects)["data"].values()
    found: Json = json.loads(text)
    return found


def test_there_is_none_unless_it_is_wanted(helm3: Helm3) -> None:
    """By default the chart has one ConfigMap, the service's own."""
    (only_one,) = of_kind(helm3.render({}), "ConfigMap")
    assert "remediations.yaml" in only_one["data"]


def test_it_is_the_shipped_file(helm: Helm) -> None:
    """With the default thresholds nothing differs, so legends, comparisons and variables survive the templates."""
    found = content(helm.render(ENABLED))
    assert found == dashboard()
    assert "{{cluster}}" in str(found)


def test_tuned_thresholds_are_drawn(helm: Helm) -> None:
    """The line of each alert's graph is where the values put the alert, and nothing else differs."""
    expected = copy.deepcopy(dashboard())
    for title, threshold in zip(TITLES, (0.95, 1e-7, 2_000_000), strict=True):
        (graph,) = (panel for panel in expected["panels"] if panel["title"] == title)
        graph["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] = threshold
    assert content(helm.render(case("dashboard-values"))) == expected


def test_the_sidecar_finds_it(helm: Helm) -> None:
    """It carries the label of kube-prometheus-stack besides one's own, the folder, and lies where it is wanted."""
    metadata = config_map(helm.render(case("dashboard-values")))["metadata"]
    assert metadata["namespace"] == "monitoring"
    assert {"grafana_dashboard": "1", "team": "denis"}.items() <= metadata["labels"].items()
    assert metadata["annotations"] == {"k8s-sidecar-target-directory": "DENIS"}


def test_two_releases_do_not_overwrite_each_other(helm3: Helm3) -> None:
    """Neither the objects nor the files in the sidecar's one folder have the same name, and the names fit."""
    names, files = [], []
    for name, namespace in [("remediator", "a"), ("remediator", "b"), ("r" * 53, "n" * 63)]:
        for place in ("", "monitoring"):
            values = changed(ENABLED, dashboard={"namespace": place})
            found = config_map(helm3.render(values, name=name, namespace=namespace))
            names.append((found["metadata"]["namespace"], found["metadata"]["name"]))
        files += list(found["data"])
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for _, name in names)
    assert len(set(files)) == len(files)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("DenisErrorRateHigh.md", "DenisOther.md", "Error rate has thresholds, and no alert DenisOther"),
        ('"value": 500', '"value": 500}, {"color": "red", "value": 900', "Queue depth has other than one threshold"),
        (
            '"type": "timeseries",\n      "title": "Success rate"',
            '"type": "stat",\n      "title": "Success rate"',
            "no graph of",
        ),
    ],
)
def test_a_graph_that_is_not_found_is_an_error(
    helm: Helm, tmp_path: Path, before: str, after: str, complaint: str
) -> None:
    """Where a new file no longer has the place of a threshold, nothing is rendered, and the message says what."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    text = (chart / FILE).read_text()
    assert before in text
    (chart / FILE).write_text(text.replace(before, after))
    with pytest.raises(Refused, match="does not fit this chart") as error:
        helm.render(ENABLED, chart=chart)
    assert complaint in str(error.value)
