"""What a person should know before the canary is raised: phases that are skipped, and a verdict that is not promote.

Pure: no clock, no I/O. A caution never stops a raise; it is part of the confirmation prompt, or printed if there is
none.
"""

from collections.abc import Iterator

from remediator.canary.verdict import Judgement, Verdict
from remediator.core.checks import Check
from remediator.core.policy import Policy


def cautions(before: int | None, after: int, judgement: Judgement, policy: Policy, *, asked: bool) -> tuple[str, ...]:
    """Short reasons to wait before raising; `asked` says whether any monitoring was queried.

    A percentage that cannot be determined counts as 0.
    """
    return tuple(_cautions(before or 0, after, judgement, policy, asked=asked))


def _cautions(before: int, after: int, judgement: Judgement, policy: Policy, *, asked: bool) -> Iterator[str]:
    if left_out := policy.steps_between(before, after):
        yield f"skips {', '.join(f'{step} %' for step in left_out)}"
    # At 0 % there is nothing to judge yet: a person starts the canary.
    if before and judgement.verdict is not Verdict.PROMOTE:
        known = [_short(check) for check in judgement.missing if check.passed is False]
        yield f"verdict {judgement.verdict}" + (f": {', '.join(known)}" if known else "")
    if not asked:
        yield "alerts: not asked"
    elif before and (unknown := [check.name for check in judgement.missing if check.passed is None]):
        yield f"unknown: {', '.join(unknown)}"


def _short(check: Check) -> str:
    return check.found if check.name == "time" else f"{check.name}: {check.found}"
