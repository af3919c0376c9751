"""Inlines recording rules into an alert's expression.

Pure. The rule of this file: an expression replaces a recorded series only if both are equal at every evaluation. What
cannot be shown to be equal is refused by name, and never approximated.
"""

import json
import re
from collections.abc import Iterator, Sequence

from remediator.config.rule_files import Alarm, Record, RuleGroup
from remediator.core.durations import parse_duration
from remediator.core.matchers import Matcher, parse_matchers
from remediator.monitoring.promql import (
    COMPARISONS,
    LOOKBACK,
    STRING,
    Inlined,
    Part,
    Token,
    closing,
    read_number,
    spaced,
    split_by,
    split_comparison,
    texts_of,
    tokenize,
)

_LABEL_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_SET_OPERATORS = frozenset({"and", "or", "unless"})
_NAME_LABEL = ("__name__", '"__name__"', "'__name__'", "`__name__`")
_NAMES_INSIDE = re.compile(rf"__name__|^\{{\s*{STRING}\s*[,}}]")

_WITH_ONE = ["on", "(", ")", "group_left", "(", ")"]
_ELSEWHERE = ("offset", "@")
_ARITHMETIC = frozenset({"(", ")", "+", "-", "*", "/"})

MAX_LENGTH = 500_000
"""The longest inlined expression: if each rule reads the previous one twice, the length doubles with each step."""


class NotInlined(ValueError):
    """The alert cannot be evaluated over history as Prometheus's rule manager would; the text says why."""


def inline(alarm: Alarm, groups: Sequence[RuleGroup], step: int) -> Inlined:
    """The alert's expression with the records that it reads inlined. Raises NotInlined.

    `step` is the evaluation interval in seconds of groups that set none; 0 if not known.
    """
    rules = [(group, rule) for group in groups for rule in group.rules]
    position = next(index for index, (_, rule) in enumerate(rules) if rule is alarm)
    try:
        return _Inliner(rules, step).inline(alarm.expression, position)
    except ValueError as error:
        raise NotInlined(f"{alarm.name} cannot be back-tested: {error} ({alarm.place})") from error


