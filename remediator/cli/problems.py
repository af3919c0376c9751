"""Translates errors of files and of the API server into errors that end a command."""

from collections.abc import Iterator
from contextlib import contextmanager

from remediator.canary.operator import NotWritten, Overtaken
from remediator.cli.exits import Failed, InvalidConfiguration, Withheld
from remediator.config.document import InvalidDocument
from remediator.core.checks import DOCS
from remediator.kube.errors import ClusterError, Forbidden
from remediator.kube.kubeconfig import NoCluster


@contextmanager
def translated() -> Iterator[None]:
    """Errors inside end the command with a message instead of a traceback."""
    try:
        yield
    except (InvalidDocument, NoCluster) as error:
        raise InvalidConfiguration(str(error)) from error
    except Forbidden as error:
        raise Failed(
            f"{error}\nask for the right, or use another --context; {DOCS}/canary.md lists the rights"
        ) from error
    except Overtaken as error:
        raise Withheld(str(error)) from error
    except (ClusterError, NotWritten) as error:
        raise Failed(str(error)) from error
