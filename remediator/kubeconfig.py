"""Which API server, and as whom: the Pod's own service account, or a kubeconfig."""

import os
from pathlib import Path
from typing import Any

import kubernetes.client
import kubernetes.config
import yaml

IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class NoCluster(Exception):
    """No usable way to an API server is configured; the text says what to do."""


def find_configuration(kubeconfig: Path | None, context: str = "") -> Any:
    """The client's configuration: from the file if one is given, else in-cluster, else as kubectl finds it.

    With a context, always that of a kubeconfig.

    Raises NoCluster where there is none that can be used.
    """
    configuration = kubernetes.client.Configuration()
    try:
        if kubeconfig is None and not context and IN_CLUSTER_TOKEN.exists():
            kubernetes.config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            kubernetes.config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=None if kubeconfig is None else str(kubeconfig),
                context=context or None,
                client_configuration=configuration,
                persist_config=False,
            )
    except (kubernetes.config.ConfigException, *_MALFORMED) as error:
        place = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        problem = str(error).partition("\n")[0]
        remedy = "give --kubeconfig=F, or set KUBECONFIG"
        raise NoCluster(f"no way to a Kubernetes API server: {problem} (looked at {place}); {remedy}") from error
    return configuration


# The client's loader checks little of a file's form before it uses it.
_MALFORMED = (yaml.YAMLError, OSError, AttributeError, KeyError, TypeError, ValueError)
