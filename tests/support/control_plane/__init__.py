"""A real Kubernetes control plane on loopback, without containers: kwok plays the kubelet, so rollouts converge."""

from tests.support.control_plane.plane import CommandFailed, ControlPlane

__all__ = ["CommandFailed", "ControlPlane"]
