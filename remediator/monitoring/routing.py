"""Where Alertmanager's route sends an alert.

Pure: from the configuration that Alertmanager says it has loaded. The rule of this file: routes are tried as
Alertmanager tries them. Each matching child takes the alert, the first one alone unless it says `continue`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from remediator.checks import Check
from remediator.document import InvalidDocument, parse_document
from remediator.matchers import Matcher, make_matcher, parse_matchers
from remediator.monitoring.parts import as_list, as_map

MAX_DEPTH = 50


def receivers_of(route: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str, ...]:
    """The receivers that get an alert with these labels. Raises ValueError where a matcher cannot be read."""
    return tuple(dict.fromkeys(_walk(route, labels, "", 0)))


def _walk(route: Mapping[str, Any], labels: Mapping[str, str], inherited: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise ValueError("the routes are nested too deeply")
    receiver = str(route.get("receiver") or inherited)
    taken = False
    for child in as_list(route.get("routes")):
        if isinstance(child, Mapping) and all(matcher.matches(labels) for matcher in _matchers(child)):
            taken = True
            yield from _walk(child, labels, receiver, depth + 1)
            if not child.get("continue"):
                break
    if not taken:
        yield receiver


def _matchers(route: Mapping[str, Any]) -> Iterator[Matcher]:
    for text in as_list(route.get("matchers")):
        yield from parse_matchers(str(text))
    # The forms before Alertmanager 0.22.
    for name, value in as_map(route.get("match")).items():
        yield make_matcher(str(name), "=", str(value))
    for name, value in as_map(route.get("match_re")).items():
        yield make_matcher(str(name), "=~", str(value))


def check_route(config: str, labels: Mapping[str, str]) -> Check:
    """Whether an alert with these labels is sent to a webhook, whole; `config` is Alertmanager's YAML."""
    remedy = "take the route and the receiver of rules/alertmanager.yaml"
    shown = ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))
    try:
        document = as_map(parse_document(config, "the configuration").value)
        names = receivers_of(as_map(document.get("route")), labels)
    except (InvalidDocument, ValueError) as error:
        found = f"where Alertmanager sends {shown} cannot be told: {str(error)[:200]}"
        return Check(name="route", passed=False, found=found, remedy=remedy)
    hooks = {
        str(receiver.get("name")): as_list(receiver.get("webhook_configs"))
        for receiver in map(as_map, as_list(document.get("receivers")))
        if receiver.get("name") in names
    }
    ours = [name for name in names if hooks.get(name)]
    if not ours:
        found = f"{shown} goes to {', '.join(names)}, and no webhook is there"
        return Check(name="route", passed=False, found=found, remedy=remedy)
    # 0 is all, and what any other number cuts off counts as sent.
    if cut := [name for name in ours if any(as_map(hook).get("max_alerts") for hook in hooks[name])]:
        found = f"receiver {', '.join(cut)} cuts alerts off by max_alerts"
        return Check(name="route", passed=False, found=found, remedy="set max_alerts to 0")
    return Check(name="route", passed=True, found=f"{shown} goes to the webhook of receiver {', '.join(ours)}")
