"""remediations.yaml: what is good is understood, what is bad is refused with file, line, field and remedy.

The bad files stand in testdata/remediations/bad, one fault in each; what is expected of them stands here.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.config.document import InvalidDocument, read_text
from remediator.config.loader import parse_policy
from remediator.config.schema import json_schema
from remediator.core.actions.scale import Scale
from remediator.core.actions.set_percentage import SetPercentage
from remediator.core.policy import Budget, Policy, Target

ROOT = Path(__file__).parents[2]
TESTDATA = Path(__file__).parents[1] / "testdata" / "remediations"


def good(name: str) -> Policy:
    """The policy in a good file."""
    return parse_policy((TESTDATA / "good" / f"{name}.yaml").read_text(encoding="utf-8"), name)


def problems(text: str, file: str = "f.yaml") -> list[str]:
    """The problems of a text that is refused, as lines."""
    with pytest.raises(InvalidDocument) as caught:
        parse_policy(text, file)
    return [str(problem) for problem in caught.value.problems]


DURATION = "is not a duration; write it as in Prometheus: 30s, 10m, 1h30m, 2d"
MATCHER = 'write label="value", with one of = != =~ !~'
ENABLED, PERCENTAGE = "DENIS_MATERIALIZERS_ENABLED", "DENIS_MATERIALIZERS_PCT"

# Line, field and message of each problem; the message is the beginning of it.
BAD: Mapping[str, list[tuple[int, str, str]]] = {
    "a-list": [(1, "", "must be a mapping with targets, profiles and remediations, found ['targets', 'profiles']")],
    "acts-0": [(13, "remediations[0].budget.acts", "")],
    "acts-21": [(13, "remediations[0].budget.acts", "")],
    "alias-inside-itself": [(1, "", "nested too deeply, or an alias inside of itself")],
    "give-up-0": [(17, "remediations[1].scale.give_up", "must be at least 1, found 0")],
    "give-up-21": [(17, "remediations[1].scale.give_up", "must be at most 20, found 21")],
    "give-up-of-a-rollback": [
        (
            13,
            "remediations[0].give_up",
            "belongs under scale; a rollback never gives up: a needless one costs the canary some hours, a withheld "
            "one costs production, and the budget ends a loop",
        )
    ],
    "duplicate-key": [(13, "remediations[0].cooldown", "the key is duplicated, first on line 12; keep one")],
    "duplicate-name": [
        (14, "remediations[1].name", "'rollback' is the name of remediations[0] already; give each its own")
    ],
    "duplicate-profile": [(6, "profiles[0]", "the key is duplicated, first on line 5; keep one")],
    "duration-bad": [(12, "remediations[0].cooldown", f"'30 minutes' {DURATION}")],
    "duration-negative": [(19, "remediations[1].budget.window", f"'-6h' {DURATION}")],
    "duration-without-unit": [(12, "remediations[0].cooldown", "")],
    "duration-zero": [(12, "remediations[0].cooldown", "")],
    "empty": [(1, "", "must be a mapping with targets, profiles and remediations, found ")],
    "json": [(1, "remediations", "")],
    "key-missing": [(14, "remediations[1].budget", "is required")],
    "matcher-bad": [(11, "remediations[0].matchers[1]", f"'severity' is not a matcher; {MATCHER}")],
    "matcher-bad-regex": [(9, "remediations[0].matchers[0]", "'(rollback' is not a regular expression: missing )")],
    "matcher-empty": [(9, "remediations[0].matchers[0]", f"the matcher is empty; {MATCHER}")],
    "matcher-slow-regex": [
        (9, "remediations[0].matchers[0]", "'(roll|back)+' can take too long: repeat no group that")
    ],
    "matchers-empty": [(9, "remediations[0].matchers", "")],
    "matchers-match-everything": [
        (9, "remediations[0].matchers", 'matches alerts without any label too; add one like remediation="rollback"')
    ],
    "matchers-null": [(9, "remediations[0].matchers", "")],
    "matchers-of-maps": [
        (9, "remediations[0].matchers[0]", "must be text, found {'remediation': 'rollback'}; put it in quotes")
    ],
    "matchers-text": [(9, "remediations[0].matchers", "")],
    "max-below-min": [(17, "remediations[1].scale.max", "4 is below min 5")],
    "min-0": [(17, "remediations[1].scale.min", "")],
    "mode-boolean": [(11, "remediations[0].mode", "")],
    "mode-unknown": [(11, "remediations[0].mode", "")],
    "name-bad": [(8, "remediations[0].name", "")],
    "name-number": [(8, "remediations[0].name", "must be text, found 12; put it in quotes")],
    "no-action": [(8, "remediations[0]", "needs exactly one of set_percentage and scale")],
    "not-yaml": [(13, "", "not YAML: ")],
    "only-a-comment": [(1, "", "must be a mapping with targets, profiles and remediations, found ")],
    "percentage-boolean": [(11, "remediations[0].set_percentage", "")],
    "percentage-negative": [
        (11, "remediations[0].set_percentage", "must be 0, found -1: an alert must never raise the percentage")
    ],
    "percentage-other-than-0": [
        (11, "remediations[0].set_percentage", "must be 0, found 10: an alert must never raise the percentage")
    ],
    "percentage-text": [(11, "remediations[0].set_percentage", "")],
    "percentage-without-container": [(10, "remediations[0].target", "set_percentage needs targets.denis.container")],
    "profile-0-empty": [
        (5, "profiles[0]", f'{PERCENTAGE} must be "0" here, as the profile says'),
        (5, f"profiles[0].{ENABLED}", 'must be "false": a rollback switches everything off, found '),
    ],
    "profile-0-not-false": [
        (5, "profiles[0].ASYNC_ENABLED", "must be \"false\": a rollback switches everything off, found 'true'")
    ],
    "profile-named-in-text": [(6, "profiles.10", "")],
    "profile-of-another-percentage": [
        (6, "profiles[20]", "20 is not a percentage of DENIS; use 0, 1, 10, 50, 100"),
        (6, "profiles[20]", f'{PERCENTAGE} must be "20" here, as the profile says'),
    ],
    "profile-with-another-percentage": [(6, "profiles[10]", f'{PERCENTAGE} must be "10" here, as the profile says')],
    "profile-with-booleans": [
        (5, f"profiles[0].{ENABLED}", "must be text, found "),
        (5, "profiles[0].ASYNC_ENABLED", "must be text, found "),
    ],
    "profile-with-numbers": [(6, f"profiles[10].{PERCENTAGE}", "must be text, found 10; put it in quotes")],
    "profile-with-secondary-engines": [
        (5, "profiles[0].DENIS_SECONDARY_ENGINES", "is never part of a canary step; remove it")
    ],
    "remediations-empty": [(7, "remediations", "")],
    "several": [
        (3, "targets.denis-workers.deployment", "must be text, found ['a']; put it in quotes"),
        (12, "remediations[0].cooldown", f"'soon' {DURATION}"),
        (17, "remediations[1].scale.foo", "is not a known key; known here: give_up, max, min, step"),
        (19, "remediations[1].budget.acts", ""),
    ],
    "several-contradictions": [
        (6, "profiles[10]", f'{PERCENTAGE} must be "10" here, as the profile says'),
        (11, "remediations[0].set_percentage", "must be 0, found 50: an alert must never raise the percentage"),
        (16, "remediations[1].target", "'workers' is not one of targets (denis, denis-workers)"),
        (17, "remediations[1].scale.max", "2 is below min 3"),
    ],
    "step-0": [(17, "remediations[1].scale.step", "")],
    "step-boolean": [(17, "remediations[1].scale.step", "")],
    "step-text": [(17, "remediations[1].scale.step", "")],
    "target-key-bad": [(3, "targets.Denis Workers", "")],
    "target-name-bad": [(2, "targets.denis.namespace", "")],
    "target-unknown": [(10, "remediations[0].target", "'denjs' is not one of targets (denis, denis-workers)")],
    "targets-empty": [
        (9, "remediations[0].target", "'denis' is not one of targets (none)"),
        (15, "remediations[1].target", "'denis-workers' is not one of targets (none)"),
    ],
    "two-actions": [(8, "remediations[0]", "needs exactly one of set_percentage and scale")],
    "two-documents": [(20, "", "not YAML: ")],
    "unknown-key": [(13, "remediations[0].cooldwon", "is not a known key; did you mean cooldown?")],
    "unknown-key-far": [
        (
            13,
            "remediations[0].zzz",
            "is not a known key; known here: budget, cooldown, matchers, mode, name, scale, set_percentage, target",
        )
    ],
    "unknown-key-of-budget": [(19, "remediations[1].budget.act", "is not a known key; did you mean acts?")],
    "unknown-key-of-scale": [(17, "remediations[1].scale.steps", "is not a known key; did you mean step?")],
    "unknown-key-of-target": [
        (3, "targets.denis-workers.replica", "is not a known key; known here: container, deployment, namespace")
    ],
    "unknown-key-on-top": [(7, "profile", "is not a known key; did you mean profiles?")],
    "targets-of-one-deployment": [
        (3, "targets.denis-workers", "is the Deployment of targets.denis already; they would share a cooldown")
    ],
    "step-of-many-digits": [
        (17, "remediations[1].scale.step", "must be at least 1, found a number with too many digits")
    ],
    "duration-without-end": [(12, "remediations[0].cooldown", "'")],
    "matcher-monstrous-regex": [
        (9, "remediations[0].matchers[0]", "'a{99999999999999999999}' is not a regular expression: ")
    ],
    "profile-0-missing": [(4, "profiles", "the profile 0 is missing, which is what a rollback writes")],
    "profile-0-leaves-a-flag-on": [(5, "profiles[0].RUNS_ENABLED", "is required")],
}


def check(name: str, expected: list[tuple[int, str, str]]) -> None:
    """The bad file of this name is refused with these problems, and no others."""
    text = (TESTDATA / "bad" / f"{name}.yaml").read_text(encoding="utf-8")
    found = problems(text, f"{name}.yaml")

    assert len(found) == len(expected), found
    for problem, (line, field, message) in zip(found, expected, strict=True):
        place = f"{name}.yaml:{line}: " + (f"{field}: " if field else "")
        assert problem.startswith(place + message)
        assert len(problem) > len(place)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_line_field_and_remedy(name: str) -> None:
    """Each fault is reported with its file, line, field and what to do, and nothing else is."""
    check(name, BAD[name])


def test_every_bad_file_has_its_expectation() -> None:
    """No file of testdata/remediations/bad is forgotten here."""
    assert {path.stem for path in (TESTDATA / "bad").iterdir()} == {*BAD}


# Words of Python or pydantic, which tell an SRE nothing.
FOREIGN_WORDS = re.compile(r"\b(timedelta|None|True|False|after validation|pattern|input should|dict|instance)\b")


@pytest.mark.parametrize("name", BAD)
def test_a_problem_speaks_of_the_file_and_not_of_python(name: str) -> None:
    """Problems are told in words of YAML and of the file, so that they can be understood without its code."""
    text = (TESTDATA / "bad" / f"{name}.yaml").read_text(encoding="utf-8")

    assert not [problem for problem in problems(text) if FOREIGN_WORDS.search(problem)]


def test_a_bomb_of_nesting_is_refused() -> None:
    """A file nested without end is refused in words."""
    assert problems("targets: " + "[" * 2_000) == ["f.yaml:1: nested too deeply, or an alias inside of itself"]


def test_a_file_over_1_mib_is_refused() -> None:
    """A file over the limit is refused, however good it is otherwise."""
    text = (TESTDATA / "good" / "minimal.yaml").read_text(encoding="utf-8")

    assert problems(text + "#" * 1_048_576) == ["f.yaml:1: the file is over 1 MiB"]


def test_a_long_value_is_cut_in_the_message() -> None:
    """A value of a whole page is not repeated in the problem."""
    (problem,) = problems("- " + "x" * 5_000)

    assert len(problem) < 200
    assert problem.endswith("...")


def test_a_long_map_in_place_of_text_is_cut_in_the_message() -> None:
    """What stands where text belongs is not repeated in the problem at full length."""
    text = (TESTDATA / "good" / "minimal.yaml").read_text(encoding="utf-8")
    (problem,) = problems(text.replace('[remediation="rollback"]', f"[{{a: {'x' * 5_000}}}]"))

    assert len(problem) < 200


def test_a_matcher_that_cannot_be_read_is_the_only_problem_of_its_list() -> None:
    """Of matchers that match everything nothing is said while one of them cannot be read."""
    text = (TESTDATA / "good" / "minimal.yaml").read_text(encoding="utf-8")
    (problem,) = problems(text.replace('[remediation="rollback"]', "['remediation', 'team!=\"x\"']"))

    assert problem.startswith("f.yaml:8: remediations[0].matchers[0]: 'remediation' is not a matcher")


# Good files.


def test_the_least_file_is_enough() -> None:
    """A target, the profile of a rollback and a remediation are a policy, which acts."""
    policy = good("minimal")
    (remediation,) = policy.remediations

    assert remediation.name == "rollback"
    assert remediation.target == Target(name="denis", namespace="denis", deployment="denis", container="denis")
    assert remediation.action == SetPercentage(percentage=0, profile=policy.profiles[0])
    assert policy.profiles == {0: {ENABLED: "false", PERCENTAGE: "0"}}
    assert remediation.cooldown == timedelta(minutes=30)
    assert remediation.budget == Budget(acts=3, window=timedelta(hours=24))
    assert remediation.mode == "act"


def test_every_key_is_understood() -> None:
    """A file with every key in it is read as it says, names with capitals and underscores too."""
    policy = good("everything")
    rollback, workers = policy.remediations

    assert [target.name for target in policy.targets] == ["denis", "denis-workers"]
    assert (rollback.mode, workers.mode) == ("observe", "act")
    assert [str(matcher) for matcher in rollback.matchers] == ['remediation="rollback"', 'severity=~"critical|page"']
    assert rollback.budget == Budget(acts=20, window=timedelta(weeks=1))
    assert workers.name == "Scale_workers-2"
    assert [str(matcher) for matcher in workers.matchers] == ['remediation="scale"', 'team!="x"']
    assert workers.target.container == ""
    assert workers.action == Scale(step=3, min=2, max=2, give_up=20)
    assert (rollback.cooldown, workers.cooldown) == (timedelta(minutes=90), timedelta(milliseconds=500))


def test_the_first_remediation_that_matches_answers() -> None:
    """Remediations are tried in the file's order, and all matchers of one have to match."""
    text = (TESTDATA / "good" / "minimal.yaml").read_text(encoding="utf-8")
    again = text[text.index("- name") :].replace("name: rollback", "name: second")
    policy = parse_policy(text + again.replace('[remediation="rollback"]', '[remediation="rollback", team="x"]'), "f")
    reverse = parse_policy(text.replace("matchers: [", 'matchers: [team="x", ') + again, "f")

    def answer(policy: Policy, **labels: str) -> str | None:
        found = policy.match(labels)
        return found.name if found else None

    assert answer(policy, remediation="rollback", team="x") == "rollback"
    assert answer(reverse, remediation="rollback", team="x") == "rollback"
    assert answer(reverse, remediation="rollback") == "second"
    assert answer(policy, remediation="scale") is None
    assert answer(policy) is None


