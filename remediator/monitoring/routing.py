"""Whether Alertmanager would deliver an alert to Remediator: the route, its webhook, its timing, and what mutes it.

Pure: from Alertmanager's loaded configuration, its silences and its firing alerts. The rule of this file: ok only for
what was checked. What cannot be parsed and could matter makes the result unknown, and is named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from remediator.config.document import InvalidDocument, parse_document
from remediator.config.document import spell as spell_path
from remediator.core.checks import Check
from remediator.core.durations import format_duration, parse_duration
from remediator.core.parts import as_list, as_map
from remediator.core.routes import (
    Destination,
    Labels,
    find_destinations,
    match_all,
    read_condition,
    read_matchers,
    timing_problems,
)
from remediator.monitoring.time_intervals import Unreadable, find_muting

TAKE_SHIPPED = "use the route and the receiver of rules/alertmanager.yaml"
HIDDEN = "<secret>"
WEBHOOK = "/webhook"
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The alerts and bounds that the configuration is checked for."""

    alerts: Sequence[Labels]
    """The labels of each alert that asks for the act."""
    cooldown: timedelta
    """The shortest cooldown."""
    now: datetime
    remediator_url: str = ""
    """The internal listener of the Remediator that should get them, or empty."""

    @property
    def shown(self) -> str:
        """A summary of the alerts: each label with its values."""
        values: dict[str, list[str]] = {}
        for labels in self.alerts:
            for name, value in labels.items():
                text = "?" if value is None else value
                if text not in values.setdefault(name, []):
                    values[name].append(text)
        return ", ".join(f"{name}={'|'.join(found)}" for name, found in sorted(values.items()))[:400]


def check_routing(config: str, asked: Asked) -> list[Check]:
    """Whether the alerts are sent to Remediator's webhook, completely, in time and at any time; `config` is YAML."""
    try:
        document = as_map(parse_document(config, "the configuration").value)
        ways = [find_destinations(as_map(document.get("route")), labels) for labels in asked.alerts]
    except (InvalidDocument, ValueError) as error:
        found = f"where Alertmanager sends {asked.shown} is not known: {str(error)[:200]}"
        return [Check(name="route", passed=None, found=found, remedy="see /#/status in Alertmanager's UI")]
    hooks = _hooks(document)
    candidates = [_candidates(found, hooks, asked) for found in ways]
    route = _route(ways, candidates, hooks, asked)
    if route.passed is False:
        return [route]
    reached = list(dict.fromkeys(way.path for found in candidates for way in found))
    routes = [next(way for found in candidates for way in found if way.path == path) for path in reached]
    receivers = dict.fromkeys(way.receiver for way in routes)
    return [
        route,
        _webhook([hook for name in receivers for hook in hooks.get(name, ())], asked),
        _timing(routes, asked),
        _muting(routes, document, asked.now),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hook:
    """A webhook in a receiver."""

    receiver: str
    url: str
    """Its URL without credentials; empty if Alertmanager hides it."""
    cut: bool
    follows: bool


def _hooks(document: Mapping[str, Any]) -> dict[str, tuple[_Hook, ...]]:
    everywhere = as_map(as_map(document.get("global")).get("http_config")).get("follow_redirects")
    found: dict[str, tuple[_Hook, ...]] = {}
    for receiver in map(as_map, as_list(document.get("receivers"))):
        name = str(receiver.get("name"))
        found[name] = tuple(
            _Hook(
                receiver=name,
                url=_shown_url(hook.get("url")),
                # 0 means no limit; alerts beyond any other limit count as sent.
                cut=bool(hook.get("max_alerts")),
                follows=as_map(hook.get("http_config")).get("follow_redirects", everywhere) is not False,
            )
            for hook in map(as_map, as_list(receiver.get("webhook_configs")))
        )
    return found


def _shown_url(url: object) -> str:
    """The URL without credentials, or empty if not known: hidden, in a file, or a template."""
    text = "" if url is None else str(url)
    if text in ("", HIDDEN) or "{{" in text:
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:200]


