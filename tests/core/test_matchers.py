"""A matcher means what it means in an Alertmanager route."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediator.core.matchers import parse_matchers


def matches(text: str, labels: Mapping[str, str]) -> bool:
    """Whether labels meet all the matchers of a text."""
    return all(matcher.matches(labels) for matcher in parse_matchers(text))


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ('severity="critical"', {"severity": "critical"}, True),
        ('severity="critical"', {"severity": "warning"}, False),
        ('severity="critical"', {}, False),
        ('severity!="critical"', {"severity": "critical"}, False),
        ('severity!="critical"', {"severity": "warning"}, True),
        ('severity!="critical"', {}, True),
        ('severity=~"crit.*"', {"severity": "critical"}, True),
        ('severity=~"crit.*"', {}, False),
        ('severity!~"crit.*"', {"severity": "critical"}, False),
        ('severity!~"crit.*"', {}, True),
    ],
)
def test_each_operator_and_its_opposite(text: str, labels: Mapping[str, str], expected: bool) -> None:
    """Each of the four operators matches a value, another value and a label that is not there."""
    assert matches(text, labels) is expected


@pytest.mark.parametrize("text", ['team=""', 'team=~""', 'team=~".*"', 'team!~".+"', "team="])
def test_a_label_that_is_not_there_is_empty(text: str) -> None:
    """A missing label and an empty one are the same."""
    assert matches(text, {})
    assert matches(text, {"team": ""})


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("roll", "rollback", False),
        ("back", "rollback", False),
        ("rollback|scale", "scale", True),
        ("rollback|scale", "rescale", False),
        ("rollback|scale", "rollbacks", False),
        ("^rollback$", "rollback", True),
        ("rollback", "rollback\n", False),
        ("rollback.", "rollback\n", False),
        ("(?s)rollback.", "rollback\n", True),
        (r"\d+", "42", True),
        (r"\d+", "٤٢", False),
        (r"\w+", "é", False),
        ("é+", "éé", True),
        ("(?i)ROLLBACK", "rollback", True),
    ],
)
def test_regular_expressions_are_anchored_and_mean_what_go_means(pattern: str, value: str, expected: bool) -> None:
    """A regular expression has to match the whole value, with the character classes of Go."""
    assert matches(f'label=~"{pattern}"', {"label": value}) is expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param('label="a b"', "a b", id="space"),
        pytest.param('label="a,b"', "a,b", id="comma"),
        pytest.param('label="{a}"', "{a}", id="braces"),
        pytest.param('label="="', "=", id="operator"),
        pytest.param(r'label="say \"hi\""', 'say "hi"', id="quote"),
        pytest.param(r'label="back\\slash"', r"back\slash", id="backslash"),
        pytest.param(r'label="a\nb"', "a\nb", id="newline"),
        pytest.param(r'label="a\\nb"', r"a\nb", id="backslash and n"),
        pytest.param(r'label="a\.b"', r"a\.b", id="any other backslash"),
        pytest.param('label="équipe-💥"', "équipe-💥", id="emoji"),
        pytest.param("label=plain", "plain", id="unquoted"),
        pytest.param("label=with-dash.and:colon", "with-dash.and:colon", id="unquoted punctuation"),
        pytest.param("label=équipe", "équipe", id="unquoted letters"),
        pytest.param('  label  =  "a"  ', "a", id="spaces around"),
        pytest.param('{label="a"}', "a", id="in braces"),
        pytest.param('{label="a",}', "a", id="comma at the end"),
    ],
)
def test_values_are_read_as_alertmanager_writes_them(text: str, value: str) -> None:
    """A value may be quoted or not; quoted it may hold anything, with Alertmanager's three escapes."""
    (matcher,) = parse_matchers(text)

    assert (matcher.name, matcher.operator, matcher.value) == ("label", "=", value)


@pytest.mark.parametrize(
    ("text", "name"),
    [("_a1=x", "_a1"), ("a:b=x", "a:b"), ('"a.b"=x', "a.b"), ('"💥"=x', "💥"), (r'"a\"b"=x', 'a"b')],
)
def test_names_are_classic_or_quoted(text: str, name: str) -> None:
    """A label with a name that is not classic is written in quotes."""
    (matcher,) = parse_matchers(text)

    assert matcher.name == name
    assert matcher.matches({name: "x"})


