"""Several small runs in one process, each step of all of them at once, with the very numbers that each would get alone."""
