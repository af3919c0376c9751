"""Alertmanager's routing tree: which receivers get an alert, and when.

Pure. The rule of this file: a route takes an alert certainly, possibly, or not. A matcher that cannot be parsed, or
that needs a label whose value is not known, makes it "possibly", and is named; one that cannot change the result is
ignored.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import re2

from remediator.core.durations import format_duration, parse_duration
from remediator.core.matchers import Matcher, make_matcher, parse_matchers
from remediator.core.parts import as_list, as_map

MAX_DEPTH = 50

MAX_GROUP_WAIT = timedelta(seconds=30)
"""Alertmanager's default for group_wait, which delays the first act."""

ALL_LABELS = "..."

Labels = Mapping[str, str | None]
"""The labels of an alert; None for a label whose value is not known."""

Path = tuple[str | int, ...]

_DEFAULTS: Mapping[str, Any] = {
    "receiver": "",
    "group_by": [],
    "group_wait": "30s",
    "group_interval": "5m",
    "repeat_interval": "4h",
}
"""Alertmanager's defaults, which a route inherits unless a route above it sets another value."""

# The parts between commas that are not quoted.
_PARTS = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)

_INTERVALS = ("mute_time_intervals", "active_time_intervals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The value of a key of a route, its own or inherited."""

    value: Any
    path: Path | None
    """Its place in the configuration; None for Alertmanager's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A route that takes an alert, with what it inherits from the routes above it."""

    path: Path
    """The route's place in the configuration."""
    settings: Mapping[str, Setting]
    intervals: Mapping[str, tuple[str, ...]]
    """The names under mute_time_intervals and active_time_intervals of its own; Alertmanager does not inherit them."""
    intervals_above: tuple[str, ...] = ()
    """The time intervals of the routes above it."""
    doubts: tuple[str, ...] = ()
    """Why it is not certain that the alert comes here; empty if it is."""

    @property
    def receiver(self) -> str:
        """The name of the receiver."""
        return str(self.settings["receiver"].value or "")

    @property
    def certain(self) -> bool:
        """Whether the alert certainly comes here."""
        return not self.doubts


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteProblem:
    """A setting of a route that makes alerts reach Remediator late, or grouped with unrelated ones."""

    path: Path
    """Its place, or that of the route that inherits Alertmanager's default."""
    message: str


def known_labels(labels: Labels) -> dict[str, str]:
    """The labels whose values are known."""
    return {name: value for name, value in labels.items() if value is not None}


def find_destinations(route: Mapping[str, Any], labels: Labels) -> tuple[Destination, ...]:
    """The routes that an alert with these labels can end at, certainly or possibly.

    `route` is that of Alertmanager's configuration. Raises ValueError where it is nested too deeply.
    """
    path: Path = ("route",)
    root = Destination(
        path=path,
        settings={key: Setting(value=value, path=None) for key, value in _DEFAULTS.items()},
        intervals={},
    )
    return tuple(_walk(route, labels, _enter(root, route, path), 0))


def _enter(above: Destination, route: Mapping[str, Any], path: Path) -> Destination:
    """A child route, with the settings that it inherits."""
    own = {
        key: Setting(value=route[key], path=(*path, key))
        for key in _DEFAULTS
        # An empty group_by overrides the inherited one; an empty receiver does not.
        if route.get(key) is not None and (key != "receiver" or route[key])
    }
    return replace(
        above,
        path=path,
        settings={**above.settings, **own},
        intervals={key: tuple(map(str, as_list(route.get(key)))) for key in _INTERVALS},
        intervals_above=(*above.intervals_above, *(name for names in above.intervals.values() for name in names)),
    )


def _walk(route: Mapping[str, Any], labels: Labels, here: Destination, depth: int) -> Iterator[Destination]:
    if depth > MAX_DEPTH:
        raise ValueError("the routes are nested too deeply")
    taken: bool | None = False
    doubts = maybe = here.doubts
    for index, child in enumerate(as_list(route.get("routes"))):
        if not isinstance(child, Mapping):
            continue
        found, unread = match_all(read_matchers(child), labels)
        if found is False:
            continue
        below = replace(here, doubts=(*doubts, *unread))
        yield from _walk(child, labels, _enter(below, child, (*here.path, "routes", index)), depth + 1)
        taken = taken or found
        maybe = (*maybe, *unread)
        if not child.get("continue"):
            if found:
                break
            # This route may have taken the alert, so later routes are only possible.
            doubts = (*doubts, *unread)
    if not taken:
        yield replace(here, doubts=maybe)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A matcher, or the text of one that cannot be parsed."""

    text: str
    matcher: Matcher | None = field(default=None)


def read_matchers(holder: Mapping[str, Any], prefix: str = "") -> Iterator[Condition]:
    """The conditions under `matchers`, `match` and `match_re`; `prefix` is `source_` or `target_` in an inhibition."""
    texts = holder.get(f"{prefix}matchers")
    for text in texts if isinstance(texts, list) else [] if texts is None else [texts]:
        yield from _read(str(text))
    # The keys from before Alertmanager 0.22.
    for key, operator in (("match", "="), ("match_re", "=~")):
        values = holder.get(f"{prefix}{key}")
        if values is not None and not isinstance(values, Mapping):
            yield Condition(text=f"{prefix}{key}: {values}"[:200])
        for name, value in as_map(values).items():
            yield read_condition(str(name), operator, value)


def _read(text: str) -> Iterator[Condition]:
    # One by one, so that one that cannot be parsed does not affect the others.
    for part in _PARTS.findall(text.strip().removeprefix("{").removesuffix("}")) or [text]:
        try:
            for matcher in parse_matchers(part, _compile):
                yield Condition(text=str(matcher), matcher=matcher)
        except ValueError:
            yield Condition(text=part.strip()[:200])


def read_condition(name: str, operator: str, value: Any) -> Condition:
    """A condition from its parts, as in `match` or in a silence."""
    text = f"{name}{operator}{value}"[:200]
    # YAML's true may have been written as yes, so the original text is not known.
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        return Condition(text=text)
    match operator:
        case "=" | "!=" | "=~" | "!~":
            wanted = "" if value is None else str(value)
            try:
                return Condition(text=text, matcher=make_matcher(name, operator, wanted, _compile))
            except ValueError:
                return Condition(text=text)
        case _:
            return Condition(text=text)


def _compile(text: str) -> Any:
    """Compile to a test of whole values with Go's engine, in linear time. Raises ValueError."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options).fullmatch
    except (re2.error, UnicodeError) as error:
        raise ValueError(f"{text[:60]!r} is not a regular expression") from error


def match_all(conditions: Iterator[Condition], labels: Labels) -> tuple[bool | None, tuple[str, ...]]:
    """Whether all conditions hold; if that is not known, the conditions that it depends on."""
    unknown: list[str] = []
    for condition in conditions:
        matcher = condition.matcher
        if matcher is None or labels.get(matcher.name, "") is None:
            unknown.append(condition.text)
        elif not matcher.matches({matcher.name: labels.get(matcher.name) or ""}):
            return False, ()
    return (None, tuple(unknown)) if unknown else (True, ())


def timing_problems(
    destination: Destination, cooldown: timedelta, decided_by: Collection[str] = ("remediation",)
) -> Iterator[RouteProblem]:
    """The problems in the timing and grouping of a route that leads to Remediator.

    `cooldown` is the shortest one; `decided_by` are the labels that the remediations match on.
    """
    half = cooldown / 2
    late = {
        "repeat_interval": (half, "an alert that was withheld, or whose act did not help, is not sent again before"),
        "group_interval": (half, "a new alert of a known group, or one that was not delivered, waits for it"),
        "group_wait": (MAX_GROUP_WAIT, "every second of it delays the rollback"),
    }
    for key, (limit, why) in late.items():
        setting = destination.settings[key]
        try:
            found = parse_duration(str(setting.value))
        except ValueError as error:
            yield RouteProblem(path=setting.path or destination.path, message=f"{key}: {error}")
            continue
        if found > limit:
            of = "half of the shortest cooldown" if limit == half else "Alertmanager's default"
            default = "" if setting.path else ", Alertmanager's default,"
            message = f"{key} {setting.value}{default} is longer than {of} ({format_duration(limit)}): {why}"
            yield RouteProblem(path=setting.path or destination.path, message=f"{message}; set it on this route")
    grouping = destination.settings["group_by"]
    names = [str(name) for name in as_list(grouping.value)]
    if ALL_LABELS not in names and (missing := [name for name in decided_by if name not in names]):
        message = (
            f"group_by has no {' and no '.join(missing)}: a rollback can wait for the group_interval of a group that "
            f"another alert began; add it on this route"
        )
        yield RouteProblem(path=grouping.path or destination.path, message=message)
