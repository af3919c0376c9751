"""Rules, route and remediations over Prometheus's history: what would have been done, and what really happened.

The rule of this folder: nothing is asked of Prometheus but history, and nothing is made up where it has none. An alert
without a sample in the whole time is an error, and not an alert that never fired.
"""
