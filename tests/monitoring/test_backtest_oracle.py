"""The back-test's alerts are those of the real rule manager, at every evaluation, oldest and newest."""

from pathlib import Path

import pytest

from tests.support.oracle import VERSIONS, disagreements


@pytest.mark.parametrize("version", VERSIONS)
def test_alerts_fire_when_those_of_the_rule_manager_do(version: str, tmp_path: Path) -> None:
    """On rough histories: gaps, NaN, zeros, another unit, pods that disagree. More: python -m benchmarks.oracle."""
    wrong, evaluations, firing, words = disagreements(version, range(2), 160, tmp_path)
    assert wrong == 0, words[:3000]
    assert evaluations == 2 * 160 * 5
    assert firing > 20
