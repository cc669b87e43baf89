"""Every technique, one function each, grouped by family: the one place to add another."""
