"""Which remediation answers an alert: the first in the file's order that all its matchers match."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from remediator.core.effects import AUTOMATIC
from remediator.core.matchers import parse_matchers
from tests.support.builders import policy, rollback, scale


@pytest.mark.parametrize(
    ("labels", "answer"),
    [
        ({"remediation": "rollback", "team": "a"}, "of team a"),
        ({"remediation": "rollback", "team": "b"}, "of any team"),
        ({"remediation": "rollback"}, "of any team"),
        ({"remediation": "scale", "severity": "page"}, "of no remediation that is named before"),
        ({"remediation": "scale", "team": "a"}, None),
        ({"team": "a"}, None),
        ({}, None),
    ],
)
def test_the_first_that_matches_answers(labels: Mapping[str, str], answer: str | None) -> None:
    """The first remediation whose matchers all match answers, whatever their operators; or none does."""
    texts = {
        "of team a": 'remediation="rollback", team="a"',
        "of any team": 'remediation=~"rollback|back"',
        "hidden by the one before": 'remediation="rollback", team="b"',
        "of no remediation that is named before": 'remediation!~"rollback|", severity="page"',
    }
    asked = policy(*(replace(rollback(), name=name, matchers=parse_matchers(text)) for name, text in texts.items()))

    found = asked.match(labels)

    assert (found and found.name) == answer


def test_what_reports_sum_up_is_what_actions_do() -> None:
    """The effects that have words for many acts are those of the actions."""
    assert [one.action.effect for one in (rollback(), scale())] == [*AUTOMATIC]
