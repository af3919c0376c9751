"""The remediation that an unmatched alert most likely asks for: finds typos in labels and in matchers.

Pure. The rule of this file: it is only a hint for people, and decides nothing.
"""

from collections.abc import Mapping
from difflib import SequenceMatcher

from remediator.core.matchers import Matcher
from remediator.core.policy import Policy, Remediation

_SIMILAR = 0.6
"""difflib's default for a close match."""

_LONGEST = 60
_MOST_NAMED = 3


def nearest(policy: Policy, labels: Mapping[str, str]) -> str:
    """Describe the remediation closest to these labels and what it wants; all of them if none is close."""
    scored = [(_score(remediation, labels), remediation) for remediation in policy.remediations]
    best, remediation = max(scored, key=lambda one: one[0])
    if best > 0:
        return f"nearest: {_differences(remediation, labels)}"
    named = [f"{one.name} wants {_spell(one.matchers)}" for one in policy.remediations[:_MOST_NAMED]]
    more = len(policy.remediations) - len(named)
    return "none is near: " + "; ".join([*named, *([f"and {more} more"] if more else [])])


def _score(remediation: Remediation, labels: Mapping[str, str]) -> float:
    """How well an alert's labels fit a remediation, 0 to 1; a missing label counts as 0."""
    return sum(_closeness(matcher, labels) for matcher in remediation.matchers) / len(remediation.matchers)


def _closeness(matcher: Matcher, labels: Mapping[str, str]) -> float:
    if matcher.matches(labels):
        return 1.0 if matcher.name in labels else 0.0
    if matcher.name in labels:
        return max((_similarity(labels[matcher.name], value) for value in matcher.values), default=0.0)
    # The value is right, but the label's name is not.
    name = _misspelled(matcher, labels)
    return _similarity(name, matcher.name) / 2 if name else 0.0


def _misspelled(matcher: Matcher, labels: Mapping[str, str]) -> str:
    """A label of the alert with the wanted value under a similar name, or empty."""
    fits = [name for name in labels if matcher.matches({matcher.name: labels[name]})]
    close = [name for name in fits if _similarity(name, matcher.name)]
    return max(close, key=lambda name: _similarity(name, matcher.name), default="")


def _similarity(text: str, other: str) -> float:
    ratio = SequenceMatcher(None, text[:_LONGEST].lower(), other[:_LONGEST].lower()).ratio()
    return ratio if ratio >= _SIMILAR else 0.0


def _differences(remediation: Remediation, labels: Mapping[str, str]) -> str:
    failed = [matcher for matcher in remediation.matchers if not matcher.matches(labels)]
    texts = []
    for matcher in failed:
        if matcher.name in labels:
            texts.append(f"{matcher.name} is {labels[matcher.name][:_LONGEST]!r}")
        elif name := _misspelled(matcher, labels):
            texts.append(f"the label is called {name[:_LONGEST]!r}")
        else:
            texts.append(f"there is no label {matcher.name}")
    return f"{remediation.name} wants {_spell(tuple(failed))}, and {' and '.join(texts)}"


def _spell(matchers: tuple[Matcher, ...]) -> str:
    return ", ".join(map(str, matchers))
