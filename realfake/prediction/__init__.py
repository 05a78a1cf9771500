"""Predictions a person can look at: of photographs and videos, drawn on them and explained."""
