"""The safety reflex of a canary rollout: alerts in, at most one safer change out, and a reason for each."""

__version__ = "0.1.0"
