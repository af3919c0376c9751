"""Minutes of mixed load and faults, after which nothing may have leaked and no act may have happened twice."""
