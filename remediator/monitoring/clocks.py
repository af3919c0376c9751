"""Compares the clocks and certificates of the programs that were queried, from their last responses.

Pure. The rule of this file: clocks are compared with each other; this machine's own does not count.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from remediator.core.checks import NOT_CHECKED, Check, State
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
        # A Date header has whole seconds.
        found = f"those of {', '.join(known)} are within {max(round(apart.total_seconds()), 1)} s of each other"
        return Check(name=name, passed=True, found=found)
    found = f"that of {last} is {format_duration(apart)} ahead of that of {first}"
    remedy = "set the clocks (NTP): when an alert began decides whether a cooldown applies"
    return Check(name=name, passed=apart <= CLOCK_SKEW, warning=True, found=found, remedy=remedy)


def check_certificates(ends: Sequence[tuple[str, datetime | None]], now: datetime) -> Check | None:
    """Whether a certificate expires soon; `ends` has a time for each program that answered over TLS, None if not known.

    Returns None if no program did.
    """
    name = "certificates"
    first = check_ends(name, [(end, f"that of {who}") for who, end in ends if end], now)
    unknown = [who for who, end in ends if not end]
    if unknown and (first is None or first.state is State.OK):
        found = f"{NOT_CHECKED}: that of {unknown[0]} is not verified, so its expiry is not known"
        remedy = "remove insecure_skip_verify from tls_config, or insecure-skip-tls-verify from the kubeconfig"
        return Check(name=name, passed=None, found=found, remedy=remedy)
    return first


def check_ends(name: str, ends: Sequence[tuple[datetime, str]], now: datetime) -> Check | None:
    """Whether the first of these to end, each with what it is, does so soon; None without any."""
    if not ends:
        return None
    end, what = min(ends)
    left = format_duration(abs(end - now))
    if end - now >= SOON:
        return Check(name=name, passed=True, found=f"the first to end is {what}, in {left}")
    found = f"{what} ended {left} ago" if end <= now else f"{what} ends in {left}"
    remedy = "renew it, and find out why it was not renewed automatically"
    return Check(name=name, passed=end > now, warning=True, found=found, remedy=remedy)
