"""Runs in words, the same on pages, in the terminal and in exports."""
