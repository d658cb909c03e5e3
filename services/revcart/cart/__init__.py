"""What somebody means to buy: the cart of a user or of a guest, kept in Redis for a day."""
