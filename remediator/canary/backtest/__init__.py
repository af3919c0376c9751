"""Rules, route and remediations over Prometheus's history: what would have been done, and what really happened.

The rule of this folder: Prometheus is only queried for history, and gaps in it are never filled. An alert without a
sample in the whole period is an error, not an alert that never fired.
"""
