"""The catalogue and its stock: what can be bought, at which price, and how much of it is left."""
