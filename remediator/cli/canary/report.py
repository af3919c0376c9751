"""The report of checks that a command ends with, and its exit code."""

from collections.abc import Sequence

import click

from remediator.cli.output import check_data, print_checks, print_data
from remediator.core.checks import Check

NOT_VERIFIED = 3


def report(checks: Sequence[Check], output: str, *, excused: Sequence[Check] = (), **facts: object) -> None:
    """Print the checks, and exit with 3 unless all have passed, apart from those that are excused.

    Only checks whose outcome is not known can be excused. They are counted, and never shown as passed.
    """
    counted = [check for check in checks if check not in excused]
    failed = [check for check in counted if not check.passed]
    if output == "table":
        print_checks(checks)
        numbers = {"failed": len(failed), "passed": len(counted) - len(failed), "not checked": len(excused)}
        click.echo()
        click.echo(", ".join(f"{number} {word}" for word, number in numbers.items() if number))
    else:
        passed = False if failed else None if excused else True
        print_data({**facts, "passed": passed, "notLookedAt": len(excused), "checks": check_data(checks)}, output)
    if failed:
        click.get_current_context().exit(NOT_VERIFIED)
