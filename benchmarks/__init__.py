"""What Remediator costs, as ratios to baselines that are measured in the same run. `make bench` runs everything."""