class _Inliner:
    def __init__(self, rules: Sequence[tuple[RuleGroup, Record | Alarm]], step: int) -> None:
        self._groups = [group for group, _ in rules]
        self._rules = [rule for _, rule in rules]
        self._default_step = step
        self._recorded = {rule.name for rule in self._rules if isinstance(rule, Record)}
        self._texts: dict[int, str] = {}
        self._windowed: set[int] = set()
        """Resolves the records that expressions read."""

    def _step(self, index: int) -> int:
        """The evaluation interval of a rule in seconds. Raises ValueError."""
        group = self._groups[index]
        seconds = group.interval.total_seconds() if group.interval else self._default_step
        if seconds < 1 or seconds % 1:
            raise ValueError(f"the group {group.name} has no interval of whole seconds; give it one, or give --step")
        return int(seconds)

    def inline(self, expression: str, position: int) -> Inlined:
        """Inline everything that an expression of the rule at this position reads. Raises ValueError."""
        text = spaced(self.expand(expression, position))
        windows = (token.text for token in tokenize(text) if token.kind == "range")
        lookback = sum(parse_duration(window[1:-1].partition(":")[0]).total_seconds() for window in windows)
        parts = tuple(
            Part(text=part, bound=self._bound(index), step=self._step(index))
            for index, part in ((index, spaced(one)) for index, one in self._texts.items())
            if index in self._windowed and part in text
        )
        return Inlined(text=text, parts=parts, lookback=int(lookback) + LOOKBACK, step=self._step(position))

    def _bound(self, index: int) -> str:
        """A cheaper expression with samples wherever the record has some: a quantile never exceeds the maximum."""
        tokens = [token for token in tokenize(self._rules[index].expression) if token.kind != "space"]
        bound = _maxima([*self._pruned(self._folded(tokens))])
        return "" if bound is None else " ".join(self._expand(bound, index))

    def expand(self, expression: str, position: int) -> str:
        """An expression of the rule at this position, without recorded series. Raises ValueError."""
        tokens = [token for token in tokenize(expression) if token.kind != "space"]
        text = " ".join(self._expand([*self._pruned(self._folded(tokens))], position))
        if len(text) > MAX_LENGTH:
            raise ValueError(f"with the rules that it reads inlined, it has over {MAX_LENGTH} characters")
        return text

    def _expand(self, tokens: list[Token], position: int) -> Iterator[str]:
        index = 0
        while index < len(tokens):
            token, index = tokens[index], index + 1
            following = tokens[index].text if index < len(tokens) else ""
            if token.kind == "matchers" and _NAMES_INSIDE.search(token.text):
                raise ValueError(f"{token.text} selects series by name, and the rules might record them")
            # A series that replaces a recorded one has another name; nothing else depends on names.
            if token.text in _NAME_LABEL:
                raise ValueError("it reads the names of series, which inlining changes")
            yield token.text if token.kind != "name" or token.text not in self._recorded or following == "(" else ""
            if token.kind != "name":
                continue
            if token.text.lower() in _LABEL_LISTS and following == "(":
                while tokens[index].text not in (")", *_NAME_LABEL):
                    yield tokens[index].text
                    index += 1
            elif token.text in ("absent", "absent_over_time") and following == "(":
                if name := next((part.text for part in tokens[index:] if part.text != "("), ""):
                    self._refuse_absent(token.text, name)
            elif token.text in self._recorded and following != "(":
                matchers = tokens[index].text if index < len(tokens) and tokens[index].kind == "matchers" else ""
                index += bool(matchers)
                window = tokens[index].text if index < len(tokens) and tokens[index].kind == "range" else ""
                index += bool(window)
                if index < len(tokens) and tokens[index].text in _ELSEWHERE:
                    raise ValueError(f"{token.text} is read at another moment, by {tokens[index].text}")
                if window:
                    self._windowed.add(position)
                yield self._recorded_series(token.text, matchers, window, position)

    def _folded(self, tokens: list[Token]) -> list[Token]:
        """Replace a constant that is matched with every sample, whatever its labels, by a number."""
        found: list[Token] = []
        index = 0
        while index < len(tokens):
            after = index + len(_WITH_ONE)
            end = _operand_end(tokens, after) if texts_of(tokens[index:after]) == _WITH_ONE else 0
            number = self._number(tokens[after:end])
            if number and (end == len(tokens) or (tokens[end].kind != "range" and tokens[end].text not in _ELSEWHERE)):
                found += number
                index = end
            else:
                found.append(tokens[index])
                index += 1
        return found

    def _number(self, operand: list[Token]) -> list[Token]:
        """Arithmetic on constants, rewritten with numbers; empty for anything else."""
        found: list[Token] = []
        for place, token in enumerate(operand):
            if token.kind == "name":
                matchers = next((one.text for one in operand[place + 1 : place + 2] if one.kind == "matchers"), "")
                token = Token(kind="number", text=self._constant(token.text, matchers))
            if (token.kind == "number" and token.text) or token.text in _ARITHMETIC:
                found.append(token)
            elif token.kind != "matchers":
                return []
        return found

    def _constant(self, name: str, matchers: str) -> str:
        """The constant value of a record, or empty."""
        rules = [rule for rule in self._rules if isinstance(rule, Record) and rule.name == name]
        constant = re.fullmatch(r"vector\(([0-9.]+)\)", rules[0].expression.strip()) if len(rules) == 1 else None
        labels = rules[0].labels if rules else {}
        fits = all(one.name in labels and one.matches(labels) for one in _read_matchers(matchers))
        return constant[1] if constant and fits else ""

    def _pruned(self, tokens: list[Token]) -> Iterator[Token]:
        """Drop alternatives that never have samples, because they would be evaluated anyway."""
        kept = [alternative for alternative in split_by(tokens, {"or"}) if not self._never(alternative)]
        if not kept:
            kept = split_by(tokens, {"or"})
        for number, alternative in enumerate(kept):
            # The operator precedes its operand.
            operands = (
                alternative[1:] if not number and alternative and alternative[0].text.lower() == "or" else alternative
            )
            index = 0
            while index < len(operands):
                token, index = operands[index], index + 1
                yield token
                if token.text == "(":
                    after = closing(operands, index)
                    inner, call = operands[index:after], index > 1 and operands[index - 2].kind == "name"
                    yield from (
                        inner
                        if call and operands[index - 2].text.lower() not in _SET_OPERATORS
                        else self._pruned(inner)
                    )
                    index = after

    def _never(self, alternative: list[Token]) -> bool:
        """Whether a required operand is a constant with a comparison that is false."""
        for factor in split_by(alternative, {"and", "unless"})[1:]:
            texts = texts_of(factor)
            if texts[0].lower() != "and":
                continue
            lists = texts[1:2] in (["on"], ["ignoring"]) and ")" in texts
            texts = texts[texts.index(")") + 1 if lists else 1 :]
            constant = self._constant(texts[0], "")
            comparison = split_comparison(" ".join(texts)) if constant else None
            if (
                constant
                and comparison
                and not comparison.conditions
                and re.fullmatch(r"[\w:]+(\s*\{[^}]*\})?", comparison.left)
            ):
                return not comparison.holds(float(constant))
        return False

    def _refuse_absent(self, function: str, name: str) -> None:
        if name in self._recorded:
            raise ValueError(f"{function} makes its labels from the selector of {name}, which is recorded")

    def _recorded_series(self, name: str, matchers: str, window: str, position: int) -> str:
        """The expression that replaces a recorded series read by the rule at this position. Raises ValueError."""
        selector = f"{name}{matchers}"
        records = [index for index, rule in enumerate(self._rules) if _records(rule, name)]
        if any(index >= position for index in records if self._groups[index] is self._groups[position]):
            raise ValueError(f"{name} is recorded after it is read, so the value is from the previous evaluation")
        wanted = _read_matchers(matchers)
        chosen = [index for index in records if self._may_match(wanted, index)]
        if not chosen:
            raise ValueError(f"no rule records {selector}")
        for place, one in enumerate(chosen):
            for other in chosen[place + 1 :]:
                labels, others = self._rules[one].labels, self._rules[other].labels
                if all(labels[label] == others[label] for label in labels.keys() & others.keys()):
                    raise ValueError(f"two rules record {name} with labels that could be the same")
        steps = {self._step(index) for index in chosen}
        if len(steps) > 1:
            raise ValueError(f"{selector} is recorded by groups with several intervals")
        (step,) = steps
        text = f"({' or '.join(self._filtered(index, wanted, selector) for index in chosen)})"
        if window:
            return text + (window if ":" in window else f"{window[:-1]}:{step}s]")
        if all(self._groups[index] is self._groups[position] for index in chosen):
            return text
        # From another group the value is that of its last evaluation, at this moment or earlier.
        if step < 2:
            raise ValueError(f"{name} is recorded by another group, every second")
        return f"last_over_time({text}[{step - 1}s:{step}s])"

    def _may_match(self, wanted: Sequence[Matcher], index: int) -> bool:
        """Whether the labels that the record's rule sets match; its other labels come from its samples."""
        labels = self._rules[index].labels
        return all(matcher.matches(labels) for matcher in wanted if matcher.name in labels)

    def _filtered(self, index: int, wanted: Sequence[Matcher], selector: str) -> str:
        """The record's samples that match. Raises ValueError."""
        text = self._text(index)
        for matcher in wanted:
            if matcher.name in self._rules[index].labels:
                continue
            values = (matcher.value,) if matcher.operator == "!=" else matcher.values
            if not values:
                raise ValueError(f"which series {selector} selects depends on a regular expression, {matcher}")
            joined = "unless" if matcher.operator == "!=" else "and"
            having = (f'label_replace(vector(1), "{matcher.name}", {_replacement(value)}, "", "")' for value in values)
            text = f"({text} {joined} on ({matcher.name}) ({' or '.join(having)}))"
        return text

    def _text(self, index: int) -> str:
        if index not in self._texts:
            rule = self._rules[index]
            text = f"({self.expand(rule.expression, index)})"
            for label, value in rule.labels.items():
                # An empty label matches the empty expression, so this always sets it.
                text = f'label_replace({text}, "{label}", {_replacement(value)}, "", "")'
            self._texts[index] = text
        return self._texts[index]