def test_one_text_may_hold_several_matchers() -> None:
    """Matchers with commas between them are all found, and all have to match."""
    text = '{remediation="rollback", severity=~"critical|page", team!=x}'

    assert [str(matcher) for matcher in parse_matchers(text)] == [
        'remediation="rollback"',
        'severity=~"critical|page"',
        'team!="x"',
    ]
    assert matches(text, {"remediation": "rollback", "severity": "page"})
    assert not matches(text, {"remediation": "rollback", "severity": "page", "team": "x"})


@pytest.mark.parametrize(
    "text",
    [
        "rollback",
        "remediation",
        "remediation:rollback",
        'remediation=="rollback"x',
        'remediation="rollback',
        'remediation=rollback"',
        'remediation="a" severity="b"',
        'remediation="a";severity="b"',
        'remediation="a",,severity="b"',
        ',remediation="a"',
        '{remediation="a"',
        'remediation="a"}',
        '="a"',
        '1a="b"',
        'a.b="c"',
        'a-b="c"',
        "a=b c",
        'remediation>"a"',
    ],
)
def test_what_is_no_matcher_is_refused_with_an_example(text: str) -> None:
    """A text that is no matcher is refused, and the message shows one."""
    with pytest.raises(ValueError, match='is not a matcher; write label="value", with one of = != =~ !~') as caught:
        parse_matchers(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["", "  ", "{}", "{ }"])
def test_an_empty_matcher_is_refused(text: str) -> None:
    """A text without any matcher would match everything, and is refused."""
    with pytest.raises(ValueError, match=r"the matcher is empty; write label="):
        parse_matchers(text)


@pytest.mark.parametrize("pattern", ["(", "[a", "a**", r"\p{Greek}", "a(?i)b"])
def test_a_bad_regular_expression_is_refused(pattern: str) -> None:
    """A regular expression that cannot be read is refused, and shown."""
    with pytest.raises(ValueError, match="is not a regular expression: ") as caught:
        parse_matchers(f'label=~"{pattern}"')
    assert repr(pattern) in str(caught.value)


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("a{99999999999999999999}", id="repetition without end"),
        pytest.param("(" * 5000 + ")" * 5000, id="nested without end"),
    ],
)
def test_a_monstrous_regular_expression_is_refused(pattern: str) -> None:
    """A regular expression that Python gives up on is refused like any other bad one."""
    with pytest.raises(ValueError, match="is not a regular expression: "):
        parse_matchers(f'label=~"{pattern}"')


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("(?=roll)rollback", id="lookahead"),
        pytest.param("(?!scale).+", id="negative lookahead"),
        pytest.param("(?<=x)a", id="lookbehind"),
        pytest.param(r"(a)\1", id="back reference"),
        pytest.param("(?P<a>a)(?P=a)", id="named back reference"),
        pytest.param("(?>a)", id="atomic group"),
        pytest.param("a++", id="possessive"),
        pytest.param("(?x)a", id="verbose"),
        pytest.param("(?#note)a", id="comment"),
        pytest.param(r"a\Z", id="end of Python"),
        pytest.param("[[:alpha:]]+", id="class of POSIX"),
        pytest.param("[[:alpha:]_]+", id="class of POSIX and more"),
        pytest.param("a{,2}", id="open repetition"),
    ],
)
def test_what_go_reads_otherwise_is_refused(pattern: str) -> None:
    """A regular expression that Alertmanager refuses, or reads as something else, is refused and not guessed at."""
    with pytest.raises(ValueError, match="is not a regular expression"):
        parse_matchers(f'label=~"{pattern}"'.replace("\\", "\\\\"))


@pytest.mark.parametrize(("pattern", "value"), [("(?i)É", "é"), ("(?i)ÉQUIPE", "équipe")])
def test_case_is_folded_as_go_folds_it(pattern: str, value: str) -> None:
    """Without regard to case means all letters, as in Go."""
    assert matches(f'label=~"{pattern}"', {"label": value})


