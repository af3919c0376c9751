"""The command line as people call it, in this process."""

from pathlib import Path

from click.testing import CliRunner, Result

from remediator.cli import main
from tests.support.service import SHIPPED


def run(*arguments: str | Path, config: Path | None = SHIPPED, stdin: bytes = b"") -> Result:
    """The result of `remediator` with these arguments; a traceback fails the test at once."""
    environment = {"REMEDIATOR_CONFIG_FILE": str(config)} if config else {}
    result = CliRunner(env=environment).invoke(main, list(map(str, arguments)), input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
