"""The canary as people operate it: what it is set to, how to change it, and whether it may be promoted."""
