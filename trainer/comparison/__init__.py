"""Comparisons: arms × seeds of runs, and the verdict on each arm.

evidence.py is the statistics of paired differences; verdicts.py says what they show.
"""
