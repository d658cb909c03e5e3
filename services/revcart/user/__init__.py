"""The public face of a person: profile, addresses, preferences."""
