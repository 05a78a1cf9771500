"""Systems against each other on the same people: paired, tested, and how many people it would take."""
