"""What the emergency commands read of a remediations.yaml, whatever else is wrong with it."""

from pathlib import Path

import pytest

from remediator.config.document import InvalidDocument
from remediator.config.emergency_policy import profile_of_0, read_emergency_policy
from remediator.config.loader import parse_policy
from tests.support.service import SHIPPED

FILES = Path(__file__).parents[1] / "testdata" / "remediations"
TEXT = SHIPPED.read_text()
ZERO = profile_of_0()


def broken(old: str, new: str) -> str:
    """The shipped file with one fault, which the strict reader refuses."""
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    with pytest.raises(InvalidDocument):
        parse_policy(text, "broken.yaml")
    return text


@pytest.mark.parametrize("path", [SHIPPED, *sorted((FILES / "good").glob("*.yaml"))], ids=lambda path: path.name)
def test_of_a_valid_file_the_same_is_read_as_by_the_strict_reader(path: Path) -> None:
    """Both readers agree on the canaries, the workers and the flags of 0 %."""
    policy, found = parse_policy(path.read_text(), path.name), read_emergency_policy(path.read_text())
    assert found.canaries == tuple(target for target in policy.targets if target.container)
    assert found.workers == (policy.scaled() or tuple(target for target in policy.targets if not target.container))
    assert found.profile == policy.profiles[0]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(broken("cooldown: 10m", "cooldown: 10"), id="wrong-value"),
        pytest.param(broken("mode: act", "mood: act"), id="unknown-key"),
        pytest.param(broken("remediations:\n", "remediations:\nremediations:\n"), id="key-twice"),
        pytest.param(broken("budget: {acts: 6", "budget: {acts: 6, {"), id="not-yaml-below"),
        pytest.param("half: [written\n" + TEXT, id="not-yaml-above"),
        pytest.param(TEXT + "---\nphases: []\n", id="two-documents"),
        pytest.param(
            broken("namespace: denis, deployment: denis,", "colour: blue, namespace: denis, deployment: denis,"),
            id="unknown-key-of-the-target",
        ),
        pytest.param(broken("remediations:\n", "remediations:\n\t- nothing\n"), id="tab"),
        pytest.param(broken('ENABLED: "false"', "ENABLED: false"), id="boolean-flags"),
        pytest.param(broken("0: {DENIS", '"0": {DENIS'), id="profile-by-text"),
        pytest.param(broken('PCT: "0"', 'PCT: "50"'), id="profile-0-that-is-not-0"),
        pytest.param(broken("  0: {", "  # 0: {"), id="no-profile-0"),
        pytest.param(broken("  100: {", "  100: {{"), id="broken-profile"),
        pytest.param(broken("profiles:", "profile:"), id="no-profiles"),
        pytest.param(TEXT[: TEXT.index("remediations:")], id="cut-off"),
        pytest.param(TEXT.replace("\n", "\r\n").replace("cooldown: 10m", "cooldown: ten"), id="from-windows"),
        pytest.param(
            TEXT.replace("act, or observe", "act, or \ufffd observe").replace("10m", "?"), id="another-encoding"
        ),
    ],
)
def test_a_fault_elsewhere_costs_nothing(text: str) -> None:
    """Targets, workers and the flags of 0 % are read all the same."""
    found = read_emergency_policy(text)
    assert [target.deployment for target in found.canaries] == ["denis"]
    assert [target.deployment for target in found.workers] == ["denis-workers"]
    assert found.profile == ZERO


@pytest.mark.parametrize(
    ("text", "canaries", "workers"),
    [
        pytest.param(broken("deployment: denis-workers}", "deployment: "), 1, 0, id="workers-half-written"),
        pytest.param(broken("container: denis}", "container: "), 0, 1, id="canary-half-written"),
        pytest.param(broken("deployment: denis,", "deploymnet: denis,"), 0, 1, id="canary-misspelled"),
        pytest.param(broken("namespace: denis,", "namespace: [denis],"), 0, 1, id="namespace-no-name"),
        pytest.param(broken("namespace: denis,", "namespace: ../../prod,"), 0, 1, id="namespace-a-path"),
        pytest.param("targets:\n" + TEXT, 0, 0, id="targets-twice"),
        pytest.param("targets: 3", 0, 0, id="targets-a-number"),
        pytest.param("[]", 0, 0, id="a-list"),
        pytest.param("\x00", 0, 0, id="no-text"),
        pytest.param("", 0, 0, id="empty"),
    ],
)
def test_a_target_that_cannot_be_read_is_none(text: str, canaries: int, workers: int) -> None:
    """Nothing is guessed about a target, and one that is broken costs no other."""
    found = read_emergency_policy(text)
    assert (len(found.canaries), len(found.workers)) == (canaries, workers)


@pytest.mark.parametrize("path", sorted((FILES / "bad").glob("*.yaml")), ids=lambda path: path.name)
def test_whatever_is_wrong_everything_is_switched_off(path: Path) -> None:
    """No file leads to a profile of 0 % with a share or a flag on, nor to one that touches the secondary engines."""
    profile = dict(read_emergency_policy(path.read_text(errors="replace")).profile)
    assert profile.pop("DENIS_MATERIALIZERS_PCT") == "0"
    assert profile.pop("DENIS_MATERIALIZERS_ENABLED") == "false"
    assert set(profile.values()) <= {"false"}
    assert "DENIS_SECONDARY_ENGINES" not in profile


def test_a_flag_that_only_another_profile_names_is_switched_off() -> None:
    """What a step up sets, a rollback undoes, even where the profile of 0 % forgot it."""
    text = broken('PCT: "50", ', 'PCT: "50", NEW_FLAG: "true", ')
    assert read_emergency_policy(text).profile == {**ZERO, "NEW_FLAG": "false"}
