"""A notification in, one outcome for each of its alerts out. Nobody is asked."""
