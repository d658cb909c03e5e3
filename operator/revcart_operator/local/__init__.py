"""A platform on one machine: all services in one process, on embedded stores that live in one folder."""
