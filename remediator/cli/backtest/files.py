"""The files of a back-test: the remediations, and what is beside them where the flags do not name it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from remediator.canary.backtest.setup import Setup, read_setup
from remediator.cli.exits import InvalidConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What is tested."""

    config_file: Path
    rules: Sequence[Path]
    route: Path | None
    step: timedelta | None
    """Between evaluations, for groups of rules without an interval."""

    @staticmethod
    def beside(config_file: Path, rules: Sequence[Path], route: Path | None, step: timedelta | None) -> "Files":
        """These files, with rules and route from beside the remediations where none are given."""
        folder = config_file.parent
        rules = rules or _rules_in(folder)
        return Files(config_file=config_file, rules=rules, route=route or _route_in(folder), step=step)

    def of_folder(self, folder: Path) -> "Files":
        """Those of a folder; what it does not have is as it is in force. Raises InvalidConfiguration."""
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
