"""`python -m app` is the command line."""

from app.cli.main import main

main()
