"""The reflex: a notification in, one outcome for each of its alerts out, without a human."""