def _is_ours(hook: _Hook, asked: Asked) -> bool | None:
    """Whether a webhook is Remediator's; None if its URL does not show that."""
    if not hook.url:
        return None
    parts = urlsplit(hook.url)
    if parts.path.rstrip("/") != WEBHOOK:
        return False
    host = (parts.hostname or "").lower()
    if "remediator" in host or (asked.remediator_url and host == _host(asked.remediator_url)):
        return True
    return None


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _candidates(
    ways: Sequence[Destination], hooks: Mapping[str, Sequence[_Hook]], asked: Asked
) -> tuple[Destination, ...]:
    """The routes of an alert whose webhook is Remediator's, or could be if no URL shows that."""
    ours = {way.receiver: {_is_ours(hook, asked) for hook in hooks.get(way.receiver, ())} for way in ways}
    ranks = (
        [way for way in ways if True in ours[way.receiver]],
        [way for way in ways if None in ours[way.receiver] and "remediator" in way.receiver.lower()],
        [way for way in ways if None in ours[way.receiver]],
    )
    best = next(filter(None, ranks), [])
    return tuple([way for way in best if way.certain] or best)


def _route(
    ways: Sequence[Sequence[Destination]],
    candidates: Sequence[Sequence[Destination]],
    hooks: Mapping[str, Sequence[_Hook]],
    asked: Asked,
) -> Check:
    """Whether each alert certainly reaches a webhook that can be Remediator's, without a limit on alerts."""
    for labels, found, ours in zip(asked.alerts, ways, candidates, strict=True):
        if not ours:
            alert = _one(labels)
            names = ", ".join(dict.fromkeys(way.receiver for way in found))
            others = [hook.url for way in found for hook in hooks.get(way.receiver, ())]
            what = f"whose webhook is not Remediator's: {', '.join(others)}" if others else "and no webhook is there"
            text = f"{alert} goes to {names}, {what}"
            return Check(name="route", passed=False, found=text[:600], remedy=TAKE_SHIPPED)
    receivers = list(dict.fromkeys(way.receiver for ours in candidates for way in ours))
    if cut := [
        name for name in receivers if any(hook.cut and _is_ours(hook, asked) is not False for hook in hooks[name])
    ]:
        text = f"receiver {', '.join(cut)} cuts alerts off by max_alerts"
        return Check(name="route", passed=False, found=text, remedy="set max_alerts to 0")
    for labels, destinations in zip(asked.alerts, candidates, strict=True):
        if not any(way.certain for way in destinations):
            doubts = list(dict.fromkeys(doubt for way in destinations for doubt in way.doubts))
            text = f"{_one(labels)} may go to {', '.join(receivers)}: that depends on {'; '.join(doubts[:SHOWN])}"
            remedy = "this cannot be decided here: try `amtool config routes test`, or put Remediator's route first"
            return Check(name="route", passed=None, found=f"{text}, which is not known", remedy=remedy)
    text = f"{asked.shown} goes to the webhook of receiver {', '.join(receivers)}"
    return Check(name="route", passed=True, found=text)


def _one(labels: Labels) -> str:
    return ", ".join(f"{name}={'?' if value is None else value}" for name, value in sorted(labels.items()))[:300]


def _webhook(hooks: Sequence[_Hook], asked: Asked) -> Check:
    """Whether one of these webhooks is Remediator's."""
    for hook in hooks:
        if _is_ours(hook, asked):
            said = f"{hook.url} of receiver {hook.receiver} is Remediator's, by its path and its host's name"
            if hook.follows:
                said += "; it follows redirects, so a notification can count as sent although nobody got it"
            return Check(name="webhook", passed=True, found=said)
    shown = [hook.url for hook in hooks if hook.url and _is_ours(hook, asked) is None]
    if shown:
        found = f"{shown[0]} may be Remediator's, but its host is not that of --remediator.url"
        remedy = f"check that Remediator listens there; {TAKE_SHIPPED}"
        return Check(name="webhook", passed=None, found=found, remedy=remedy)
    names = ", ".join(dict.fromkeys(hook.receiver for hook in hooks if not hook.url))
    found = f"not known: Alertmanager does not show the URL of receiver {names}"
    remedy = "check in its configuration that it is http://<service of Remediator>:8080/webhook"
    return Check(name="webhook", passed=None, found=found, remedy=remedy)


def _timing(routes: Sequence[Destination], asked: Asked) -> Check:
    problems = {
        f"{spell_path(problem.path)}: {problem.message}": None
        for way in routes
        for problem in timing_problems(way, asked.cooldown)
    }
    if problems:
        remedy = "use the timing and grouping of rules/alertmanager.yaml"
        return Check(name="timing", passed=False, found="; ".join(problems), remedy=remedy)
    settings = routes[0].settings
    text = ", ".join(f"{key} {settings[key].value}" for key in ("group_wait", "group_interval", "repeat_interval"))
    found = f"{text}, where the shortest cooldown is {format_duration(asked.cooldown)}"
    return Check(name="timing", passed=True, found=found)


