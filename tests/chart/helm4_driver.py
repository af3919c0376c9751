"""Helm 4 as a program: an action in each line of standard input, its result in a line of standard output, as JSON.

Runs in a virtual environment of its own, where Helm's Go SDK is behind the module `helm_python`.
"""

import json
import sys
from typing import Any

import helm_python  # type: ignore[import-not-found]


def run(action: str, chart: str, options: dict[str, Any]) -> Any:
    """The result of one action. Raises HelmError."""
    match action:
        case "lint":
            report = helm_python.lint(chart, strict=True, namespace="denis", **options)
            return [*(message["error"] for message in report["messages"]), *report["errors"]]
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
    """Answer with `result`, or with the text of the `error`, until nothing more is asked."""
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"result": run(order["action"], order["chart"], order["options"])}
        except helm_python.HelmError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)  # noqa: T201 - that is the answer


if __name__ == "__main__":
    main()
