"""Searches: knobs are varied over a space, trial by trial, by Optuna's samplers and pruners."""
