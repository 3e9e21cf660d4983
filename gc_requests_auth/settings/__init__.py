"""Who signs in, and where."""
