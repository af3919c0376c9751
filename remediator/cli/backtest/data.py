"""A back-test as plain data, for `-o json`: times in UTC, durations in seconds."""

from typing import Any

from remediator.canary.backtest.alert_history import describe_gaps
from remediator.canary.backtest.report import JudgedIncident, Report
from remediator.canary.backtest.sweep import Sweep
from remediator.core.effects import AUTOMATIC
from remediator.core.judgement import Judged, Judgement
from remediator.monitoring.evidence import Unknown


def report_data(report: Report) -> dict[str, Any]:
    """A whole report."""
    grid = report.grid
    return {
        "tested": report.setup.name,
        "from": grid.moment(0).isoformat(),
        "to": grid.moment(grid.count - 1).isoformat(),
        "stepSeconds": grid.step,
        "history": [
            {
                "alert": history.alert.name,
                "knownSeconds": history.known.count(1) * history.grid.step,
                "unknownSeconds": history.known.count(0) * history.grid.step,
            }
            for history in report.histories
        ],
        "notes": [*describe_gaps(report.histories), *report.notes],
        "recorded": [
            {"target": target.name, "effect": effect, "seconds": one.moments * grid.step, "assumed": one.assumed}
            for (target, effect), one in report.recorded.items()
        ],
        "agreement": None
        if isinstance(report.agreement, Unknown)
        else {"recorded": report.agreement.recorded, "agreeing": report.agreement.agreeing},
        "incidents": [_incident(one) for one in report.incidents],
        "missed": [{"time": one.time.isoformat(), "why": one.judged.why} for one in report.missed],
        "sums": {
            effect: {
                "acts": report.acts(effect),
                **{judgement: report.count(effect, judgement) for judgement in Judgement},
                "sparedSeconds": report.saved(effect).total_seconds(),
            }
            for effect in AUTOMATIC
        },
    }


def _incident(one: JudgedIncident) -> dict[str, Any]:
    incident = one.incident
    return {
        "remediation": incident.remediation.name,
        "target": incident.remediation.target.name,
        "breach": one.active.isoformat(),
        "resolved": one.ended.isoformat() if one.ended else None,
        "because": [{"alert": name, "worst": value} for name, value in one.because],
        "acts": [
            {"time": time.isoformat(), "effect": act.effect, "from": act.before, "to": act.after}
            for time, act in incident.acts
        ],
        "withheld": incident.withheld,
        **_judged(one.judged),
    }


def _judged(judged: Judged | None) -> dict[str, Any]:
    if judged is None:
        return {"judgement": None}
    return {"judgement": judged.judgement, "why": judged.why, "sparedSeconds": judged.saved.total_seconds()}


def sweep_data(sweep: Sweep) -> dict[str, Any]:
    """A sweep, a value for each cell."""
    return {
        "alert": sweep.alert.name,
        "operator": sweep.alert.threshold and sweep.alert.threshold.operator,
        "cells": [
            {"threshold": value, "forSeconds": duration.total_seconds(), "acts": acts, "notNeeded": not_needed}
            for (value, duration), (acts, not_needed) in sweep.cells.items()
        ],
    }
