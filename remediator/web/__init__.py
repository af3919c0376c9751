"""Bytes to values and back. Decides nothing."""