@given(
    st.sampled_from(["label", "_l", "a:b"]),
    st.sampled_from(["=", "!="]),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20),
)
def test_a_matcher_comes_back_from_its_own_text(name: str, operator: str, value: str) -> None:
    """What a matcher shows as its text is read as that matcher."""
    (matcher,) = parse_matchers(f'{name}{operator}"{_escape(value)}"')

    assert matcher.value == value
    assert parse_matchers(str(matcher)) == (matcher,)


@pytest.mark.parametrize("text", ['"a.b"="c"', 'label="a\tb"', 'label="a\x01b"'], ids=["quoted name", "tab", "control"])
def test_an_unusual_matcher_comes_back_from_its_own_text(text: str) -> None:
    """A name in quotes and control characters survive the way through a matcher's text."""
    assert parse_matchers(str(parse_matchers(text)[0])) == parse_matchers(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever stands in the file, the answer is matchers or a ValueError."""
    try:
        found = parse_matchers(text)
    except ValueError:
        return
    assert found


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


@pytest.mark.parametrize(
    "pattern",
    [
        "rollback",
        "rollback|scale|.+-canary",
        ".*denis.*canary.*",
        "denis(-canary)?(-[a-z0-9]+)?",
        "(eu|us|ap)-[a-z]+-[0-9]{1,2}",
        "(?i)denis-(?P<zone>a|b)",
        "(?:ab)*[(a|b)*]{2}",
        r"\(a\+\)\++",
        "(a|b){3}",
        "|".join(f"pod-{number}-.*" for number in range(500)),
    ],
)
def test_what_labels_need_is_accepted(pattern: str) -> None:
    """Alternatives, optional parts and up to three repetitions are nothing to refuse."""
    assert parse_matchers(f'label=~"{_escape(pattern)}"')


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("(a+)+b", id="repetition of a repetition"),
        pytest.param("((a)*)*b", id="deeper"),
        pytest.param("(?:a|a)*b", id="repetition of alternatives"),
        pytest.param("(a?){40}a{40}", id="optional many times"),
        pytest.param("a?" * 40 + "b", id="many optional letters"),
        pytest.param("(a{1,9}){30}b", id="bounded repetition, many times"),
        pytest.param("(a*?)*?b", id="lazy"),
        pytest.param("(?P<x>a+)+b", id="named"),
        pytest.param("(?i:a+){2,}b", id="with a flag"),
        pytest.param(".*a.*b.*c.*", id="four repetitions"),
        pytest.param("(.*|.*)(.*|.*)(.*|.*)b", id="alternatives that repeat"),
        pytest.param("([)(]+)+b", id="brackets in a class"),
        pytest.param("([]a]+)+b", id="a bracket first in a class"),
    ],
)
def test_an_expression_that_could_hang_is_refused(pattern: str) -> None:
    """An expression with more ways to match than there is time is refused, and the message says what to write."""
    with pytest.raises(ValueError, match=r"can take too long: repeat no group that .* make several matchers"):
        parse_matchers(f'label=~"{pattern}"')


TIMES = ["", "*", "+", "?", "{2}", "{0,3}", "{2,}", "*?"]


@given(
    st.recursive(
        st.sampled_from(["a", "b", ".", "[ab]", r"\w", ""]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map("|".join),
            st.tuples(inner, st.sampled_from(["", "*", "+", "?", "{2}", "{0,3}", "{2,}", "*?"])).map(
                "({0[0]}){0[1]}".format
            ),
        ),
        max_leaves=12,
    )
)
@settings(max_examples=200)
def test_what_is_accepted_ends(pattern: str) -> None:
    """Whatever is accepted is done in a moment with the longest value, even where it does not match."""
    try:
        (matcher,) = parse_matchers(f'label=~"{_escape(pattern)}"')
    except ValueError:
        return
    began = time.process_time()
    for value in ("a" * 256, "a" * 255 + "!", "ab" * 127 + "!"):
        matcher.matches({"label": value})
    assert time.process_time() - began < 5


@pytest.mark.parametrize("operator", ["=~", "!~"])
def test_a_value_too_long_meets_no_regular_expression(operator: str) -> None:
    """A value of more than 256 characters is not compared: neither operator holds, so that it causes nothing."""
    text = f'label{operator}"{"a+" if operator == "=~" else "b+"}"'
    assert matches(text, {"label": "a" * 256})
    assert not matches(text, {"label": "a" * 257})
