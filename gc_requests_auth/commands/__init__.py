"""The command line and its diagnosis."""
