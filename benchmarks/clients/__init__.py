"""Clients of the webhook: fast, on schedule, one after the other, or stalled."""
