"""Regular expressions of matchers: those that Go reads in the same way, and that come to an end.

Alertmanager's engine needs time in proportion to the value. Python's tries one way to match after the other, and an
expression like `(a+)+` has more of them than there is time; nothing could stop it, for it holds the interpreter's lock.
So the ways are counted when the file is read, for the longest value that is compared.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

MAX_VALUE = 256
"""Characters of a label's value. A longer one meets no regular expression, neither =~ nor !~."""

MAX_WAYS = 20_000_000
"""Three unbounded repetitions on a value of that length; the slowest expression found with so many ways took 1 s."""

# What Python's regular expressions know and Go's do not, or read as something else.
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
    """What tells whether a whole value matches. Raises ValueError, which says what is wrong with the expression."""
    if foreign := _FOREIGN.match(text):
        raise ValueError(f"{_short(text)} is not a regular expression: Go does not know {foreign[1]!r}")
    try:
        # Go's classes \d and \w know ASCII only, and its (?i) knows all letters.
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
    """In how many ways what was read of a group so far can match."""

    finished: int = 0
    """All alternatives but the last."""
    before: int = 1
    """The last alternative up to its last piece."""
    piece: int = 1

    def add(self, ways: int) -> None:
        self.before, self.piece = min(self.before * self.piece, MAX_WAYS + 1), ways

    def end_alternative(self) -> None:
        self.finished, self.before, self.piece = self.ways, 1, 1

    @property
    def ways(self) -> int:
        return min(self.finished + self.before * self.piece, MAX_WAYS + 1)


def _ways(text: str) -> int:
    """In how many ways a valid expression can match at most, up to MAX_WAYS + 1."""
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
                pass  # Flags match nothing.
    return groups[0].ways


def _repeated(ways: int, times: str) -> int:
    if times == "?":
        return ways + 1
    least, comma, most = times.strip("{}").partition(",")
    if times in "*+" or (comma and not most):
        return MAX_VALUE + 1 if ways == 1 else MAX_WAYS + 1
    # More than 64 times at least two ways is more than any bound.
    exponent = min(int(most or least), 64) if ways > 1 else 1
    choices = int(most) - int(least) + 1 if comma else 1
    return min(int(ways**exponent) * choices, MAX_WAYS + 1)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:57]!r}..."
