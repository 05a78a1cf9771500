"""What a run is on disk: folder, results, checkpoints, the network that is loaded from it."""
