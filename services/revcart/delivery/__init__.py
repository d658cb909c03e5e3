"""Brings confirmed orders to the door: who rides, when they arrive, and the proof that they did."""
