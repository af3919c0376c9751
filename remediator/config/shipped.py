"""Locates the shipped rules: a wheel contains a copy, a checkout has them next to the package."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def shipped_rules() -> Path:
    """The folder with the shipped remediations.yaml, rules and route."""
    packaged = _PACKAGE / "rules"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "rules"
