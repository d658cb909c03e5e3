"""The one door: everything under `/api` and `/ws` passes here, and nothing else is public."""