def test_the_shipped_file_is_good() -> None:
    """The file in rules/ is valid: a rollback for denis, a scale-up for denis-workers, and all five profiles."""
    path = ROOT / "rules" / "remediations.yaml"
    policy = parse_policy(read_text(path), str(path))

    assert {remediation.name: remediation.target.deployment for remediation in policy.remediations} == {
        "rollback": "denis",
        "scale-workers": "denis-workers",
    }
    assert policy.profiles == {
        percentage: {
            ENABLED: "true" if percentage else "false",
            PERCENTAGE: str(percentage),
            "ASYNC_ENABLED": "true" if percentage else "false",
            "RUNS_ENABLED": "true" if percentage >= 50 else "false",
        }
        for percentage in (0, 1, 10, 50, 100)
    }


# The JSON Schema.


def objects(schema: Any) -> list[dict[str, Any]]:
    """Every schema of an object with named properties, at any depth."""
    if isinstance(schema, list):
        return [found for item in schema for found in objects(item)]
    if not isinstance(schema, dict):
        return []
    inner = [found for value in schema.values() for found in objects(value)]
    return [schema, *inner] if schema.get("type") == "object" and "properties" in schema else inner


def keys_of(schema: Mapping[str, Any], name: str) -> set[str]:
    """The keys that a definition of the schema knows."""
    return set(schema["$defs"][name]["properties"])


