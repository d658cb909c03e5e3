"""Razorpay's double: the same API over a file of its own, so that RevCart can be run and tested without an account."""
