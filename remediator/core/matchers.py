"""Alertmanager's label matchers: `severity="critical"`, `namespace=~"denis|denis-.*"`.

The rule of this file: a string means the same as in an Alertmanager route. Regular expressions are anchored, a missing
label equals the empty string, and an unquoted value equals a quoted one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, cast

from remediator.core.regular_expression import MAX_VALUE, compile_anchored

Operator = Literal["=", "!=", "=~", "!~"]

Compile = Callable[[str], Callable[[str], object]]
"""Compiles a regular expression to a test of whole values."""

# An expression of plain words with bars between them, as in rollback|scale.
_WORDS = re.compile(r"[^\\.+*?^$()\[\]{}]*")
_CLASSIC = re.compile("[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
# Alertmanager's classic names (UTF-8 names must be quoted), an operator, and a value that ends at a comma or brace.
_MATCHER = re.compile(
    r"""\s* (?: (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*) | (?P<quoted_name>"(?:[^"\\]|\\.)*") ) \s*
        (?P<operator>=~|!~|!=|=) \s*
        (?: (?P<quoted>"(?:[^"\\]|\\.)*") | (?P<bare>[^\s",{}]*) ) \s*""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """One condition on one label."""

    name: str
    operator: Operator
    value: str
    _holds: Callable[[str], object] = field(repr=False, compare=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet the condition."""
        value = labels.get(self.name, "")
        if self.operator == "=":
            return value == self.value
        if self.operator == "!=":
            return value != self.value
        if len(value) > MAX_VALUE:
            return False
        return bool(self._holds(value)) is (self.operator == "=~")

    @property
    def values(self) -> tuple[str, ...]:
        """The only values of the label that can meet the condition, or empty if they cannot be listed."""
        if self.operator == "=":
            return (self.value,)
        if self.operator == "=~" and _WORDS.fullmatch(self.value):
            return tuple(self.value.split("|"))
        return ()

    def __str__(self) -> str:
        name = self.name if _CLASSIC.fullmatch(self.name) else _quote(self.name)
        return f"{name}{self.operator}{_quote(self.value)}"


# Cached, because each file is parsed twice (for problems and for its policy), and again on every change.
@lru_cache(maxsize=2048)
def parse_matchers(text: str, compile_value: Compile = compile_anchored) -> tuple[Matcher, ...]:
    """Parse one list entry: usually one matcher, or several separated by commas, with or without braces.

    `compile_value` compiles regular expressions. Raises ValueError, which says what is wrong and shows what is allowed.
    """
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    matchers: list[Matcher] = []
    position = 0
    while position < len(inner.rstrip()):
        found = _MATCHER.match(inner, position)
        if found is None or (found.end() < len(inner) and inner[found.end()] != ","):
            raise ValueError(f'{text!r} is not a matcher; write label="value", with one of = != =~ !~')
        matchers.append(_matcher(found, compile_value))
        position = found.end() + 1
    if not matchers:
        raise ValueError('the matcher is empty; write label="value", with one of = != =~ !~')
    return tuple(matchers)


def _matcher(found: re.Match[str], compile_value: Compile) -> Matcher:
    quoted_name, quoted, bare = found["quoted_name"], found["quoted"], found["bare"]
    name = _unquote(quoted_name) if quoted_name else found["name"]
    value = _unquote(quoted) if quoted is not None else bare
    return make_matcher(name, cast(Operator, found["operator"]), value, compile_value)


def make_matcher(name: str, operator: Operator, value: str, compile_value: Compile = compile_anchored) -> Matcher:
    """A matcher from its parts. Raises ValueError if the value has to be a regular expression and is not."""
    if operator in ("=", "!="):
        return Matcher(name=name, operator=operator, value=value, _holds=value.__eq__)
    return Matcher(name=name, operator=operator, value=value, _holds=compile_value(value))


def _unquote(text: str) -> str:
    """Resolve Alertmanager's escapes: backslash, quote and newline; any other backslash is literal."""
    escapes = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
    return re.sub(r"\\.", lambda escape: escapes.get(escape[0], escape[0]), text[1:-1], flags=re.DOTALL)


def _quote(text: str) -> str:
    for plain, escaped in (("\\", r"\\"), ('"', r"\""), ("\n", r"\n")):
        text = text.replace(plain, escaped)
    return f'"{text}"'
