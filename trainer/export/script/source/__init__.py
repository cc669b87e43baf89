"""Reading and changing source text: modules, edits, names, lines."""
