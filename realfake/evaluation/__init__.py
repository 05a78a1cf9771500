"""A finished run tested again, and the report on it."""
