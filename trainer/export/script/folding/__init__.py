"""Leaving out of a script what its one configuration never varies."""
