"""`python -m inlay` is the `inlay` command."""

from .cli import main

main(prog_name="inlay")
