"""Where the programs of the control plane are looked for, and what their absence means."""

from pathlib import Path

import pytest

from tests.support.control_plane import programs
from tests.support.control_plane.programs import find_program


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, an empty PATH, and no KUBEBUILDER_ASSETS."""
    monkeypatch.setattr(programs, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.delenv("CI", raising=False)


def _put(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.touch(mode=0o755)
    return program


def test_what_is_missing_is_skipped_by_name() -> None:
    """On a user's machine the test is skipped, and says what would help."""
    with pytest.raises(pytest.skip.Exception, match="etcd is not here: `make control-plane` builds it"):
        find_program("etcd")


def test_what_is_missing_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI=true nothing is skipped unseen."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="etcd is not here"):
        find_program("etcd")


def test_assets_come_before_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """KUBEBUILDER_ASSETS is what somebody has chosen; PATH is only what happens to be there."""
    on_path, asset = _put(tmp_path / "path", "etcd"), _put(tmp_path / "assets", "etcd")
    assert find_program("etcd") == on_path
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(asset.parent))
    assert find_program("etcd") == asset


def test_helm_is_not_taken_from_the_path(tmp_path: Path) -> None:
    """Any version may be there."""
    _put(tmp_path / "path", "helm")
    with pytest.raises(pytest.skip.Exception, match="helm is not here"):
        find_program("helm")
