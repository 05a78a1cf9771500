"""Scores of predictions: metrics, statistics, calibration, baselines, tables and plots; knows labels alone."""
