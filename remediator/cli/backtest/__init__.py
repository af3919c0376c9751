"""`remediator backtest`: what the rules and remediations would have done over Prometheus's history."""

from remediator.cli.backtest.command import backtest

__all__ = ["backtest"]
