"""DENIS's own /metrics, and whether its four gauges are plausible.

Pure. The rule of this file: a number is only as good as its unit, so each is checked against the bounds of its unit,
the same as in the shipped rules.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client.parser import text_string_to_metric_families

from remediator.core.checks import Check
from remediator.core.denis_signals import LATENCY, SIGNALS, Signal

Unit = Literal["ratio", "percent"]

GAUGES = tuple(name for signal in SIGNALS.values() for name in signal.names)


class NotMetrics(ValueError):
    """The text is not in Prometheus's exposition format; the error says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """The gauges of one DENIS; a gauge with labels has several values."""

    source: str
    values: Mapping[str, tuple[float, ...]]


def read_scrape(source: str, text: str) -> Scrape:
    """Parse the metrics of `source`. Raises NotMetrics."""
    values: dict[str, tuple[float, ...]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in GAUGES:
                    values[sample.name] = (*values.get(sample.name, ()), float(sample.value))
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise NotMetrics(f"not in Prometheus's format: {str(error)[:100]!r}") from error
    return Scrape(source=source, values=values)


def check_gauges(scrapes: Sequence[Scrape], unit: Unit, percentage: int) -> list[Check]:
    """Whether each gauge exists, with values that its unit allows, at this percentage of traffic."""
    return [_check(scrapes, signal, unit, percentage) for signal in SIGNALS.values()]


def _check(scrapes: Sequence[Scrape], signal: Signal, unit: Unit, percentage: int) -> Check:
    name, found, missing, wrong, idle = signal.name, [], [], [], []
    for scrape in scrapes:
        values = next((scrape.values[one] for one in signal.names if scrape.values.get(one)), ())
        if not values:
            missing.append(scrape.source)
        for value in values:
            found.append(value)
            if _unmeasured(signal, value, scrape):
                idle.append(scrape.source)
            elif problem := _problem(signal, value, unit):
                wrong.append(f"{scrape.source}: {problem}")
    if missing or not scrapes:
        text = f"{' or '.join(signal.names)} is not exported by {', '.join(missing[:3]) or 'anybody'}"
        return Check(name=name, passed=False, found=text, remedy="see the version of DENIS, and its log")
    if wrong:
        return Check(name=name, passed=False, found="; ".join(wrong[:3]), remedy=_remedy(signal, unit))
    if idle and percentage:
        text = f"nothing is measured yet on {', '.join(idle[:3])}"
        return Check(name=name, passed=None, found=text, remedy="wait until the canary has had traffic")
    return Check(name=name, passed=True, found=f"{_spread(found)} {_unit(signal, unit)}".rstrip())


def _unmeasured(signal: Signal, value: float, scrape: Scrape) -> bool:
    """Whether a gauge of the materializer looks as if never set: NaN, or 0 without a latency."""
    if not signal.of_materializer:
        return False
    latencies = scrape.values.get(LATENCY.name, ())
    measured = any(latency > 0 for latency in latencies)
    return not measured and (math.isnan(value) or value == 0) and bool(latencies)


def _problem(signal: Signal, value: float, unit: Unit) -> str:
    """Why a value is implausible, or empty."""
    if math.isnan(value):
        return "NaN, so no alert on it can fire"
    if math.isinf(value):
        return f"{value:+g} is not a measurement"
    if value < 0:
        return f"{value:g} is negative"
    hundred = 1 if unit == "ratio" else 100
    if signal.unit != "rate":
        return f"{value:g} {signal.unit} {signal.too_much}" if value > signal.most else ""
    if value > signal.most * hundred:
        return f"{value:g} is over 100 % where {hundred} is a hundred percent"
    if signal.worse == "less" and unit == "percent" and 0 < value <= 1:
        return f"{value:g} looks like a ratio where 100 is a hundred percent"
    return ""


def _remedy(signal: Signal, unit: Unit) -> str:
    if signal.unit == "rate":
        other = "percent" if unit == "ratio" else "ratio"
        return f"if DENIS exports the other unit: --denis.unit={other}, and denis:hundred_percent in the rules"
    return "see the version of DENIS, and its log"


def _unit(signal: Signal, unit: Unit) -> str:
    if signal.unit != "rate":
        return signal.unit
    return "" if unit == "ratio" else "%"


def _spread(values: Sequence[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "NaN, while the canary is off"
    low, high = min(known), max(known)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
