"""What a dataset is like: statistics, pictures and a page."""
