"""The decisions. Pure: no clock, no I/O, no threads; time is an argument."""
