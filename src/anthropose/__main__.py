"""`python -m anthropose` is the command line."""

from anthropose.cli import main

main()
