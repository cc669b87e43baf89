"""Techniques, one function each, grouped by family. Add a new one here; nothing else needs to change."""
