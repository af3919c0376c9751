"""The shipped rules: a wheel carries a copy of them, a checkout has them beside the package."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def shipped_rules() -> Path:
    """The folder with the shipped remediations.yaml, rules and route."""
    packaged = _PACKAGE / "rules"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "rules"
