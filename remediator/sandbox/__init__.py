"""An embedded Kubernetes-API lookalike on loopback, for trying Remediator out and for tests.

One rule: a leaf. It imports nothing else of Remediator, and it is never what a service runs against by default.
"""

from remediator.sandbox.cluster import EmbeddedCluster
from remediator.sandbox.server import Served

__all__ = ["EmbeddedCluster", "Served"]
