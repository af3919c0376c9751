"""Alerts with the records that they read inside: what is equal, as the real promtool says, and what is refused."""

import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from remediator.config.document import InvalidDocument
from remediator.config.rule_files import Alarm, RuleGroup, read_rule_groups
from remediator.monitoring.inlining import NotInlined, inline
from remediator.monitoring.promql import NOTHING, Comparison, canonical, split_comparison
from tests.support.alert_rules import INTERVAL, RULES
from tests.support.components import component
from tests.support.oracle import rough_series

ACTING = ("DenisMaterializerSuccessRateLow", "DenisErrorRateHigh", "DenisQueueDepthHigh")
SEED = 4
"""Of a history in which pods contradict their unit, for longer than the windows of the guard."""

READINGS = 120


def alarm(groups: tuple[RuleGroup, ...], name: str) -> Alarm:
    """The alert of this name."""
    return next(rule for group in groups for rule in group.rules if isinstance(rule, Alarm) and rule.name == name)


@pytest.mark.parametrize("version", ["prometheus-oldest", "promtool-newest"])
def test_an_alert_with_its_records_inside_is_the_same_at_every_evaluation(version: str, tmp_path: Path) -> None:
    """The shipped alerts on rough histories: as many series, with the values that the rule manager has, each time."""
    promtool = component(version, "promtool", on_path=False)
    file = RULES / "denis.rules.yaml"
    groups = read_rule_groups([file])
    checks = []
    for name in ACTING:
        rule = alarm(groups, name)
        recorded, inlined = split_comparison(rule.expression), split_comparison(inline(rule, groups, INTERVAL).text)
        assert recorded
        assert inlined
        differs = (
            f"(count({recorded.left}) or vector(0)) != (count({inlined.left}) or vector(0)) or "
            f"count(abs(({recorded.left}) - on (job, namespace) ({inlined.left})) > 1e-12)"
        )
        checks += [
            {"expr": differs, "eval_time": f"{at * INTERVAL}s", "exp_samples": []} for at in range(0, READINGS, 8)
        ]
    tests = [
        {
            "name": f"seed {seed}",
            "interval": "5s",
            "input_series": [series.as_input() for series in rough_series(seed, READINGS)],
            "promql_expr_test": checks,
        }
        for seed in (SEED,)
    ]
    suite = {"rule_files": [str(file)], "evaluation_interval": f"{INTERVAL}s", "tests": tests}
    (tmp_path / "same.test.yaml").write_text(yaml.safe_dump(suite))
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "same.test.yaml"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[:3000]


def rules(tmp_path: Path, *rules: Mapping[str, object], **group: object) -> tuple[RuleGroup, ...]:
    """The groups of a file with these rules."""
    path = tmp_path / "some.rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "one", "interval": "15s", **group, "rules": [*rules]}]}))
    return read_rule_groups([path])


