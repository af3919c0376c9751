"""The initial objects of an embedded cluster: DENIS with its canary at 10 %, and its workers.

One rule: plain manifests, as an operator would write them.
"""

from typing import Any

from remediator.sandbox.failure import Object

NAMESPACE = "denis"
FLAGS = {
    "DENIS_MATERIALIZERS_ENABLED": "true",
    "DENIS_MATERIALIZERS_PCT": "10",
    "ASYNC_ENABLED": "true",
    "RUNS_ENABLED": "false",
    "DENIS_SECONDARY_ENGINES": "true",
    "LOG_LEVEL": "info",
}


def namespace(name: str) -> Object:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def deployment(name: str, *, replicas: int, env: dict[str, str] | None = None, **container: Any) -> Object:
    """A Deployment in DENIS's namespace with one container of its own name."""
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "denis"}
    main: Object = {"name": name, "image": "denis.example/denis:2.7.1", **container}
    if env:
        main["env"] = [{"name": key, "value": value} for key, value in env.items()]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [main]}},
        },
    }


def objects() -> list[Object]:
    """Everything, in the order in which it is created."""
    return [
        namespace("default"),
        namespace("kube-system"),
        namespace(NAMESPACE),
        deployment("denis", replicas=3, env=FLAGS, ports=[{"name": "metrics", "containerPort": 8084}]),
        deployment("denis-workers", replicas=4, env={"LOG_LEVEL": "info"}),
    ]
