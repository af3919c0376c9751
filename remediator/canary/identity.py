"""Who is doing this: the name that goes into the ledger beside what a person did."""

import getpass
import time

from remediator.api_errors import ClusterError
from remediator.api_request import Request, path_of
from remediator.connection import Connection
from remediator.ledger import MAX_OPERATOR


def operator_name(connection: Connection, timeout: float = 2.0) -> str:
    """The person at this machine, and whom the API server takes them for, as `ada (kubernetes-admin)`.

    Never raises: in an emergency, a name that cannot be told must not stop what it is for.
    """
    here, there = _person(), _user(connection, timeout)
    name = f"{here} ({there})" if here and there and here != there else here or there or "unknown"
    return name[:MAX_OPERATOR]


def _person() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return ""  # A container's user often has no name.
    return "".join(character for character in name if character.isprintable())


def _user(connection: Connection, timeout: float) -> str:
    path = path_of("authentication.k8s.io/v1", resource="selfsubjectreviews")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        review = connection.request(Request(verb="create", path=path, body=body, ends=time.monotonic() + timeout))
        return str(review["status"]["userInfo"]["username"])
    except (ClusterError, KeyError, TypeError):
        return ""  # Kubernetes before 1.28 does not know the question.
