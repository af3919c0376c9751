"""What DENIS itself exports at /metrics, and whether its four gauges can be believed.

Pure. The rule of this file: a number is only as good as its unit, so each is held to what its unit allows; the bounds
are those of the shipped rules.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client.parser import text_string_to_metric_families

from remediator.checks import Check

Unit = Literal["ratio", "percent"]

SUCCESS_RATE = "materializer_success_rate"
ERROR_RATE = "error_rate"
LATENCY = "materializer_latency_p99"
QUEUE_DEPTH = ("async_queue_depth", "queue_depth")
"""Some versions of DENIS call it the second."""

GAUGES = (SUCCESS_RATE, ERROR_RATE, LATENCY, *QUEUE_DEPTH)

ROUNDING = 1.01
"""A rate may be so much above its hundred percent."""
MAX_LATENCY_SECONDS = 600
"""More looks like milliseconds."""
MAX_JOBS = 1_000_000_000


class NotMetrics(ValueError):
    """The text is not in Prometheus's exposition format; the error says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """The gauges that one DENIS exports; a gauge has several values where it has labels."""

    source: str
    values: Mapping[str, tuple[float, ...]]


def read_scrape(source: str, text: str) -> Scrape:
    """The gauges in what `source` exports. Raises NotMetrics."""
    values: dict[str, tuple[float, ...]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in GAUGES:
                    values[sample.name] = (*values.get(sample.name, ()), float(sample.value))
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise NotMetrics(f"not what Prometheus can read: {str(error)[:100]!r}") from error
    return Scrape(source=source, values=values)


def check_gauges(scrapes: Sequence[Scrape], unit: Unit, percentage: int) -> list[Check]:
    """Whether each gauge is there, and every value is one that its unit allows; at `percentage` of the traffic."""
    return [
        _check(scrapes, (SUCCESS_RATE,), unit, percentage),
        _check(scrapes, (ERROR_RATE,), unit, percentage),
        _check(scrapes, QUEUE_DEPTH, unit, percentage),
        _check(scrapes, (LATENCY,), unit, percentage),
    ]


def _check(scrapes: Sequence[Scrape], names: Sequence[str], unit: Unit, percentage: int) -> Check:
    name, found, missing, wrong, idle = names[0], [], [], [], []
    for scrape in scrapes:
        values = next((scrape.values[one] for one in names if scrape.values.get(one)), ())
        if not values:
            missing.append(scrape.source)
        for value in values:
            found.append(value)
            if _unmeasured(name, value, scrape):
                idle.append(scrape.source)
            elif problem := _problem(name, value, unit):
                wrong.append(f"{scrape.source}: {problem}")
    if missing or not scrapes:
        text = f"{' or '.join(names)} is not exported by {', '.join(missing[:3]) or 'anybody'}"
        return Check(name=name, passed=False, found=text, remedy="see the version of DENIS, and its log")
    if wrong:
        return Check(name=name, passed=False, found="; ".join(wrong[:3]), remedy=_remedy(name, unit))
    if idle and percentage:
        text = f"nothing is measured yet on {', '.join(idle[:3])}"
        return Check(name=name, passed=None, found=text, remedy="wait until the canary has had traffic")
    return Check(name=name, passed=True, found=f"{_spread(found)} {_unit(name, unit)}".rstrip())


def _unmeasured(name: str, value: float, scrape: Scrape) -> bool:
    """Whether a gauge of the materializer shows what one shows that was never set: NaN, or 0 and no latency."""
    if name not in (SUCCESS_RATE, LATENCY):
        return False
    latencies = scrape.values.get(LATENCY, ())
    measured = any(latency > 0 for latency in latencies)
    return not measured and (math.isnan(value) or value == 0) and bool(latencies)


def _problem(name: str, value: float, unit: Unit) -> str:
    """Why a value cannot be believed, or empty."""
    if math.isnan(value):
        return "NaN, so no alert on it can fire"
    if math.isinf(value):
        return f"{value:+g} is no measurement"
    if value < 0:
        return f"{value:g} is negative"
    hundred = 1 if unit == "ratio" else 100
    if name in (SUCCESS_RATE, ERROR_RATE) and value > ROUNDING * hundred:
        return f"{value:g} is over 100 % where {hundred} is a hundred percent"
    if name == SUCCESS_RATE and unit == "percent" and 0 < value <= 1:
        return f"{value:g} looks like a ratio where 100 is a hundred percent"
    if name == LATENCY and value > MAX_LATENCY_SECONDS:
        return f"{value:g} s is longer than {MAX_LATENCY_SECONDS} s; are these milliseconds?"
    if name in QUEUE_DEPTH and value > MAX_JOBS:
        return f"{value:g} jobs are more than there can be"
    return ""


def _remedy(name: str, unit: Unit) -> str:
    if name in (SUCCESS_RATE, ERROR_RATE):
        other = "percent" if unit == "ratio" else "ratio"
        return f"if DENIS exports the other unit: --denis.unit={other}, and denis:hundred_percent in the rules"
    return "see the version of DENIS, and its log"


def _unit(name: str, unit: Unit) -> str:
    if name in QUEUE_DEPTH:
        return "jobs"
    return "s" if name == LATENCY else "" if unit == "ratio" else "%"


def _spread(values: Sequence[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "NaN, while the canary is off"
    low, high = min(known), max(known)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
