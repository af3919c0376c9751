"""Copies of the shipped files in which only durations, addresses and secrets' places differ.

Expressions, thresholds, labels, matchers and grouping stay as they are shipped: it is those that are shown and tested.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from remediator.core.durations import parse_duration

RULES = Path(__file__).parent.parent / "rules"
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The durations of a copy."""

    interval: str
    """Between scrapes, and between evaluations of groups that are not evaluated more often as shipped."""
    hold: str
    """`for:` of every alert that has one."""
    group_wait: str
    group_interval: str
    repeat_interval: str


def rules(name: str, pace: Pace) -> str:
    """A file of Prometheus rules at this pace."""
    document = read(name)
    # As shipped: a reading outlives failed scrapes for three quarters of the time that an alert waits.
    memory = f"[{parse_duration(pace.hold) * 3 // (4 * MILLISECOND)}ms"
    for group in document["groups"]:
        group["interval"] = min(pace.interval, group["interval"], key=parse_duration)
        for rule in group["rules"]:
            rule["expr"] = (
                rule["expr"].replace("[90s:15s]", f"{memory}:{pace.interval}]").replace("[90s]", f"{memory}]")
            )
            if "for" in rule:
                rule["for"] = pace.hold
    return yaml.safe_dump(document)


def compressed(text: str, factor: int) -> str:
    """A file of Prometheus rules in which every duration is shorter by a factor that divides 15000."""
    document = yaml.safe_load(text)
    for group in document["groups"]:
        group["interval"] = _shorter(group["interval"], factor)
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"(?<!\w)\d+[smh]\b", lambda found: _shorter(found[0], factor), rule["expr"])
            if "for" in rule:
                rule["for"] = _shorter(rule["for"], factor)
    return yaml.safe_dump(document)


def watch(pace: Pace, *, scrape: Mapping[str, str], alertmanagers: Sequence[str]) -> dict[str, str]:
    """Prometheus's files at this pace: the shipped rules, and a configuration for these jobs and Alertmanagers."""
    files = {name: rules(name, pace) for name in ("denis.rules.yaml", "remediator.rules.yaml")}
    configuration = {
        "global": {"scrape_interval": pace.interval, "scrape_timeout": pace.interval},
        "rule_files": list(files),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address], "labels": {"namespace": "denis"}}]}
            for job, address in scrape.items()
        ],
    }
    return {**files, "prometheus.json": json.dumps(configuration)}


def route(pace: Pace, *, webhook: str, token_file: Path, group_by: list[str] | None = None) -> str:
    """Alertmanager's configuration at this pace, for a Remediator at this address."""
    document = read("alertmanager.yaml")
    acts, heartbeat = remediators_route(document), heartbeats_route(document)
    for ours in (acts, heartbeat):
        ours |= {key: getattr(pace, key) for key in ("group_wait", "group_interval", "repeat_interval")}
    acts |= {"group_by": group_by} if group_by else {}
    (receiver,) = (receiver for receiver in document["receivers"] if receiver["name"] == "remediator")
    (hook,) = receiver["webhook_configs"]
    hook["url"] = f"http://{webhook}/webhook"
    hook["http_config"]["authorization"]["credentials_file"] = str(token_file)
    return yaml.safe_dump(document)


def remediations(changes: Mapping[str, Mapping[str, Any]]) -> str:
    """remediations.yaml with other values for some keys of some remediations, by name."""
    document = read("remediations.yaml")
    for remediation in document["remediations"]:
        remediation |= changes.get(remediation["name"], {})
    return yaml.safe_dump(document, sort_keys=False)


def alert(name: str) -> dict[str, Any]:
    """A shipped alert about DENIS."""
    groups = read("denis.rules.yaml")["groups"]
    found: dict[str, Any] = next(rule for group in groups for rule in group["rules"] if rule.get("alert") == name)
    return found


def remediators_route(document: Mapping[str, Any]) -> dict[str, Any]:
    """The route by which alerts that ask for acts reach Remediator."""
    return _routes(document)[1]


def heartbeats_route(document: Mapping[str, Any]) -> dict[str, Any]:
    """The route of the heartbeat."""
    return _routes(document)[0]


def _routes(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [route for route in document["route"]["routes"] if route["receiver"] == "remediator"]


def _shorter(duration: str, factor: int) -> str:
    return f"{parse_duration(duration) // (factor * MILLISECOND)}ms"


def read(name: str) -> dict[str, Any]:
    """A shipped file."""
    document: dict[str, Any] = yaml.safe_load((RULES / name).read_text())
    return document
