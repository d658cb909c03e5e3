"""Tells people what happened, on the channels they chose, and feeds open screens at once."""
