"""Whether the canary's rates meet the thresholds of a phase.

Pure. A rate that equals its threshold meets it, as with the alerts. An average over too few samples is no evidence,
neither for the canary nor against it.
"""

from collections.abc import Callable, Iterator

from remediator.core.checks import DOCS, Check
from remediator.core.durations import format_duration
from remediator.core.policy import Phase
from remediator.monitoring.evidence import RECENT, Evidence, Rate, Unknown, Value

ENOUGH = 0.9
"""The share of the period that must have samples."""


def _percent(ratio: float) -> str:
    return f"{ratio * 100:.6g} %"


def _seconds(number: float) -> str:
    return f"{number:.6g} s"


def met(evidence: Evidence, measure: Phase) -> Iterator[Check]:
    """Whether the rates are good enough: over the window, and now."""
    span, recent = format_duration(evidence.window), format_duration(min(RECENT, evidence.window))
    yield _samples(evidence, measure)
    success, error = evidence.success_rate, evidence.error_rate
    yield _at_least("success rate", success.average, measure.min_success_rate, f"in {span}")
    yield _at_most("error rate", error.average, measure.max_error_rate, f"in {span}")
    yield _at_least("success rate now", _recent(success), measure.min_success_rate, f"in {recent}")
    yield _at_most("error rate now", _recent(error), measure.max_error_rate, f"in {recent}")
    if (most := measure.max_latency_p99) is not None:
        yield _at_most("latency p99", evidence.latency.average, most, f"in {span}", _seconds)
        yield _at_most("latency p99 now", _recent(evidence.latency), most, f"in {recent}", _seconds)


def met_before(evidence: Evidence, measure: Phase) -> Iterator[Check]:
    """Whether the rates were good enough at every time in the window."""
    span = f"in the worst {format_duration(min(RECENT, evidence.window))} of {format_duration(evidence.window)}"
    yield _at_least("success rate before", evidence.success_rate.worst, measure.min_success_rate, span)
    yield _at_most("error rate before", evidence.error_rate.worst, measure.max_error_rate, span)
    if (most := measure.max_latency_p99) is not None:
        yield _at_most("latency p99 before", evidence.latency.worst, most, span, _seconds)


def _samples(evidence: Evidence, measure: Phase) -> Check:
    name, span = "samples", format_duration(evidence.window)
    shares: list[float] = []
    latency = () if measure.max_latency_p99 is None else (evidence.latency,)
    for rate in (evidence.success_rate, evidence.error_rate, *latency):
        if isinstance(rate.coverage, Unknown):
            return Check(
                name=name, passed=None, found=rate.coverage.why, remedy=f"see {DOCS}/runbooks/DenisSignalMissing.md"
            )
        shares.append(rate.coverage)
    found = f"in {_percent(min(shares))} of {span}, wanted {_percent(ENOUGH)} of {format_duration(measure.hold)}"
    passed = min(shares) >= ENOUGH and evidence.window >= measure.hold
    return Check(name=name, passed=passed, found=found, remedy=f"wait; see {DOCS}/runbooks/DenisSignalMissing.md")


def broken(evidence: Evidence, measure: Phase) -> bool:
    """Whether the rates are known to be too bad now. A latency never takes the canary back."""
    success, error = _recent(evidence.success_rate), _recent(evidence.error_rate)
    too_few = not isinstance(success, Unknown) and success < measure.min_success_rate
    return too_few or (not isinstance(error, Unknown) and error > measure.max_error_rate)


def _recent(rate: Rate) -> Value:
    """The average of the last minutes, if there are enough samples."""
    if isinstance(rate.recent, Unknown) or isinstance(rate.recent_coverage, Unknown):
        return rate.recent if isinstance(rate.recent, Unknown) else rate.recent_coverage
    if rate.recent_coverage < ENOUGH:
        return Unknown(why=f"only {_percent(rate.recent_coverage)} of the last minutes have samples")
    return rate.recent


def _at_least(name: str, value: Value, wanted: float, when: str) -> Check:
    passed = None if isinstance(value, Unknown) else value >= wanted
    return _compared(name, value, passed, f"at least {_percent(wanted)} {when}", _percent)


def _at_most(name: str, value: Value, wanted: float, when: str, spell: Callable[[float], str] = _percent) -> Check:
    passed = None if isinstance(value, Unknown) else value <= wanted
    return _compared(name, value, passed, f"at most {spell(wanted)} {when}", spell)


def _compared(name: str, value: Value, passed: bool | None, wanted: str, spell: Callable[[float], str]) -> Check:
    if isinstance(value, Unknown):
        return Check(name=name, passed=None, found=value.why, remedy=f"{DOCS}/phases.md describes the signals")
    remedy = "find the cause, or take it back: remediator canary rollback"
    return Check(name=name, passed=passed, found=f"{spell(value)}, wanted {wanted}", remedy=remedy)