def _muting(routes: Sequence[Destination], document: Mapping[str, Any], now: datetime) -> Check:
    """Whether a time interval mutes the route, now or later."""
    known: dict[str, Any] = {}
    for key in ("mute_time_intervals", "time_intervals"):
        for one in map(as_map, as_list(document.get(key))):
            known[str(one.get("name"))] = one.get("time_intervals")
    remedy = "remove it from this route: alerts have to reach Remediator at any time"
    doubts: list[str] = []
    for way in routes:
        for key, names in way.intervals.items():
            if not names:
                continue
            place = f"{spell_path(way.path)}.{key} ({', '.join(names)})"
            try:
                intervals = [as_map(one) for name in names for one in _interval(known, name)]
                muting = find_muting(intervals, active=key.startswith("active"), now=now)
            except Unreadable as error:
                doubts.append(f"when {place} mutes the route: {error}")
                continue
            if muting:
                when = "now" if muting.now else f"on {muting.day}"
                return Check(name="muting", passed=False, found=f"{place} mutes the route {when}", remedy=remedy)
        if way.intervals_above:
            above = ", ".join(way.intervals_above)
            doubts.append(f"whether {above} of a route above is meant here too: Alertmanager does not inherit it")
    if doubts:
        found = f"not known {'; '.join(doubts[:SHOWN])}"
        return Check(name="muting", passed=None, found=found, remedy=remedy)
    named = any(way.intervals[key] for way in routes for key in way.intervals)
    found = "its time intervals never mute the route within a year" if named else "no time interval is on the route"
    return Check(name="muting", passed=True, found=found)


def _interval(known: Mapping[str, Any], name: str) -> list[Any]:
    if name not in known:
        raise Unreadable(f"there is no interval {name[:60]!r}")
    found = known[name]
    if not isinstance(found, list):
        raise Unreadable(f"the interval {name[:60]!r} is not a list")
    return found


def group_waits(config: str, alerts: Sequence[Labels]) -> list[timedelta]:
    """The group_wait of each route by which these alerts may reach a webhook. Raises ValueError."""
    try:
        document = as_map(parse_document(config, "the configuration").value)
    except InvalidDocument as error:
        raise ValueError(str(error)) from error
    hooks = _hooks(document)
    return [
        parse_duration(str(way.settings["group_wait"].value))
        for labels in alerts
        for way in find_destinations(as_map(document.get("route")), labels)
        if hooks.get(way.receiver)
    ]


def check_people(config: str, alerts: Sequence[Labels]) -> Check:
    """Whether the alerts for people go to a receiver that notifies anyone."""
    name = "people's route"
    try:
        document = as_map(parse_document(config, "the configuration").value)
        ways = [(labels, find_destinations(as_map(document.get("route")), labels)) for labels in alerts]
    except (InvalidDocument, ValueError) as error:
        return Check(name=name, passed=None, found=f"not known: {str(error)[:200]}")
    receivers = map(as_map, as_list(document.get("receivers")))
    notifying = {
        str(one.get("name")) for one in receivers if any(key.endswith("_configs") and one[key] for key in map(str, one))
    }
    for labels, found in ways:
        if not notifying & {way.receiver for way in found}:
            names = ", ".join(dict.fromkeys(way.receiver for way in found))
            text = f"{labels.get('alertname')} goes to {names}, which notifies no one"
            remedy = "add a notification to that receiver, or route the alert to one that has some"
            return Check(name=name, passed=True, warning=True, found=text, remedy=remedy)
    reached = sorted(notifying & {way.receiver for _, found in ways for way in found})
    return Check(name=name, passed=True, found=f"they go to {', '.join(reached)[:200]}")


