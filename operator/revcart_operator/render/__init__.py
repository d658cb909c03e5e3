"""Pure functions from a platform (and a few facts about the place it runs in) to what is to be there."""
