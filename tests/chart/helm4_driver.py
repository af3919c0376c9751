"""Helm 4 as a program: one action as JSON on standard input, its result as JSON on standard output.

Runs in a virtual environment of its own, where Helm's Go SDK is behind the module `helm_python`.
"""

import json
import sys
from typing import Any

import helm_python  # type: ignore[import-not-found]

ERROR = 3
"""helm_python's severity of a lint message that fails; with strict, 2 (a warning) fails too."""


def run(action: str, chart: str, options: dict[str, Any]) -> Any:
    """The result of one action. Raises HelmError."""
    match action:
        case "lint":
            report = helm_python.lint(chart, strict=True, namespace="denis", **options)
            messages = [message["error"] for message in report["messages"] if message["severity"] >= ERROR - 1]
            return [*messages, *report["errors"]]
        case "render":
            return helm_python.Chart.load(chart).render(**options)
        case "package":
            return helm_python.Chart.load(chart).save(**options)
        case _:
            return act(action, chart, options)


def act(action: str, chart: str, options: dict[str, Any]) -> Any:
    """The result of an action on a cluster. Raises HelmError."""
    with helm_python.Config(
        kubeconfig_path=options.pop("kubeconfig"), namespace=options.pop("config_namespace")
    ) as config:
        charts = [chart] if action in ("install", "upgrade") else []
        return getattr(config, action)(*charts, **options)


def main() -> None:
    """Exit code 0 with the result, or 1 with the error's text."""
    order = json.load(sys.stdin)
    try:
        result = run(order["action"], order["chart"], order["options"])
    except helm_python.HelmError as error:
        json.dump(str(error), sys.stdout)
        sys.exit(1)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
