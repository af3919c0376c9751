"""Regular expressions of matchers: only those that mean the same in Go, and that are guaranteed to finish.

Alertmanager's engine takes time proportional to the value. Python's backtracks through all ways to match, and an
expression like `(a+)+` has far too many; nothing could interrupt it, because it holds the interpreter's lock. So the
ways are counted when the file is loaded, for the longest value that is compared.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

MAX_VALUE = 256
"""The longest label value that is compared. A longer one matches no regular expression, neither =~ nor !~."""

MAX_WAYS = 20_000_000
"""Three unbounded repetitions on a value of that length; the slowest expression found with this many ways took 1 s."""

# Syntax that Go does not have, or that means something else there.
_FOREIGN = re.compile(r"(?:[^\\]|\\.)*?(\(\?(?!:|P<|[imsU-]+[:)])|\\[1-9Z]|[*+?}]\+|\{,|\[:)", re.DOTALL)
_FOLDS = re.compile(r"\(\?[ms]*i")
_TOKEN = re.compile(
    r"""  \(\?[a-zA-Z-]+\)
        | (?P<open>\((?:\?(?:P<\w+>|[a-zA-Z-]*:))?)
        | (?P<close>\))
        | (?P<or>\|)
        | (?P<times>[*+?]|\{\d+(?:,\d*)?\})\??
        | (?P<one>\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.)""",
    re.VERBOSE | re.DOTALL,
)


def compile_anchored(text: str) -> Callable[[str], object]:
    """Compile to a test of whole values. Raises ValueError, which says what is wrong with the expression."""
    if foreign := _FOREIGN.match(text):
        raise ValueError(f"{_short(text)} is not a regular expression: Go does not know {foreign[1]!r}")
    try:
        # Go's classes \d and \w are ASCII only, and its (?i) covers all letters.
        pattern = re.compile(text, 0 if _FOLDS.search(text) else re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{_short(text)} is not a regular expression: {error}") from None
    if _ways(text) > MAX_WAYS:
        raise ValueError(
            f"{_short(text)} can take too long: repeat no group that holds * + ? {{}} or |, as in (a+)+ or (a|b)*, and "
            "make several matchers of what has more than three of * and +"
        )
    return pattern.fullmatch


@dataclass(slots=True)
class _Group:
    """In how many ways the parsed part of a group can match."""

    finished: int = 0
    """The ways of all alternatives but the last."""
    before: int = 1
    """The ways of the last alternative up to its last piece."""
    piece: int = 1

    def add(self, ways: int) -> None:
        self.before, self.piece = min(self.before * self.piece, MAX_WAYS + 1), ways

    def end_alternative(self) -> None:
        self.finished, self.before, self.piece = self.ways, 1, 1

    @property
    def ways(self) -> int:
        return min(self.finished + self.before * self.piece, MAX_WAYS + 1)


def _ways(text: str) -> int:
    """An upper bound of the ways in which a valid expression can match, capped at MAX_WAYS + 1."""
    groups = [_Group()]
    for token in _TOKEN.finditer(text):
        match token.lastgroup:
            case "open":
                groups.append(_Group())
            case "close":
                inner = groups.pop().ways
                groups[-1].add(inner)
            case "or":
                groups[-1].end_alternative()
            case "times":
                groups[-1].piece = _repeated(groups[-1].piece, token["times"])
            case "one":
                groups[-1].add(1)
            case _:
                pass  # Flags match no text.
    return groups[0].ways


def _repeated(ways: int, times: str) -> int:
    if times == "?":
        return ways + 1
    least, comma, most = times.strip("{}").partition(",")
    if times in "*+" or (comma and not most):
        return MAX_VALUE + 1 if ways == 1 else MAX_WAYS + 1
    # Two ways repeated more than 64 times exceed any bound.
    exponent = min(int(most or least), 64) if ways > 1 else 1
    choices = int(most) - int(least) + 1 if comma else 1
    return min(int(ways**exponent) * choices, MAX_WAYS + 1)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:57]!r}..."
