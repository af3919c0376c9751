"""The reflex at work on this machine, as a timeline: `python -m demo`. The acceptance tests use the same parts."""
