"""Changes to Deployments as an operator makes them, without kubectl."""

import json
import urllib.request
from typing import Any

from remediator.sandbox import EmbeddedCluster


def patch_deployment(cluster: EmbeddedCluster, patch: dict[str, Any], name: str = "denis") -> None:
    """Apply a strategic-merge patch under the name of kubectl."""
    request = urllib.request.Request(
        f"{cluster.url}/apis/apps/v1/namespaces/denis/deployments/{name}?fieldManager=kubectl-patch",
        data=json.dumps(patch).encode(),
        headers={"Content-Type": "application/strategic-merge-patch+json"},
        method="PATCH",
    )
    with urllib.request.urlopen(request) as response:
        response.read()
