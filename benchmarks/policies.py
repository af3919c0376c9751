"""What a remediations.yaml of 500 remediations costs: to read it anew, and to find the one that answers an alert.

Processor time, for a reload shares the interpreter's lock with the requests beside it.
"""

import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import yaml

from benchmarks.figure import Effort, Figure, spell_seconds
from remediator.durations import parse_duration
from remediator.matchers import parse_matchers
from remediator.policy import Policy, Remediation
from remediator.policy_file import parse_policy

SHIPPED = Path(__file__).parent.parent / "rules" / "remediations.yaml"
REMEDIATIONS = 500
RELOAD_SECONDS, MATCH_SECONDS = 0.050, 50e-6

LABELS: Mapping[str, str] = {
    "alertname": "MaterializerSuccessRateLow",
    "cluster": "test-1",
    "deployment": "materializer-0",
    "instance": "127.0.0.1:19100",
    "job": "materializer",
    "namespace": "prod",
    "prometheus": "monitoring/k8s",
    "severity": "critical",
    "team": "sre",
}


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """The reload, and the match."""
    turns = effort.of(25, 3)
    text = _text(lambda number: f'remediation="r-{number}"')
    expressions = _text(lambda number: f'alertname=~"Materializer.*Low{number}"')
    yield _reload(turns, text, expressions)
    policy, worst = parse_policy(text, "remediations.yaml"), parse_policy(expressions, "remediations.yaml")
    yield _match(turns, policy, worst)


def _reload(turns: int, text: str, expressions: str) -> Figure:
    mine = _median(turns, partial(_reload_once, text))
    other = _median(turns, partial(_reload_once, expressions))
    scanned = _median(turns, partial(_scan, text))
    return Figure(
        name=f"reload of {REMEDIATIONS} remediations",
        ours=spell_seconds(mine),
        baseline=f"libyaml's events alone: {spell_seconds(scanned)}",
        goal=f"< {spell_seconds(RELOAD_SECONDS)}",
        reached=mine < RELOAD_SECONDS,
        notes=[
            f"{len(text) // 1024} KiB, processor time, with nothing remembered of the file before;"
            f" {spell_seconds(other)} with {REMEDIATIONS} different regular expressions, which Python has to compile."
        ],
    )


def _match(turns: int, policy: Policy, worst: Policy) -> Figure:
    last = {**LABELS, "remediation": f"r-{REMEDIATIONS - 1}"}
    mine = _median(turns, partial(_match_once, policy, last))
    one_by_one = _median(turns, partial(_try_all, policy, last))
    unmatched = _median(turns, partial(_match_once, policy, LABELS))
    compared = _median(turns, partial(_match_once, worst, LABELS))
    return Figure(
        name=f"match of one alert against {REMEDIATIONS} remediations",
        ours=spell_seconds(mine),
        baseline=f"one after the other: {spell_seconds(one_by_one)}",
        goal=f"< {spell_seconds(MATCH_SECONDS)}",
        reached=mine < MATCH_SECONDS,
        notes=[
            f"The last one answers; {spell_seconds(unmatched)} where none does. Where every remediation has nothing but"
            f" a regular expression of its own, each is tried: {spell_seconds(compared)}."
        ],
    )


def _median(turns: int, measured: Callable[[], float]) -> float:
    return statistics.median(measured() for _ in range(turns))


def _reload_once(text: str) -> float:
    parse_matchers.cache_clear()
    parse_duration.cache_clear()
    re.purge()
    began = time.process_time()
    parse_policy(text, "remediations.yaml")
    return time.process_time() - began


def _scan(text: str) -> float:
    began = time.process_time()
    for _ in yaml.parse(text, yaml.CSafeLoader):
        pass
    return time.process_time() - began


def _match_once(policy: Policy, labels: Mapping[str, str], times: int = 500) -> float:
    began = time.process_time()
    for _ in range(times):
        policy.match(labels)
    return (time.process_time() - began) / times


def _try_all(policy: Policy, labels: Mapping[str, str], times: int = 20) -> float:
    began = time.process_time()
    for _ in range(times):
        _tried(policy, labels)
    return (time.process_time() - began) / times


def _tried(policy: Policy, labels: Mapping[str, str]) -> Remediation | None:
    for remediation in policy.remediations:
        if all(matcher.matches(labels) for matcher in remediation.matchers):
            return remediation
    return None


def _text(matcher: Callable[[int], str]) -> str:
    """The shipped file with a remediation of its own for each number, in the words of the first."""
    head, _, rest = SHIPPED.read_text(encoding="utf-8").partition("- name: rollback\n")
    body, _, rest = rest.partition("- name: scale-workers\n")
    phases = rest[rest.index("# The steps of the canary") :]
    body = body.replace('[remediation="rollback"]', "[%s]")
    comments = re.compile(r"^ +#.*\n", re.MULTILINE)
    blocks = [
        f"- name: r-{number}\n" + comments.sub("", body).replace("%s", matcher(number))
        for number in range(REMEDIATIONS)
    ]
    return head + "".join(blocks) + phases
