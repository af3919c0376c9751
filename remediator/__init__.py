"""The safety reflex of a canary rollout: for each alert, at most one change towards safety, and always a reason."""

__version__ = "0.1.0"
