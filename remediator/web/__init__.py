"""The HTTP listeners: bytes to values and back. Decides nothing."""
