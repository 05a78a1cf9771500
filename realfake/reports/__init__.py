"""Finished runs side by side: found, ranked, pooled, and shown as tables and a page."""
