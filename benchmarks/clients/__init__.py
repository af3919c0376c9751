"""Whoever posts: fast, at a given rate, one after the other, never to an end."""
