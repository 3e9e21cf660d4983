"""Sharing a token between processes."""