def check_inhibitions(config: str, asked: Asked, firing: Sequence[Labels | None]) -> Check:
    """Whether another alert can inhibit ours; `firing` are the labels of the firing alerts."""
    try:
        document = as_map(parse_document(config, "the configuration").value)
    except InvalidDocument as error:
        return Check(name="inhibitions", passed=None, found=f"not known: {str(error)[:200]}")
    rules = as_list(document.get("inhibit_rules"))
    remedy = "give our alerts a severity or a label that the rule does not inhibit"
    possible = []
    for index, rule in enumerate(map(as_map, rules)):
        place = f"inhibit_rules[{index}]"
        for labels in asked.alerts:
            target, unread = match_all(read_matchers(rule, "target_"), labels)
            if target is False:
                continue
            source = _source(rule, labels, firing)
            if source is None:
                continue
            alert = labels.get("alertname")
            if source and target:
                found = f"{place} inhibits {alert}, because {source} fires"
                return Check(name="inhibitions", passed=False, found=found, remedy=remedy)
            unsure = f", which depends on {'; '.join(unread)}" if unread else ""
            possible.append(f"{place} can inhibit {alert} while {_sources(rule)} fires{unsure}")
    if possible:
        more = f" and {len(possible) - 1} more" if len(possible) > 1 else ""
        found = f"not known in advance: {possible[0]}{more}"
        return Check(name="inhibitions", passed=None, found=found[:600], remedy=remedy)
    text = f"none of {len(rules)} inhibit rules can inhibit our alerts" if rules else "there are no inhibit rules"
    return Check(name="inhibitions", passed=True, found=text)


def _source(rule: Mapping[str, Any], target: Labels, firing: Sequence[Labels | None]) -> str | None:
    """The firing alert that inhibits the target; empty if an alert could, None if none could."""
    equal = [str(name) for name in as_list(rule.get("equal"))]
    # A source has the target's values of these labels; its other labels are not known.
    fixed = {name: target.get(name, "") for name in equal}
    conditions = list(read_matchers(rule, "source_"))
    decided = (one for one in conditions if one.matcher is not None and one.matcher.name in fixed)
    if match_all(decided, fixed)[0] is False:
        return None
    for labels in firing:
        if labels is None:
            continue
        same = all(value is not None and labels.get(name, "") == value for name, value in fixed.items())
        if same and match_all(iter(conditions), labels)[0]:
            return str(labels.get("alertname"))[:100]
    return ""


def _sources(rule: Mapping[str, Any]) -> str:
    conditions = ", ".join(condition.text for condition in read_matchers(rule, "source_"))
    equal = [str(name) for name in as_list(rule.get("equal"))]
    return f"an alert with {conditions}" + (f" and the same {', '.join(equal)}" if equal else "")


def check_silences(silences: Sequence[object], asked: Asked) -> Check:
    """Whether our alerts are silenced; `silences` are Alertmanager's."""
    remedy = "expire it (amtool silence expire ID), or wait until it ends"
    counted, doubts = 0, []
    for one in silences:
        silence = as_map(one)
        state = as_map(silence.get("status")).get("state")
        if state == "expired":
            continue
        counted += 1
        for labels in asked.alerts:
            matched, unread = match_all(_silence_conditions(silence), labels)
            if matched is False:
                continue
            name = f"silence {str(silence.get('id'))[:40]} by {str(silence.get('createdBy'))[:60]}"
            if matched is None:
                doubts.append(f"whether {name} is about our alerts: {'; '.join(unread)[:200]}")
                continue
            times = f"until {silence.get('endsAt')}"
            if state == "pending":
                times = f"from {silence.get('startsAt')} {times}"
            text = (
                f"{name} keeps {labels.get('alertname')} from being sent {times}: {str(silence.get('comment'))[:200]}"
            )
            return Check(name="silences", passed=False, found=text, remedy=remedy)
    if doubts:
        return Check(name="silences", passed=None, found=f"not known {doubts[0]}", remedy=remedy)
    return Check(name="silences", passed=True, found=f"none of {counted} silences is about our alerts")


def _silence_conditions(silence: Mapping[str, Any]) -> Iterator[Any]:
    matchers = silence.get("matchers")
    if not isinstance(matchers, list) or not matchers:
        yield read_condition("matchers", "?", matchers)
        return
    for matcher in map(as_map, matchers):
        # Alertmanager before 0.22 has no isEqual, and only equality.
        known = isinstance(matcher.get("name"), str) and matcher.get("isEqual", True) in (True, False, None)
        equal = matcher.get("isEqual") is not False
        operator = {(True, True): "=~", (True, False): "!~", (False, True): "=", (False, False): "!="}
        sign = operator[bool(matcher.get("isRegex")), equal] if known else "?"
        yield read_condition(str(matcher.get("name")), sign, matcher.get("value"))
