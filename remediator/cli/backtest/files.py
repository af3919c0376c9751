"""The files of a back-test: the remediations, and the rules and route next to them unless flags name others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from remediator.canary.backtest.setup import Setup, read_setup
from remediator.cli.exits import InvalidConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files under test."""

    config_file: Path
    rules: Sequence[Path]
    route: Path | None
    step: timedelta | None
    """Evaluation interval of rule groups that set none."""

    @staticmethod
    def beside(config_file: Path, rules: Sequence[Path], route: Path | None, step: timedelta | None) -> "Files":
        """These files; rules and route default to those next to the remediations."""
        folder = config_file.parent
        rules = rules or _rules_in(folder)
        return Files(config_file=config_file, rules=rules, route=route or _route_in(folder), step=step)

    def of_folder(self, folder: Path) -> "Files":
        """The files of a folder; a file that it lacks is taken from this setup. Raises InvalidConfiguration."""
        if not folder.is_dir():
            raise InvalidConfiguration(f"{folder}: is no folder; give one with remediations.yaml, *.rules.yaml or both")
        rules, own = _rules_in(folder), folder / "remediations.yaml"
        if not rules and not own.is_file():
            raise InvalidConfiguration(f"{folder}: has neither remediations.yaml nor *.rules.yaml")
        return Files(
            config_file=own if own.is_file() else self.config_file,
            rules=rules or self.rules,
            route=_route_in(folder) or self.route,
            step=self.step,
        )

    def read(self) -> Setup:
        """The setup. Raises InvalidDocument, NotInlined, CannotTest."""
        return read_setup(self.config_file, self.rules, self.route, self.step)


def _rules_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.rules.yaml"))


def _route_in(folder: Path) -> Path | None:
    return next((file for file in [folder / "alertmanager.yaml"] if file.is_file()), None)
