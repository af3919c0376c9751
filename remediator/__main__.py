"""`python -m remediator`: the command line, if its script is not on the PATH."""

from remediator.cli import main

main(prog_name="remediator")
