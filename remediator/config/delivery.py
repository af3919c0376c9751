"""Whether the route in an alertmanager.yaml delivers an alert to Remediator, and in time.

Pure. The rule of this file: a receiver is Remediator's if the URL of one of its webhooks ends in /webhook, or if the
URL is hidden and the receiver has Remediator's name. A file without such a receiver is another Alertmanager's, and
ignored.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from remediator.config.document import Document, Problem
from remediator.core.parts import as_list, as_map
from remediator.core.routes import Destination, find_destinations, read_matchers, timing_problems

HIDDEN = "<secret>"
"""What Alertmanager shows instead of a URL."""


class Delivery:
    """The route from an alert's labels to Remediator's webhook."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._route = as_map(as_map(document.value).get("route"))
        receivers = map(as_map, as_list(as_map(document.value).get("receivers")))
        self._ours = {str(receiver.get("name")) for receiver in receivers if _is_ours(receiver)}
        self._names = frozenset(_label_names(self._route))

    @property
    def known(self) -> bool:
        """Whether the file has a receiver of Remediator's; without one nothing is checked."""
        return bool(self._ours)

    def ways(self, labels: Mapping[str, str], decided_by: Collection[str]) -> tuple[Destination, ...]:
        """The routes by which an alert reaches Remediator, certainly or possibly.

        Labels that a rule does not set may come from its series, except those that select a remediation.
        """
        unknown = dict.fromkeys(self._names - set(decided_by))
        found = find_destinations(self._route, {**unknown, **labels})
        return tuple(way for way in found if way.receiver in self._ours)

    def receivers(self, labels: Mapping[str, str], decided_by: Collection[str]) -> tuple[str, ...]:
        """The names of all receivers that an alert can reach."""
        unknown = dict.fromkeys(self._names - set(decided_by))
        ways = find_destinations(self._route, {**unknown, **labels})
        return tuple(dict.fromkeys(way.receiver for way in ways))

    def late(
        self, ways: Collection[Destination], cooldown: timedelta, decided_by: Collection[str]
    ) -> Iterator[Problem]:
        """Settings that make these routes slow, or group alerts that must not wait for each other."""
        found = {
            (problem.path, problem.message): None
            for way in ways
            for problem in timing_problems(way, cooldown, decided_by)
        }
        for path, message in found:
            yield self._document.problem(path, message)


def _is_ours(receiver: Mapping[str, Any]) -> bool:
    for hook in map(as_map, as_list(receiver.get("webhook_configs"))):
        url = str(hook.get("url") or "")
        hidden = url in ("", HIDDEN) or "{{" in url
        try:
            path = urlsplit(url).path
        except ValueError:
            continue
        if "remediator" in str(receiver.get("name")).lower() if hidden else path.rstrip("/") == "/webhook":
            return True
    return False


def _label_names(route: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    for condition in read_matchers(route):
        if condition.matcher:
            yield condition.matcher.name
    # Deeper nesting is refused by find_destinations.
    for child in as_list(route.get("routes")) if depth <= 60 else ():
        if isinstance(child, Mapping):
            yield from _label_names(child, depth + 1)
