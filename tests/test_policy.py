"""Which remediation answers an alert: the first in the file's order, however many there are."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from remediator.matchers import parse_matchers
from remediator.policy import Remediation
from remediator.regular_expression import MAX_VALUE
from tests.builders import policy, rollback

NAMES = ("remediation", "team", "severity", "")
VALUES = ("a", "b", "ab", "a|b", "a.b", "", "a" * (MAX_VALUE + 1))

conditions = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(("=", "=", "=", "!=", "=~", "=~", "!~")),
    st.sampled_from((*VALUES, "b|a", "a|", "a+", ".*", "a b|#", "(a|b)", "(?i)A", "^a$")),
).map('"{0[0]}"{0[1]}"{0[2]}"'.format)
remediations = st.lists(st.lists(conditions, min_size=1, max_size=3).map(",".join), min_size=1, max_size=12)
label_sets = st.dictionaries(st.sampled_from(NAMES), st.sampled_from((*VALUES, "A", "a b", "#", "aa")))


def made_of(number: int, matchers: str) -> Remediation:
    """A remediation with these matchers, known by its number."""
    shipped = rollback()
    return Remediation(
        name=str(number),
        matchers=parse_matchers(matchers),
        target=shipped.target,
        action=shipped.action,
        cooldown=shipped.cooldown,
        budget=shipped.budget,
        mode=shipped.mode,
    )


@given(remediations, st.lists(label_sets, min_size=1, max_size=5))
@settings(max_examples=400)
def test_the_first_that_matches_answers(texts: list[str], alerts: list[Mapping[str, str]]) -> None:
    """Whatever the matchers are, the answer is that of trying every remediation in the file's order."""
    tried = [made_of(number, text) for number, text in enumerate(texts)]
    asked = policy(*tried)

    for labels in alerts:
        one_by_one = (
            remediation for remediation in tried if all(matcher.matches(labels) for matcher in remediation.matchers)
        )
        assert asked.match(labels) is next(one_by_one, None)
