"""Objects against the schemas of one Kubernetes version: `{"version", "objects"}` in, a list of problems out, as JSON.

Runs in a virtual environment of its own, where kubernetes-validate and its schemas are.
"""

import functools
import json
import sys

import kubernetes_validate  # type: ignore[import-not-found]
from kubernetes_validate import utils


def main() -> None:
    """Validate everything, and list what is wrong."""
    order = json.load(sys.stdin)
    # Each call would read megabytes again.
    utils.schema_contents = functools.cache(utils.schema_contents)
    problems = []
    for one in order["objects"]:
        try:
            kubernetes_validate.validate(one, order["version"], strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            problems.append(f"{one['kind']} {one['metadata']['name']}: {error.message}")
    json.dump(problems, sys.stdout)


if __name__ == "__main__":
    main()
