"""The clocks and certificates of those who were asked, by their last answers.

Pure. The rule of this file: clocks are compared with each other, and this machine's own does not count.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from remediator.core.checks import NOT_CHECKED, Check
from remediator.core.durations import format_duration
from remediator.core.ledger import CLOCK_SKEW

TOLERATED = timedelta(seconds=30)
SOON = timedelta(days=14)


def check_clocks(skews: Mapping[str, timedelta | None]) -> Check:
    """Whether the clocks agree; `skews` is how far each is ahead of this machine's."""
    name = "clocks"
    known = {who: skew for who, skew in skews.items() if skew is not None}
    if len(known) < 2:
        return Check(
            name=name, passed=None, found=f"{NOT_CHECKED}: fewer than two clocks are known", remedy="give more URLs"
        )
    first, last = min(known, key=lambda who: known[who]), max(known, key=lambda who: known[who])
    apart = known[last] - known[first]
    if apart <= TOLERATED:
        # A Date header has no fractions.
        found = f"those of {', '.join(known)} are within {max(round(apart.total_seconds()), 1)} s of each other"
        return Check(name=name, passed=True, found=found)
    found = f"that of {last} is {format_duration(apart)} ahead of that of {first}"
    remedy = "set the clocks (NTP): when an alert began decides whether a cooldown applies"
    return Check(name=name, passed=apart <= CLOCK_SKEW, warning=True, found=found, remedy=remedy)


def check_certificates(ends: Sequence[tuple[str, datetime | None]], now: datetime) -> Check | None:
    """Whether a certificate ends soon; `ends` is one for each program that answered over TLS, None where not known.

    None where no program did.
    """
    name, remedy = "certificates", "renew it, and see why it was not renewed by itself"
    known = sorted((end, who) for who, end in ends if end)
    if known and known[0][0] - now < SOON:
        end, who = known[0]
        ended = end <= now
        found = f"that of {who} {'ended' if ended else 'ends in'} {format_duration(abs(end - now))}{' ago' * ended}"
        return Check(name=name, passed=not ended, warning=True, found=found, remedy=remedy)
    if unknown := [who for who, end in ends if not end]:
        found = f"{NOT_CHECKED}: that of {unknown[0]} is not verified, so when it ends is not known"
        return Check(name=name, passed=None, found=found, remedy="take insecure_skip_verify out of tls_config")
    if not known:
        return None
    end, who = known[0]
    found = f"the first to end is that of {who}, in {format_duration(end - now)}"
    return Check(name=name, passed=True, found=found)
