"""The sandbox: a small Kubernetes API on loopback, for trials and for tests.

One rule: a leaf. It imports nothing else of Remediator, and it is never what a service runs against by default.
"""

from remediator.sandbox.cluster import EmbeddedCluster
from remediator.sandbox.server import Served

__all__ = ["EmbeddedCluster", "Served"]
