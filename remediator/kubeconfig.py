"""Which API server, and as whom: the Pod's own service account, or a kubeconfig."""

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kubernetes.client
import kubernetes.config
import yaml

log = logging.getLogger(__name__)

IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class NoCluster(Exception):
    """No usable way to an API server is configured; the text says what to do."""


def find_configuration(kubeconfig: Path | None, context: str = "") -> Any:
    """The client's configuration: from the file if one is given, else in-cluster, else as kubectl finds it.

    With a context, always that of a kubeconfig.

    Raises NoCluster where there is none that can be used.
    """
    configuration: Any = kubernetes.client.Configuration()
    in_cluster = kubeconfig is None and not context and IN_CLUSTER_TOKEN.exists()
    try:
        if in_cluster:
            kubernetes.config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            if kubeconfig and not kubeconfig.exists():
                raise kubernetes.config.ConfigException("there is no such file")
            kubernetes.config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=None if kubeconfig is None else str(kubeconfig),
                context=context or None,
                client_configuration=configuration,
                persist_config=False,
            )
    except (kubernetes.config.ConfigException, *_MALFORMED) as error:
        problem = str(error).partition("\n")[0]
        if in_cluster:
            place, remedy = f"{IN_CLUSTER_TOKEN.parent}", "mount the service account's token, or give --kubeconfig=F"
        else:
            place = f"{kubeconfig or os.environ.get('KUBECONFIG') or '~/.kube/config'}"
            remedy = "give --kubeconfig=F, or set KUBECONFIG"
        raise NoCluster(f"no way to a Kubernetes API server: {problem} (looked at {place}); {remedy}") from error
    if configuration.refresh_api_key_hook:
        configuration.refresh_api_key_hook = _Token(configuration.refresh_api_key_hook)
    return configuration


class _Token:
    """The client's hook before each request: the bearer token as it is now, else as it was.

    The client sends a file's last newline along, which no header can hold, and lets errors of the file through.
    """

    def __init__(self, refresh: Any) -> None:
        self._refresh = refresh
        self._failing = False

    def __call__(self, configuration: Any) -> None:
        # Not on the configuration itself: the client's hook would put itself in the place of this one.
        fresh = SimpleNamespace(api_key={})
        try:
            self._refresh(fresh)
        except (kubernetes.config.ConfigException, *_MALFORMED) as error:
            if not self._failing:
                log.error("token not read again, the last one stays in use", extra={"error": str(error)})
            self._failing = True
            fresh.api_key = configuration.api_key
        else:
            self._failing = False
        configuration.api_key = {name: token.strip() for name, token in fresh.api_key.items()}


# The client's loader checks little of a file's form before it uses it.
_MALFORMED = (yaml.YAMLError, OSError, AttributeError, KeyError, TypeError, ValueError)
