"""Whether a running Remediator would answer with the remediation that the file has.

Pure: from what its /api/v1/status says. It may be older or newer than the one that asks, so what it does not say is
not known, and never assumed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from remediator.checks import Check
from remediator.durations import format_duration
from remediator.monitoring.parts import as_list, as_map
from remediator.policy import Remediation


def check_service(status: object, remediation: Remediation, fence: str) -> Check:
    """Whether the service has this remediation and would act on it; `status` is the JSON that it answered."""
    data = as_map(as_map(status).get("data"))
    problem = next(_problems(data, remediation, fence), "")
    if problem:
        return Check(name="service", passed=False, found=problem, remedy="see its log, and its page at /")
    version, cooldown = data.get("version"), format_duration(remediation.cooldown)
    found = f"Remediator {version} has {remediation.name}, would act on it, and cools down for {cooldown}"
    return Check(name="service", passed=True, found=found)


def _problems(data: Mapping[str, Any], remediation: Remediation, fence: str) -> Iterator[str]:
    """Why it would do something else, the weightiest first."""
    config, name, target = as_map(data.get("config")), remediation.name, remediation.target
    if not data:
        yield "the answer is not the status of a Remediator"
        return
    if data.get("dryRun") is not False:
        yield "it runs with --dry-run, so it changes nothing"
    if config.get("reloadSuccessful") is not True:
        yield f"it runs on an old configuration: {str(config.get('problem') or 'it does not say why')[:300]}"
    theirs = next((one for one in map(as_map, as_list(config.get("remediations"))) if one.get("name") == name), None)
    if theirs is None:
        yield f"it has no remediation {name}"
        return
    wanted = {
        "mode": "act",
        "matchers": [str(matcher) for matcher in remediation.matchers],
        "target": target.name,
        "effect": str(remediation.action.effect),
        "cooldown": format_duration(remediation.cooldown),
    }
    for key, value in wanted.items():
        if theirs.get(key) != value:
            yield f"its {name} has {key} {_spell(theirs.get(key))}, wanted is {_spell(value)}"
    if fence and data.get("cluster") != fence:
        yield f"its fence is cluster {data.get('cluster')!r}, wanted is {fence!r}"
    known = next((one for one in map(as_map, as_list(data.get("targets"))) if one.get("name") == target.name), {})
    if (known.get("namespace"), known.get("deployment")) != (target.namespace, target.deployment):
        yield f"its target {target.name} is {known.get('namespace')}/{known.get('deployment')}"
    if known.get("problem"):
        yield f"it cannot use {target.name}: {str(known['problem'])[:300]}"


def _spell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
