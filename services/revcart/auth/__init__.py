"""Accounts and what proves them: sign-up, sign-in, sessions, tokens and their keys."""
