"""An incident from all that knows of it: the cluster, Events, the audit log, Prometheus, and the review's verdicts.

The rule of this folder: each file adds what one source has to the findings. What cannot be read is a sentence, and the
rest is there all the same.
"""
