"""The console script `revcart`: a platform on this machine, and what one wants to know about a platform file."""