BASE = {"record": "a:rate", "expr": "rate_of{job='x'}", "labels": {"of": "a"}}
REFUSED = {
    "offset": ("a:rate offset 5m > 1", "a:rate is read at another moment, by offset"),
    "at": ("a:rate @ 0 > 1", "a:rate is read at another moment, by @"),
    "later": ("b:rate > 1", "b:rate is recorded after it is read"),
    "elsewhere": ("c:rate > 1", "the group two has no interval of whole seconds"),
    "absent": ("absent(a:rate)", "absent makes its labels from the selector of a:rate"),
    "by name": ('{__name__=~"a:.+"} > 1', "selects series by name"),
    "by quoted name": ('{"a:rate"} > 1', "selects series by name"),
    "by a name's label": ("count by (__name__) (a:rate) > 1", "it reads the names of series"),
    "a name's label in a text": ('label_replace(a:rate, "n", "$1", "__name__", "(.*)") > 1', "it reads the names"),
    "nobody": ('a:rate{of="b"} > 1', 'no rule records a:rate{of="b"}'),
    "a regular expression": ('a:rate{pod=~"a.*"} > 1', "depends on a regular expression"),
    "quotes": ("a:rate{of='a'} > 1", "must be in double quotes"),
    "no PromQL": ("a:rate > 1 $", "is no PromQL"),
    "an open parenthesis": ("(a:rate > 1", "a parenthesis is not closed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_inlined_is_refused_by_name(case: str, tmp_path: Path) -> None:
    """The alert, the reason and the line are named, and nothing is approximated."""
    expression, reason = REFUSED[case]
    other = {"groups": [{"name": "two", "rules": [{"record": "c:rate", "expr": "1"}]}]}
    (tmp_path / "other.rules.yaml").write_text(yaml.safe_dump(other))
    found = rules(tmp_path, BASE, {"alert": "Bad", "expr": expression}, {"record": "b:rate", "expr": "a:rate"})
    groups = (*found, *read_rule_groups([tmp_path / "other.rules.yaml"]))
    with pytest.raises(NotInlined) as caught:
        inline(alarm(groups, "Bad"), groups, 0)
    assert str(caught.value).startswith("Bad cannot be back-tested: ")
    assert reason in str(caught.value)
    assert f"{tmp_path}/some.rules.yaml:" in str(caught.value)


def test_two_records_that_could_be_one_are_refused(tmp_path: Path) -> None:
    """Their labels have to differ by what the rules write; what the samples have is not known."""
    again = {"record": "a:rate", "expr": "other_rate", "labels": {"unit": "s"}}
    groups = rules(tmp_path, BASE, again, {"alert": "Bad", "expr": "a:rate > 1"})
    with pytest.raises(NotInlined, match="two rules record a:rate with labels that could be the same"):
        inline(alarm(groups, "Bad"), groups, 0)


def test_a_record_that_reads_itself_is_refused(tmp_path: Path) -> None:
    """A cycle is what the evaluation before recorded."""
    groups = rules(tmp_path, {"record": "a:sum", "expr": "a:sum + x or x"}, {"alert": "Bad", "expr": "a:sum > 1"})
    with pytest.raises(NotInlined, match="a:sum is recorded after it is read"):
        inline(alarm(groups, "Bad"), groups, 0)


def test_names_that_only_look_recorded_stay(tmp_path: Path) -> None:
    """Labels of by() and on(), functions, strings and comments are no series."""
    expression = 'max by (rate) (x{l="rate"}) + on (rate) rate(y[1m]) # rate'
    groups = rules(tmp_path, {"record": "rate", "expr": "1"}, {"alert": "Bad", "expr": expression})
    text = inline(alarm(groups, "Bad"), groups, 0).text
    assert text == 'max by ( rate ) ( x {l="rate"} ) + on ( rate ) rate ( y [1m] )'


def test_alternatives_that_a_constant_rules_out_are_left_out(tmp_path: Path) -> None:
    """What needs a constant to be something else is not evaluated over a month; what only may need it is."""
    unit = {"record": "unit", "expr": "vector(1)"}
    expression = "(a and on () unit > 1 or b unless on () unit > 1 or c and on () unit > 0) > 5"
    groups = rules(tmp_path, unit, {"alert": "Bad", "expr": expression})
    text = inline(alarm(groups, "Bad"), groups, 0).text
    assert text.replace(" ", "").startswith("(bunlesson(")
    assert " c and on" in text
    assert " a " not in text


NUMBERS = {
    "x > on () group_left () (1.1 * unit)": "x > ( 1.1 * 100 )",
    'x / on () group_left () unit{canary="a/b"} < 2': "x / 100 < 2",
    "x / on () group_left () (unit * scalar(y))": "",
    "x / on () group_left () moving": "",
    'x / on () group_left () unit{other=""}': "",
    "x / on () group_left () max_over_time(unit[1m])": "",
    "x / on (job) group_left () unit": "",
    "x and on () unit": "",
}


@pytest.mark.parametrize("expression", NUMBERS)
def test_what_every_sample_is_matched_with_can_be_a_number(expression: str, tmp_path: Path) -> None:
    """A record that is always the same, in arithmetic or alone; not where labels could matter, nor over a time."""
    unit = {"record": "unit", "expr": "vector(100)", "labels": {"canary": "a/b"}}
    groups = rules(tmp_path, unit, {"record": "moving", "expr": "y"}, {"alert": "Bad", "expr": expression})
    text = inline(alarm(groups, "Bad"), groups, 0).text
    assert " on ( " in text if not NUMBERS[expression] else text == NUMBERS[expression]


def test_dear_parts_can_be_left_out_where_they_are_absent() -> None:
    """The pods that contradict their unit stand once in the expression, and can be replaced by nothing."""
    groups = read_rule_groups([RULES / "denis.rules.yaml"])
    inlined = inline(alarm(groups, "DenisErrorRateHigh"), groups, 15)
    assert len(inlined.parts) == 1
    assert "quantile_over_time" in inlined.text
    assert "quantile_over_time" not in inlined.parts[0].bound
    assert inlined.parts[0].bound.count("max_over_time") == 2
    assert "quantile_over_time" not in inlined.without(inlined.parts)
    assert NOTHING in inlined.without(inlined.parts)
    assert inlined.lookback >= 10 * 60 + 2 * 60 + 90


BOUNDS = {
    "quantile_over_time(0.8, r[1m]) > 2": "max_over_time ( r[1m] ) >= 2",
    "quantile_over_time(0.8, r[1m]) > on () (c) and c": "max_over_time ( r[1m] ) >= on ( ) ( c )",
    "(quantile_over_time(0.8, r[1m]) >= 2 or b) and c": "( max_over_time ( r[1m] ) >= 2 or b )",
    "quantile_over_time(0.8, r[1m]) < 2": "",
    "quantile_over_time(1.5, r[1m]) > 2": "",
    "quantile_over_time(0.8, r[1m]) > 0 <= 1.1": "",
    "2 < quantile_over_time(0.8, r[1m])": "",
    "b unless quantile_over_time(0.8, r[1m]) > 2": "",
    "1 - (quantile_over_time(0.8, r[1m]) > 2)": "",
    "count(quantile_over_time(0.8, r[1m]) > 2) < 3": "",
    "quantile_over_time(scalar(q), r[1m]) > 2": "",
}


@pytest.mark.parametrize("expression", BOUNDS)
def test_a_bound_has_samples_wherever_the_part_has_some(expression: str, tmp_path: Path) -> None:
    """A quantile that has to be above something is bounded by the maximum; nothing else is."""
    groups = rules(
        tmp_path,
        {"record": "r", "expr": "raw"},
        {"record": "dear", "expr": expression},
        {"record": "value", "expr": "x unless dear"},
        {"alert": "Bad", "expr": "value > 1"},
    )
    (part,) = inline(alarm(groups, "Bad"), groups, 0).parts
    bound = part.bound.replace("((raw))", "r").replace("[1m:15s]", "[1m]").replace(" r ", " r").replace("  ", " ")
    assert bound.split() == BOUNDS[expression].split()


def test_the_threshold_of_an_alert_is_found() -> None:
    """The last comparison with a number, outside of parentheses; what is decided otherwise has none."""
    assert split_comparison("(a > 1) / b < 0.90") == Comparison(left="( a > 1 ) / b", operator="<", threshold=0.9)
    assert split_comparison("a >= -1e3") == Comparison(left="a", operator=">=", threshold=-1000.0)
    for other in ("a", "a > b", "a > 1 or b", "a and b > 1", "a > 1 > 2", "a > 2 * 3", "a > bool 1", "(a > 1)"):
        assert split_comparison(other) is None, other


def test_conditions_beside_a_threshold_stay_conditions() -> None:
    """What follows with `and` and `unless` filters the values, whatever the threshold is."""
    found = split_comparison("a > 0.25 and count(b > 0.25) > 1 unless c")
    assert found
    assert (found.left, found.threshold, found.conditions) == ("a", 0.25, "and count ( b > 0.25 ) > 1 unless c")
    assert found.value == "(a) and count ( b > 0.25 ) > 1 unless c"


def test_expressions_are_the_same_however_they_are_formatted() -> None:
    """Prometheus prints an expression in a form of its own: spaces, numbers, durations, the order of matchers."""
    ours = 'avg by (job) (last_over_time(x{b="1", a=~"c"}[90s])) > 0.90 # why'
    theirs = 'avg by (job) (last_over_time(x{a=~"c",b="1"}[1m30s])) > 0.9'
    assert canonical(ours) == canonical(theirs)
    assert canonical(ours) != canonical(theirs.replace("0.9", "0.91"))
    assert canonical("x[10m:15s]") == canonical("x[600s:15s]") != canonical("x[10m]")


def test_keys_of_rules_that_are_not_understood_are_named(tmp_path: Path) -> None:
    """A group that is evaluated in another way than is known here is a problem with its file, line and key."""
    for group in ({"query_offset": "1m"}, {"limit": 5}, {"interval": "soon"}):
        with pytest.raises(InvalidDocument, match=rf"some.rules.yaml:\d+: groups\[0\].{next(iter(group))}"):
            rules(tmp_path, {"alert": "Bad", "expr": "x"}, **group)
    for rule in ({"expr": "x"}, {"alert": "Bad"}, {"alert": "Bad", "expr": "x", "for": "2 minutes"}):
        with pytest.raises(InvalidDocument, match=r"some.rules.yaml:\d+: groups\[0\].rules\[0\]"):
            rules(tmp_path, rule)


def test_labels_of_a_group_are_those_of_its_rules(tmp_path: Path) -> None:
    """A rule's own label goes before that of its group, as in Prometheus 3."""
    (group,) = rules(
        tmp_path, {"alert": "Bad", "expr": "x", "for": "1m", "labels": {"a": "2"}}, labels={"a": "1", "b": "1"}
    )
    (rule,) = group.rules
    assert rule.labels == {"a": "2", "b": "1"}
    assert isinstance(rule, Alarm)
    assert (rule.duration, rule.keep_firing_for) == (timedelta(minutes=1), timedelta(0))