def test_the_schema_refuses_unknown_keys_everywhere() -> None:
    """Every object with named keys is closed, so that an editor underlines a key that is misspelled."""
    closed = objects(json_schema())

    assert len(closed) == 6
    assert all(schema["additionalProperties"] is False for schema in closed)


def test_the_schema_describes_every_key() -> None:
    """Every key carries words that an editor can show."""
    assert [
        (schema["title"], key)
        for schema in objects(json_schema())
        for key, value in schema["properties"].items()
        if not (value.get("description") or json_schema()["$defs"][value["$ref"].rpartition("/")[2]]["description"])
    ] == []


def test_the_schema_knows_every_key_of_the_shipped_file() -> None:
    """What the shipped file says, the schema allows, and what the schema demands, the file says."""
    document = read_text(ROOT / "rules" / "remediations.yaml")
    schema = json_schema()
    policy = parse_policy(document, "remediations.yaml")

    assert set(schema["required"]) == {"targets", "profiles", "remediations"}
    assert set(schema["properties"]) == {"targets", "profiles", "remediations", "phases"}
    assert keys_of(schema, "PhaseSpec") == {
        *("percentage", "hold", "min_success_rate", "max_error_rate", "max_latency_p99"),
    }
    assert keys_of(schema, "TargetSpec") == {"namespace", "deployment", "container"}
    assert keys_of(schema, "RemediationSpec") == {
        "name", "matchers", "target", "set_percentage", "scale", "cooldown", "budget", "mode"
    }  # fmt: skip
    pattern = re.compile(schema["$defs"]["RemediationSpec"]["properties"]["cooldown"]["pattern"])
    durations = re.findall(r"(?:cooldown|window): ([^,}\s]+)", document)
    assert len(durations) == 2 * len(policy.remediations)
    assert all(pattern.search(duration) for duration in durations)


