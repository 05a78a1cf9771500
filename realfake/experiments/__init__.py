"""Runs that train: alone, in sweeps, on devices."""
