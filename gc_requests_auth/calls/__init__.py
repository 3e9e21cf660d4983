"""Sending a call: which request gets a token, and what follows from its answer."""
