"""What Remediator costs, as ratios to a baseline that is measured in the same run. `make bench` runs all of it."""
