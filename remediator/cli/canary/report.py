"""The report of checks that a command ends with."""

from collections.abc import Sequence

import click

from remediator.checks import Check, all_passed
from remediator.cli.output import check_data, print_checks, print_data

NOT_VERIFIED = 3


def report(checks: Sequence[Check], output: str, *, excused: Sequence[Check] = (), **facts: object) -> None:
    """Print the checks, and end the command with 3 unless all have passed, apart from those that are excused."""
    passed = all_passed(check for check in checks if check not in excused)
    if output == "table":
        print_checks(checks)
    else:
        print_data({**facts, "passed": passed, "checks": check_data(checks)}, output)
    if not passed:
        click.get_current_context().exit(NOT_VERIFIED)
