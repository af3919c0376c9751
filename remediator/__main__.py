"""`python -m remediator`: the command line, where its script is not on the path."""

from remediator.cli import main

main(prog_name="remediator")
