"""The order: what was bought, for how much, and in which state it is."""
