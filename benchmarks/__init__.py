"""What it costs, measured: ``python -m benchmarks.<name>``. Each prints a table and can write its figures as JSON."""
