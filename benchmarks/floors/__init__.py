"""What is compared with: the least that could do the same."""
