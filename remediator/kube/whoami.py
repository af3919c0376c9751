"""The name of the person who runs a command, for the ledger."""

import getpass
import time

from remediator.core.ledger import MAX_OPERATOR
from remediator.kube.connection import Connection
from remediator.kube.errors import ClusterError
from remediator.kube.request import Request, path_of


def operator_name(connection: Connection, timeout: float = 3.0) -> str:
    """The local user and the API server's user, for example `ada (kubernetes-admin)`.

    An impersonated user is named too: `ada (kubernetes-admin as sre)`. Never raises: in an emergency, an unknown name
    must not block the write.
    """
    ends = time.monotonic() + timeout
    here, there = _person(), _user(connection, ends)
    if whom := connection.impersonated:
        there = f"{_user(connection, ends, impersonate=False)} as {there or _printable(whom)}".strip()
    name = f"{here} ({there})" if here and there and here != there else here or there or "unknown"
    return name[:MAX_OPERATOR]


def _person() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return ""  # A container's user often has no entry in /etc/passwd.
    return _printable(name)


def _printable(name: str) -> str:
    return "".join(character for character in name if character.isprintable())


def _user(connection: Connection, ends: float, *, impersonate: bool = True) -> str:
    path = path_of("authentication.k8s.io/v1", resource="selfsubjectreviews")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        request = Request(verb="create", path=path, body=body, ends=ends, impersonate=impersonate)
        review = connection.request(request)
        return str(review["status"]["userInfo"]["username"])
    except (ClusterError, KeyError, TypeError):
        return ""  # Kubernetes before 1.28 does not have SelfSubjectReview.
