"""The part of remediations.yaml that the emergency commands need: the targets, and the flags of 0 %.

Pure. One rule: read what can be read, and never write what could raise anything. So the values in the file are ignored:
every flag that one of its profiles names is switched off. The strict parser (loader.py) checks whether the whole file
is valid.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remediator.config.document import InvalidDocument, parse_document
from remediator.core.parts import as_list, as_map
from remediator.core.policy import ENABLED_FLAG, PERCENTAGE_FLAG, Target

BUILT_IN = ("ASYNC_ENABLED", "RUNS_ENABLED")
"""DENIS's other flags, used if no profile can be read."""

_LEFT_ALONE = "DENIS_SECONDARY_ENGINES"
"""DENIS's rule: no step of the canary touches the secondary engines."""

_PARTS = ("targets", "profiles", "remediations")
_KEY = re.compile(r"""(["']?)([^\s"'#:{}\[\],-][^\s"'#:{}\[\],]*)\1\s*:(?=\s|$)""")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_FLAG = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyPolicy:
    """The part of a remediations.yaml that an emergency needs."""

    canaries: tuple[Target, ...]
    """The targets with a container for the canary's flags."""
    workers: tuple[Target, ...]
    """The targets that remediations scale, or if none are known, those without a container."""
    profile: Mapping[str, str]
    """The flags of 0 %."""


def profile_of_0(names: Mapping[str, object] | tuple[str, ...] = BUILT_IN) -> dict[str, str]:
    """The canary's flags at 0 %: the percentage, and every other flag off."""
    others = (name for name in names if name not in (ENABLED_FLAG, PERCENTAGE_FLAG, _LEFT_ALONE))
    return {ENABLED_FLAG: "false", PERCENTAGE_FLAG: "0", **dict.fromkeys(others, "false")}


def read_emergency_policy(text: str) -> EmergencyPolicy:
    """Read as much as possible of a remediations.yaml, however broken the rest is."""
    parts = _parts(text)
    targets = {
        str(name): target
        for name, spec in as_map(parts.get("targets")).items()
        if (target := _target(str(name), spec)) is not None
    }
    scaled = [
        targets.get(str(one["target"]))
        for one in as_list(parts.get("remediations"))
        if isinstance(one, dict) and one.get("scale") is not None and "target" in one
    ]
    workers = tuple(dict.fromkeys(target for target in scaled if target))
    return EmergencyPolicy(
        canaries=tuple(target for target in targets.values() if target.container),
        workers=workers or tuple(target for target in targets.values() if not target.container),
        profile=_profile(as_map(parts.get("profiles"))),
    )


def _target(name: str, spec: object) -> Target | None:
    """A target, or None if a required name is missing or invalid."""
    fields = as_map(spec)
    names = {key: fields.get(key) for key in ("namespace", "deployment", "container")}
    # YAML parses a name of digits as a number.
    texts = {key: str(value) for key, value in names.items() if type(value) in (str, int)}
    if not {"namespace", "deployment"} <= texts.keys() or not all(map(_NAME.fullmatch, texts.values())):
        return None
    return Target(
        name=name,
        namespace=texts["namespace"],
        deployment=texts["deployment"],
        container=texts.get("container", ""),
    )


def _profile(profiles: Mapping[Any, Any]) -> dict[str, str]:
    flags = {
        name: None
        for profile in (profiles.get(0, profiles.get("0")), *profiles.values())
        for name in as_map(profile)
        if isinstance(name, str) and _FLAG.fullmatch(name)
    }
    readable = as_map(profiles.get(0, profiles.get("0")))
    return profile_of_0(flags if readable else {**flags, **dict.fromkeys(BUILT_IN)})


def _parts(text: str) -> Mapping[Any, Any]:
    """The values of the file's keys, as far as they can be parsed."""
    found = _value(text)
    if isinstance(found, dict):
        return found
    return {name: _part(lines) for name, lines in _blocks(text.splitlines()).items() if name in _PARTS}


def _part(lines: list[str]) -> object:
    """The value of one key, or the parts of it that can be parsed."""
    found = _value("\n".join(lines))
    if isinstance(found, dict):
        return next(iter(found.values()))
    inner = [line for line in lines[1:] if line.strip() and not line.lstrip().startswith("#")]
    if not inner or inner[0].lstrip().startswith("- "):
        return None
    indent = len(inner[0]) - len(inner[0].lstrip())
    values = {}
    for name, block in _blocks([line[indent:] for line in inner if line[:indent].isspace()]).items():
        if isinstance(found := _value("\n".join(block)), dict):
            values[name] = next(iter(found.values()))
    return values


def _blocks(lines: list[str]) -> dict[str, list[str]]:
    """The lines of each top-level key. A duplicate key is ambiguous, so it is ignored."""
    blocks: dict[str, list[str]] = {}
    twice: set[str] = set()
    current: list[str] = []
    for line in lines:
        if line[:1].isspace() or line.startswith(("#", "- ")) or not line:
            current.append(line)
            continue
        current = [line]
        if key := _KEY.match(line):
            if key[2] in blocks:
                twice.add(key[2])
            blocks[key[2]] = current
    return {name: block for name, block in blocks.items() if name not in twice}


def _value(text: str) -> Any:
    try:
        return parse_document(text, "").value
    except InvalidDocument:
        return None
