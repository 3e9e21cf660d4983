"""Coming by a token, and keeping one alive."""
