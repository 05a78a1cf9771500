"""What is known about a clip over time, as batches of it reach a network."""
