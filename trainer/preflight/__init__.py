"""Preflight: what a run is about to do, computed before its first step."""
