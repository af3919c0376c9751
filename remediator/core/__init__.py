"""What is decided: pure. No clock, no I/O, no threads; time is an argument."""
