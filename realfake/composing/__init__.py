"""How a command line becomes a configuration, and what is said if it cannot."""
