"""The dashboard as a file: what Grafana's sidecar can load, and what a person at 3 a.m. can read."""

import itertools
import re

import pytest
from prometheus_client import CollectorRegistry

from remediator.core.reasons import Reason
from remediator.reflex.metrics import Metrics
from tests.chart.helm import walk
from tests.dashboard.dashboard import PATH, QUERIES, ROOT, Json, Query, annotations, dashboard, panel, panels
from tests.support.documents import load_yaml

UNITS = {"percent", "percentunit", "short", "s", "reqps", "dateTimeFromNow"}
KINDS = {"stat", "table", "timeseries", "state-timeline"}
THRESHOLDS = {
    "Success rate": "DenisMaterializerSuccessRateLow",
    "Error rate": "DenisErrorRateHigh",
    "Queue depth": "DenisQueueDepthHigh",
}
OUTCOMES = {
    "Alerts that were acted on": {"acted"},
    "Alerts that were withheld or needed nothing": {"withheld", "ignored"},
    "Alerts that failed": {"failed"},
}
each_panel = pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
each_query = pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)


def test_it_can_be_provisioned() -> None:
    """The file is the bare dashboard of the classic schema, with a uid of its own and nothing that an import asks."""
    found = dashboard()
    assert (found["id"], found["uid"], found["schemaVersion"]) == (None, "remediator", 39)
    assert not {"__inputs", "__requires", "__elements", "dashboard"} & found.keys()
    assert PATH.stat().st_size < 500_000, "a ConfigMap holds 1 MiB"


def test_every_panel_has_an_id_and_a_title_of_its_own() -> None:
    """Links to a panel hold its id, and people speak of its title."""
    found = dashboard()["panels"]
    for key in ("id", "title"):
        assert len({one[key] for one in found}) == len(found)


def test_no_panel_overlaps_another() -> None:
    """All lie inside of Grafana's 24 columns, and side by side."""
    places = {one["title"]: one["gridPos"] for one in dashboard()["panels"]}
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places.values())
    for (one, a), (other, b) in itertools.combinations(places.items(), 2):
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], f"{one} lies on {other}"


def test_every_data_source_is_the_one_that_was_chosen() -> None:
    """No data source is named: it is the variable's, wherever the dashboard is loaded."""
    sources = [value for path, value in walk(dashboard()) if path.endswith(".datasource")]
    assert sources
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


def test_variables_are_the_data_source_and_the_cluster() -> None:
    """Both can be chosen, and All means any cluster, or none: `.*` also matches where there is no label."""
    source, cluster = dashboard()["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    assert (cluster["name"], cluster["type"], cluster["allValue"]) == ("cluster", "query", ".*")
    assert cluster["includeAll"]
    assert cluster["current"]["value"] == ["$__all"]


@each_panel
def test_a_panel_can_be_understood(panel: Json) -> None:
    """It says what it shows and what to do: a description, a unit, a link to a page that is there."""
    assert panel["type"] in KINDS
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["links"]
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references) > 0


def test_links_lead_to_pages_of_the_project() -> None:
    """Every link is to a file in docs/."""
    urls = [value for path, value in walk(dashboard()) if path.endswith(".url")]
    assert urls
    for url in urls:
        path = url.removeprefix("https://github.com/denis-run/remediator/blob/main/")
        assert path.startswith("docs/"), url
        assert (ROOT / path).is_file(), url


def test_the_page_explains_the_first_row() -> None:
    """docs/dashboard.md has a line for each number of the first row, in their order, with the page that it links to."""
    page = (ROOT / "docs" / "dashboard.md").read_text()
    rows = [re.findall(r"[^|]+", line) for line in page.splitlines() if line.startswith("| ") and "](" in line]
    explained = {title.strip(): re.findall(r"\]\((.*)\)", then)[0] for title, _, then in rows}
    first = [one for one in panels() if one["gridPos"]["y"] == 1]
    assert list(explained.items()) == [(one["title"], one["links"][0]["url"].partition("/docs/")[2]) for one in first]


@each_query
def test_every_selector_asks_for_the_chosen_clusters(query: Query) -> None:
    """What one cluster does is never mixed into the picture of another."""
    assert query.metrics()
    for selector in re.findall(r"{[^}]*}", query.expr):
        assert 'cluster=~"$cluster"' in selector
    assert not re.search(r"\bwithout\b|\bby \((?!cluster\b)", query.expr), "an aggregation keeps the cluster"


def test_an_annotation_says_the_same_to_every_grafana() -> None:
    """Old versions read the expression beside the name, new ones below `target`."""
    for one in dashboard()["annotations"]["list"]:
        assert one["expr"] == one["target"]["expr"]
    assert len(annotations()) == 3


@pytest.mark.parametrize(("title", "alertname"), THRESHOLDS.items())
def test_thresholds_are_those_of_the_alerts(title: str, alertname: str) -> None:
    """The line is where the shipped alert fires, it is drawn, and the red side is the bad one."""
    groups = load_yaml((ROOT / "rules" / "denis.rules.yaml").read_text())["groups"]
    (expr,) = (rule["expr"] for group in groups for rule in group["rules"] if rule.get("alert") == alertname)
    comparison, number = expr.split()[-2:]
    defaults = panel(title)["fieldConfig"]["defaults"]
    low, high = defaults["thresholds"]["steps"]
    assert (low["value"], high["value"]) == (None, float(number))
    assert (low["color"], high["color"]) == {"<": ("red", "green"), ">": ("green", "red")}[comparison]
    assert defaults["custom"]["thresholdsStyle"]["mode"] == "line+area"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_in_one_panel(reason: Reason) -> None:
    """An alert's end shows in the panel of its kind and in no other, and a new reason cannot be forgotten."""
    shown = {title for title in OUTCOMES if _selects(panel(title)["targets"][0]["expr"], reason)}
    assert shown == {title for title, kinds in OUTCOMES.items() if reason.kind in kinds}


def test_every_metric_of_remediator_is_shown() -> None:
    """What the service exports is on the dashboard, so that nothing can go wrong unseen."""
    families = Metrics(CollectorRegistry()).registry.collect()
    endings = {"counter": "_total", "histogram": "_bucket"}
    exported = {family.name + endings.get(family.type, "") for family in families}
    used = set().union(*(query.metrics() for query in QUERIES))
    assert {name for name in used if name.startswith("remediator_")} == exported


def _selects(expr: str, reason: str) -> bool:
    ((operator, pattern),) = re.findall(r'reason(=~|!~)"([^"]*)"', expr)
    return bool(re.fullmatch(pattern, reason)) is (operator == "=~")
