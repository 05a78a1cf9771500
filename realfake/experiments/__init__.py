"""Runs: their folders, results, training, sweeps and reports."""