def _replacement(value: str) -> str:
    """Escape a label's value for label_replace, where $ refers to a capture group."""
    return json.dumps(value.replace("$", "$$"))


def _maxima(tokens: list[Token]) -> list[Token] | None:
    """The expression with max_over_time where a quantile must exceed something; None if that gains nothing.

    Only functions that are monotone in their first operand are rewritten. Conditions are dropped: they cost time, and
    without them there are only more samples.
    """
    found: list[Token] = []
    gained = False
    for alternative in split_by(tokens, {"or"}):
        operator = alternative[:1] if alternative[:1] and alternative[0].text.lower() == "or" else []
        first, *others = split_by(alternative[len(operator) :], {"and", "unless"})
        bound = _maximum(first)
        gained = gained or bound is not None
        found += [*operator, *(bound or [*first, *(token for other in others for token in other)])]
    return found if gained else None


def _maximum(operand: list[Token]) -> list[Token] | None:
    texts = texts_of(operand)
    if texts[:1] == ["("] and closing(operand, 1) == len(operand) - 1:
        inner = _maxima(operand[1:-1])
        return None if inner is None else [operand[0], *inner, operand[-1]]
    if texts[:2] != ["quantile_over_time", "("] or texts[3:4] != [","] or operand[2].kind != "number":
        return None
    if read_number(operand[2].text) > 1:
        return None  # A quantile above 1 is infinite, whatever the samples.
    after = closing(operand, 2) + 1
    comparisons = [token for token in _outside(operand) if token.text in COMPARISONS]
    if after >= len(operand) or texts[after] not in (">", ">=") or len(comparisons) != 1:
        return None
    # Slightly lower, because interpolation between two equal values may round up.
    at_least = Token(kind="operator", text=">=")
    return [Token(kind="name", text="max_over_time"), operand[1], *operand[4:after], at_least, *operand[after + 1 :]]


def _outside(tokens: list[Token]) -> Iterator[Token]:
    """The tokens outside of parentheses."""
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if not depth:
            yield token


def _records(rule: Record | Alarm, name: str) -> bool:
    return isinstance(rule, Record) and rule.name == name


def _read_matchers(text: str) -> Sequence[Matcher]:
    if not text[1:-1].strip():
        return ()
    if "'" in text or "`" in text:
        raise ValueError(f"the values in {text} must be in double quotes")
    return parse_matchers(text)


def _operand_end(tokens: list[Token], index: int) -> int:
    """The end of the selector or parenthesis that starts here."""
    end = closing(tokens, index + 1) + 1 if texts_of(tokens[index : index + 1]) == ["("] else index + 1
    return end + (end < len(tokens) and tokens[end].kind == "matchers")
