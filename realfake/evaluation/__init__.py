"""What is said about finished work: statistics, pictures and pages; nothing here trains."""
