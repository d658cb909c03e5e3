"""payment: whether money moved, for which order, and how it went back."""
