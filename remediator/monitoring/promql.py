"""PromQL as text: tokens, an alert's threshold, and expressions without recorded series. Pure."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from remediator.core.durations import parse_duration
from remediator.core.matchers import parse_matchers

STRING = r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"""
_TOKEN = re.compile(
    rf"""(?P<space>\s+|\#[^\n]*)
    | (?P<string>{STRING})
    | (?P<matchers>\{{(?:{STRING}|[^}}"'`])*\}})
    | (?P<range>\[[^\]]*\])
    | (?P<duration>(?:\d+(?:ms|[smhdwy]))+(?![\w.]))
    | (?P<number>0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<operator>==|!=|<=|>=|[-+*/%^<>@(),])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}

LOOKBACK = 300
"""Prometheus's lookback delta in seconds: how long a sample counts as the current value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token of an expression."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """An expression that compares with a number, optionally under conditions: `left operator threshold and ...`."""

    left: str
    operator: str
    threshold: float
    conditions: str = ""
    """What follows the number: `and` and `unless` with their operands, or empty."""

    def holds(self, value: float) -> bool:
        """Whether the comparison holds for this value; for NaN only `!=` does."""
        return COMPARISONS[self.operator](value, self.threshold)

    @property
    def value(self) -> str:
        """The left side under the conditions. Filters by value and by other series commute."""
        return f"({self.left}) {self.conditions}" if self.conditions else self.left


def tokenize(expression: str) -> list[Token]:
    """The tokens of an expression, including whitespace and comments. Raises ValueError."""
    tokens, position = [], 0
    while position < len(expression):
        found = _TOKEN.match(expression, position)
        if found is None:
            raise ValueError(f"{expression[position : position + 20]!r} is no PromQL")
        tokens.append(Token(kind=str(found.lastgroup), text=found[0]))
        position = found.end()
    return tokens


def canonical(expression: str) -> tuple[str, ...]:
    """The tokens of an expression, independent of its formatting. Raises ValueError."""
    return tuple(_canonical(token) for token in tokenize(expression) if token.kind != "space")


def _canonical(token: Token) -> str:
    match token.kind:
        case "number":
            return repr(read_number(token.text))
        case "duration":
            return str(parse_duration(token.text))
        case "range":
            parts = token.text[1:-1].replace(" ", "").split(":")
            return str([parse_duration(part) if part else "" for part in parts])
        case "matchers":
            return str(sorted(map(str, parse_matchers(token.text)))) if token.text[1:-1].strip() else ""
        case _:
            return token.text


def split_comparison(expression: str) -> Comparison | None:
    """Split an expression into left side, comparison and number; None if it is not of that form.

    Raises ValueError if it is not valid PromQL.
    """
    tokens = [token for token in tokenize(expression) if token.kind != "space"]
    if len(split_by(tokens, {"or"})) > 1:
        return None
    first, *conditions = split_by(tokens, {"and", "unless"})
    places, depth = [], 0
    for place, token in enumerate(first):
        depth += (token.text == "(") - (token.text == ")")
        if not depth and token.text in COMPARISONS:
            places.append(place)
    if len(places) != 1:
        return None
    left, right = first[: places[0]], first[places[0] + 1 :]
    sign = -1 if right and right[0].text == "-" else 1
    number = right[1:] if right and right[0].text in ("-", "+") else right
    if len(number) != 1 or number[0].kind != "number":
        return None
    return Comparison(
        left=join(left),
        operator=first[places[0]].text,
        threshold=sign * read_number(number[0].text),
        conditions=join(token for condition in conditions for token in condition),
    )


def join(tokens: Iterable[Token]) -> str:
    """Join tokens in a canonical form, in which parts can be found by their text."""
    return " ".join(token.text for token in tokens if token.kind != "space")


def spaced(expression: str) -> str:
    return join(tokenize(expression))


def read_number(text: str) -> float:
    plain = text.replace("_", "")
    return float(int(plain, 16)) if plain[:2].lower() == "0x" else float(plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An inlined recorded series that is expensive to evaluate and usually has no samples."""

    text: str
    bound: str = ""
    """A cheaper expression with samples wherever this has some, or empty."""
    step: int = 0
    """The step in seconds at which it is read; all moments are multiples of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inlined:
    """An expression without recorded series."""

    text: str
    parts: tuple[Part, ...] = ()
    lookback: int = LOOKBACK
    """An upper bound, in seconds, of how far it looks back."""
    step: int = 0
    """Its evaluation interval in seconds, if shorter than the back-test's."""

    def without(self, parts: Sequence[Part]) -> str:
        """The expression with these parts replaced by nothing."""
        text = self.text
        for part in parts:
            text = text.replace(part.text, NOTHING)
        return text


NOTHING = "(vector(0) > 1)"
"""An expression that never has samples."""


def split_by(tokens: list[Token], operators: set[str]) -> list[list[Token]]:
    """Split at these operators outside of parentheses; each part but the first starts with its operator."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if not depth and token.kind == "name" and token.text.lower() in operators:
            parts.append([])
        depth += (token.text == "(") - (token.text == ")")
        parts[-1].append(token)
    return parts


def texts_of(tokens: Sequence[Token]) -> list[str]:
    return [token.text for token in tokens]


def closing(tokens: list[Token], index: int) -> int:
    """The end of the parenthesis that opened before this position. Raises ValueError."""
    depth = 1
    for place in range(index, len(tokens)):
        depth += (tokens[place].text == "(") - (tokens[place].text == ")")
        if not depth:
            return place
    raise ValueError("a parenthesis is not closed")
