"""An incident from every source: the cluster, Events, the audit log, Prometheus, and the review's verdicts.

The rule of this folder: each file adds what one source has to the findings. What cannot be read becomes a note, and the
rest is shown all the same.
"""
