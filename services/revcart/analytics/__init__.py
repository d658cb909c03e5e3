"""Reports fed by events: what was sold, by whom, how well the shop works."""