@pytest.mark.parametrize("text", ["", "30", "30 m", "-5m", "m"])
def test_the_schema_refuses_a_duration_without_unit(text: str) -> None:
    """An editor underlines a duration that the service would refuse."""
    pattern = json_schema()["$defs"]["BudgetSpec"]["properties"]["window"]["pattern"]

    assert not re.search(pattern, text)


def test_the_schema_allows_no_percentage_but_0() -> None:
    """An editor underlines a percentage that an alert must never set."""
    schema = json_schema()["$defs"]["RemediationSpec"]["properties"]["set_percentage"]

    assert {"const": 0, "type": "integer"}.items() <= (schema | schema.get("anyOf", [{}])[0]).items()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["denis", "30m", "=", "{}", "*a"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["targets", "profiles", "remediations", "name", "matchers", "denis", "0", "scale"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_a_file_says_it_is_refused_in_words(value: Any) -> None:
    """Any YAML that is not a policy is refused with problems, each of which has a line and a message."""
    # What Python shows of lists, maps and texts is YAML too.
    found = problems(repr(value))

    assert found
    assert all(re.match(r"f\.yaml:\d+: \S", problem) for problem in found)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "10, hold",
            "5, hold",
            "phases[1].percentage: 5 is not a step of the canary; use one of profiles (1, 10, 50, 100)",
        ),
        ("1, hold", "0, hold", "phases[0].percentage: 0 is not a step of the canary"),
        ("50, hold", "1, hold", "phases[2].percentage: 1 is not above 10, the phase before"),
        ("48h", "0s", "phases[2].hold: must be longer than 0s, found '0s'"),
        ("0.95", "95", "phases[2].min_success_rate: must be a ratio, as 0.90 for 90 %, found 95"),
        ("0.93", "0", "phases[1].min_success_rate: must be above 0, found 0"),
        ("0.05}", "5}", "phases[0].max_error_rate: must be below 1, as 0.05 for 5 %, found 5"),
        ("0.05}", "5 %}", "phases[0].max_error_rate: must be a number, found '5 %'"),
        (
            "0.05}",
            "0.05, max_latency_p99: 500}",
            "phases[0].max_latency_p99: must be in seconds, as 0.5 for 500 ms, and at most 60, found 500",
        ),
        ("0.05}", "0.05, max_latency_p99: 0}", "phases[0].max_latency_p99: must be above 0, found 0"),
        ("0.05}", "0.05, max_latency_p99: 1s}", "phases[0].max_latency_p99: must be a number, found '1s'"),
    ],
)
def test_a_bad_phase_is_refused(old: str, new: str, problem: str) -> None:
    """A phase that is no step, out of order, or in the wrong unit is refused with its remedy."""
    shipped = (ROOT / "rules" / "remediations.yaml").read_text()
    start = shipped.index("\nphases:")
    found = problems(shipped[:start] + shipped[start:].replace(old, new, 1))
    assert found[0].partition(": ")[2].startswith(problem)


def test_the_shipped_phases_lead_to_100_percent() -> None:
    """Each step of the shipped profiles but the last is a phase, and leads to the next."""
    policy = parse_policy((ROOT / "rules" / "remediations.yaml").read_text(), "f.yaml")
    assert [phase.percentage for phase in policy.phases] == [1, 10, 50]
    assert [policy.next_percentage(step) for step in (0, 1, 10, 50, 100)] == [1, 10, 50, 100, None]
    assert policy.phase(100) is None
