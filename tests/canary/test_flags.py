"""What the canary's flags mean."""

import pytest

from remediator.canary.flags import raises, read_setting
from remediator.core.workload import Workload
from tests.support.builders import PROFILES, workload


@pytest.mark.parametrize("percentage", PROFILES)
def test_a_profile_is_recognised(percentage: int) -> None:
    """The flags of each step are that step, and nothing else."""
    setting = read_setting(workload(percentage=percentage), PROFILES)
    assert setting.is_profile
    assert str(setting) == f"{percentage} %"


@pytest.mark.parametrize(
    ("found", "spelled"),
    [
        (workload(flags={"RUNS_ENABLED": "true"}), "10 %, but RUNS_ENABLED=true"),
        (
            workload(percentage=50, flags={"ASYNC_ENABLED": "false", "RUNS_ENABLED": "no"}),
            "50 %, but ASYNC_ENABLED=false, RUNS_ENABLED=no",
        ),
        (workload(flags={"RUNS_ENABLED": None}), "10 %, but RUNS_ENABLED comes from elsewhere (valueFrom)"),
        (
            workload(flags={"DENIS_MATERIALIZERS_ENABLED": "false"}),
            "0 %, but DENIS_MATERIALIZERS_PCT=10, ASYNC_ENABLED=true",
        ),
        (workload(env=(("DENIS_MATERIALIZERS_ENABLED", "false"),)), None),
        (
            workload(env=()),
            "no step of the canary: DENIS_MATERIALIZERS_ENABLED is not set, DENIS_MATERIALIZERS_PCT is not set",
        ),
        (
            workload(flags={"DENIS_MATERIALIZERS_PCT": "25"}),
            "no step of the canary: DENIS_MATERIALIZERS_ENABLED=true, DENIS_MATERIALIZERS_PCT=25",
        ),
        (
            workload(flags={"DENIS_MATERIALIZERS_PCT": "ten"}),
            "no step of the canary: DENIS_MATERIALIZERS_ENABLED=true, DENIS_MATERIALIZERS_PCT=ten",
        ),
    ],
)
def test_a_mixture_names_what_differs(found: Workload, spelled: str | None) -> None:
    """Flags that are not those of one step are shown as what they are."""
    setting = read_setting(found, PROFILES)
    assert not setting.is_profile
    if spelled:
        assert str(setting) == spelled


@pytest.mark.parametrize(
    ("found", "step", "raised"),
    [
        (workload(percentage=10), 50, True),
        (workload(percentage=10), 10, False),
        (workload(percentage=10), 1, False),
        (workload(percentage=100), 50, False),
        (workload(percentage=10, flags={"ASYNC_ENABLED": "false"}), 10, True),
        (workload(percentage=100, flags={"RUNS_ENABLED": "false"}), 50, True),
        (workload(percentage=100, flags={"RUNS_ENABLED": "false"}), 10, False),
        (workload(flags={"DENIS_MATERIALIZERS_PCT": "ten"}), 1, True),
        (workload(flags={"DENIS_MATERIALIZERS_PCT": "ten"}), 0, False),
        (workload(env=()), 0, False),
    ],
)
def test_raising_is_more_traffic_or_anything_switched_on(found: Workload, step: int, raised: bool) -> None:
    """A step up, from an unknown percentage, or a flag from off to on is raising; 0 % never is."""
    assert raises(found, PROFILES[step]) is raised
